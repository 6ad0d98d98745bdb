//! What the kernel reports of a process: its memory, its threads and its time.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

/// The unit of the times in `stat`: hundredths of a second on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);
/// `utime` in `/proc/PID/stat`, counted from the state, which follows the name in parentheses.
const UTIME: usize = 11;

/// A process as it is at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    /// `VmRSS`: what counts against a container's limit, and pages of files besides.
    pub(crate) resident_kb: u64,
    /// `RssAnon`: what it has allocated.
    pub(crate) anonymous_kb: u64,
    /// `RssShmem`: among other things, the sealed copies of the provider files.
    pub(crate) shared_kb: u64,
    /// `VmHWM`: the most that was ever resident.
    pub(crate) peak_kb: u64,
    pub(crate) threads: u64,
    /// In hundredths of a second, threads that have ended included.
    pub(crate) cpu: Duration,
}

/// What the threads of a process have done so far; those that have ended take their numbers with them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Activity {
    /// Context switches.
    pub(crate) switches: u64,
    /// On a CPU.
    pub(crate) cpu: Duration,
}

impl Snapshot {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let status = read(pid, "status")?;
        Ok(Self {
            resident_kb: field(&status, "VmRSS")?,
            anonymous_kb: field(&status, "RssAnon")?,
            shared_kb: field(&status, "RssShmem")?,
            peak_kb: field(&status, "VmHWM")?,
            threads: field(&status, "Threads")?,
            cpu: cpu(&read(pid, "stat")?)?,
        })
    }
}

impl Activity {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let mut all = Self::default();
        for thread in fs::read_dir(path(pid, "task")).context("cannot list the threads")? {
            let directory = thread?.path();
            // A thread may end between the listing and the reading.
            let Ok(status) = fs::read_to_string(directory.join("status")) else {
                continue;
            };
            let Ok(times) = fs::read_to_string(directory.join("schedstat")) else {
                continue;
            };
            all.switches += field(&status, "voluntary_ctxt_switches")?;
            all.switches += field(&status, "nonvoluntary_ctxt_switches")?;
            let nanoseconds = times
                .split_whitespace()
                .next()
                .context("`schedstat` is empty")?;
            all.cpu += Duration::from_nanos(nanoseconds.parse()?);
        }
        Ok(all)
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            switches: self.switches.saturating_sub(before.switches),
            cpu: self.cpu.saturating_sub(before.cpu),
        }
    }
}

/// The first child of a process, once it has one.
pub(crate) fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(path(pid, &format!("task/{pid}/children"))).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

fn cpu(stat: &str) -> anyhow::Result<Duration> {
    // The name may contain blanks and parentheses.
    let (_, after_name) = stat.rsplit_once(") ").context("`stat` names no process")?;
    let mut times = after_name
        .split_whitespace()
        .skip(UTIME)
        .map(str::parse::<u32>);
    let (user, system) = times
        .next()
        .zip(times.next())
        .context("`stat` has no times")?;
    Ok(TICK * (user? + system?))
}

fn field(text: &str, name: &str) -> anyhow::Result<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = value.and_then(|value| value.split_whitespace().next());
    number
        .with_context(|| format!("there is no `{name}`"))?
        .parse()
        .with_context(|| format!("`{name}` is no number"))
}

fn read(pid: u32, name: &str) -> anyhow::Result<String> {
    let path = path(pid, name);
    fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))
}

fn path(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}
