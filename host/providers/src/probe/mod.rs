//! The probe: a short-lived process of this program loads a file first, so that what crashes there is refused here.
//!
//! The process gets the sealed copy as its standard input and tells its progress on its standard output, one JSON
//! value on each line.

mod child;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};
use sriovdp_provider_abi::wire;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStdout, Command};

pub use child::answer;

use super::ProviderError;
use super::error::WHILE_LOADED;
use super::sealed::SealedCopy;

/// The command of this program that answers a probe.
pub const COMMAND: &str = "probe-provider";
/// Names further variables that a provider reads, with commas between them.
const PROVIDER_ENVIRONMENT: &str = "SRIOVDP_PROVIDER_ENV";
/// Where the dynamic linker and the provider find libraries and programs.
const ALWAYS_KEPT: [&str; 2] = ["LD_LIBRARY_PATH", "PATH"];
/// A manifest of ours has five kilobytes.
const LARGEST_ANSWER: u64 = 1 << 20;
/// How long the kernel may take to end a process that was killed.
const REAP: Duration = Duration::from_secs(1);

/// What a file does when it is loaded.
#[derive(Debug)]
pub(super) struct Probed {
    pub(super) manifest: wire::Manifest,
    /// Why a discovery without any devices fails, if it does. That is no reason to refuse the file: something that it
    /// needs may be missing now.
    pub(super) discovery: Option<sriovdp_sdk::Error>,
}

/// A line of the child's.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// What it does next.
    Begins(String),
    /// It cannot be linked.
    Link(String),
    /// It has another interface.
    Interface(String),
    /// A call failed.
    Failed(String, wire::Failure),
    /// All calls were answered.
    Passed(Box<wire::Manifest>, Option<wire::Failure>),
}

/// Probes a file with `program`, for at most `limit`.
///
/// # Errors
///
/// Why it must not be loaded.
pub(super) async fn probe(
    program: &Path,
    copy: &SealedCopy,
    limit: Duration,
) -> Result<Probed, ProviderError> {
    let no_probe = |source| ProviderError::NoProbe {
        program: program.to_owned(),
        source,
    };
    let mut child = start(program, copy).map_err(no_probe)?;
    let group = group_of(&child);
    let mut said = Vec::new();
    let listened = tokio::time::timeout(limit, listen(&mut child, &mut said)).await;
    if let Some(group) = group {
        // Nothing is left of the group when this fails, as it mostly is. Its number is its own for as long as something
        // is, and comes round again only after all others.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    if child.id().is_some() {
        // One that the kernel does not let go is waited for by the runtime.
        let _ = tokio::time::timeout(REAP, child.wait()).await;
    }
    let lines: Vec<Line> = said
        .split_inclusive(|&byte| byte == b'\n')
        .map_while(|line| serde_json::from_slice(line).ok())
        .collect();
    let begun = lines.iter().rev().find_map(|line| match line {
        Line::Begins(step) => Some(step.clone()),
        _ => None,
    });
    let at = begun.unwrap_or_else(|| WHILE_LOADED.to_owned());
    match listened {
        Err(_) => Err(ProviderError::Hangs { at, limit }),
        Ok(Err(error)) => Err(no_probe(error)),
        Ok(Ok(None)) => Err(ProviderError::Manifest(format!(
            "has more than {LARGEST_ANSWER} bytes"
        ))),
        Ok(Ok(Some(status))) => {
            let is_readable = lines.len() == said.split_inclusive(|&byte| byte == b'\n').count();
            judge(lines, at, is_readable, status)
        }
    }
}

fn start(program: &Path, copy: &SealedCopy) -> io::Result<Child> {
    Command::new(program)
        .arg(COMMAND)
        .env_clear()
        .envs(environment())
        .stdin(copy.file().try_clone()?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// What the dynamic linker and the provider read of the environment. The rest, which may hold secrets, is not for a
/// process that nothing is known about yet.
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    let listed = std::env::var(PROVIDER_ENVIRONMENT).unwrap_or_default();
    std::env::vars_os().filter(move |(name, _)| {
        let names = ALWAYS_KEPT.into_iter().chain(listed.split(','));
        names.into_iter().any(|kept| name == kept)
    })
}

/// The child's process group, which it leads.
fn group_of(child: &Child) -> Option<Pid> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    id.and_then(Pid::from_raw)
}

/// Reads what the child says, and waits for its end. One that says too much is not listened to any longer. What the
/// provider prints is nobody's answer, and a pipe that nobody reads would stop it.
async fn listen(child: &mut Child, said: &mut Vec<u8>) -> io::Result<Option<ExitStatus>> {
    if let (Some(output), Some(mut noise)) = (child.stdout.take(), child.stderr.take()) {
        let mut nowhere = tokio::io::sink();
        let answer = read_answer(output, said);
        tokio::try_join!(answer, tokio::io::copy(&mut noise, &mut nowhere))?;
    }
    if said.len() as u64 > LARGEST_ANSWER {
        return Ok(None);
    }
    child.wait().await.map(Some)
}

async fn read_answer(output: ChildStdout, said: &mut Vec<u8>) -> io::Result<usize> {
    output.take(LARGEST_ANSWER + 1).read_to_end(said).await
}

fn judge(
    lines: Vec<Line>,
    at: String,
    is_readable: bool,
    status: ExitStatus,
) -> Result<Probed, ProviderError> {
    match lines.into_iter().next_back() {
        Some(Line::Passed(manifest, discovery)) if status.success() => Ok(Probed {
            manifest: *manifest,
            discovery: discovery.map(Into::into),
        }),
        Some(Line::Link(words)) => Err(ProviderError::Link(words)),
        Some(Line::Interface(words)) => Err(ProviderError::Interface(words)),
        Some(Line::Failed(method, failure)) => Err(ProviderError::Call {
            method,
            source: failure.into(),
        }),
        _ => Err(match (status.signal(), status.code()) {
            (Some(signal), _) => ProviderError::Crashes {
                at,
                signal: signal_name(signal),
            },
            (None, Some(code)) if is_readable => ProviderError::Exits { at, code },
            (None, _) => ProviderError::Garbage,
        }),
    }
}

fn signal_name(number: i32) -> String {
    let named = [
        (Signal::ABORT, "SIGABRT"),
        (Signal::BUS, "SIGBUS"),
        (Signal::FPE, "SIGFPE"),
        (Signal::ILL, "SIGILL"),
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::SYS, "SIGSYS"),
        (Signal::TERM, "SIGTERM"),
        (Signal::TRAP, "SIGTRAP"),
    ];
    let known = named.iter().find(|(signal, _)| signal.as_raw() == number);
    known.map_or_else(
        || format!("signal {number}"),
        |(_, name)| (*name).to_owned(),
    )
}
