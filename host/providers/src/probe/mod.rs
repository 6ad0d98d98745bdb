//! The probe: a child process of this program loads a file first, so that a file that crashes it is refused.
//!
//! The child gets the sealed copy as its standard input and reports its progress on its standard output, one JSON value
//! per line.

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

use super::sealed::SealedCopy;
use super::{ProviderError, Step};

/// The command of this program that runs the probe.
pub const COMMAND: &str = "probe-provider";
/// Names further variables for the child, separated by commas.
const PROVIDER_ENVIRONMENT: &str = "SRIOVDP_PROVIDER_ENV";
/// Variables that the child always gets: where it finds libraries and programs.
const ALWAYS_PASSED: [&str; 2] = ["LD_LIBRARY_PATH", "PATH"];
/// Manifests of the built-in providers have five kilobytes.
const MAX_OUTPUT: u64 = 1 << 20;
/// For the kernel to end a killed process.
const REAP_TIMEOUT: Duration = Duration::from_secs(1);

/// The result of a probe.
#[derive(Debug)]
pub(super) struct Probed {
    pub(super) manifest: wire::Manifest,
    /// The error of the discovery on an empty node. No reason to refuse the file: a dependency may be missing for now.
    pub(super) discovery: Option<sriovdp_sdk::Error>,
}

/// A line of the child's report.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The step that begins.
    Begins(Step),
    /// The dynamic linker refused the file.
    Link(String),
    /// The ABI differs.
    Interface(String),
    /// A call failed.
    Failed(Step, wire::Failure),
    /// The file passed, and the discovery may have failed.
    Passed(Box<wire::Manifest>, Option<wire::Failure>),
}

/// Probes a file with `program`, for at most `limit`.
///
/// # Errors
///
/// The reason to refuse the file.
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
    let mut output = Vec::new();
    let ended = tokio::time::timeout(limit, read_to_end(&mut child, &mut output)).await;
    if let Some(group) = group {
        // Fails when no process of the group is left, which is the usual case; its number is not reused so soon.
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
    if child.id().is_some() {
        // The runtime reaps a process that takes longer.
        let _ = tokio::time::timeout(REAP_TIMEOUT, child.wait()).await;
    }
    let lines: Vec<Line> = output
        .split_inclusive(|&byte| byte == b'\n')
        .map_while(|line| serde_json::from_slice(line).ok())
        .collect();
    let begun = lines.iter().rev().find_map(|line| match line {
        Line::Begins(step) => Some(*step),
        _ => None,
    });
    let at = begun.unwrap_or(Step::Load);
    match ended {
        Err(_) => Err(ProviderError::Hangs { at, limit }),
        Ok(Err(error)) => Err(no_probe(error)),
        Ok(Ok(None)) => Err(ProviderError::Manifest(format!(
            "it has more than {MAX_OUTPUT} bytes"
        ))),
        Ok(Ok(Some(status))) => {
            let is_readable = lines.len() == output.split_inclusive(|&byte| byte == b'\n').count();
            result(lines, at, is_readable, status)
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

/// The variables for the child. The rest may contain secrets, and the provider is not vetted yet.
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    let listed = std::env::var(PROVIDER_ENVIRONMENT).unwrap_or_default();
    std::env::vars_os().filter(move |(name, _)| {
        let names = ALWAYS_PASSED.into_iter().chain(listed.split(','));
        names.into_iter().any(|passed| name == passed)
    })
}

/// The child's process group, which it leads.
fn group_of(child: &Child) -> Option<Pid> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    id.and_then(Pid::from_raw)
}

/// Reads the child's report and waits for its end; nothing when the report exceeds its limit. The provider's own output
/// is read and discarded, since a full pipe would block it.
async fn read_to_end(child: &mut Child, output: &mut Vec<u8>) -> io::Result<Option<ExitStatus>> {
    if let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) {
        let mut sink = tokio::io::sink();
        let report = read_report(stdout, output);
        tokio::try_join!(report, tokio::io::copy(&mut stderr, &mut sink))?;
    }
    if output.len() as u64 > MAX_OUTPUT {
        return Ok(None);
    }
    child.wait().await.map(Some)
}

async fn read_report(stdout: ChildStdout, output: &mut Vec<u8>) -> io::Result<usize> {
    stdout.take(MAX_OUTPUT + 1).read_to_end(output).await
}

fn result(
    lines: Vec<Line>,
    at: Step,
    is_readable: bool,
    status: ExitStatus,
) -> Result<Probed, ProviderError> {
    match lines.into_iter().next_back() {
        Some(Line::Passed(manifest, discovery)) if status.success() => Ok(Probed {
            manifest: *manifest,
            discovery: discovery.map(Into::into),
        }),
        Some(Line::Link(reason)) => Err(ProviderError::Link(reason)),
        Some(Line::Interface(reason)) => Err(ProviderError::Interface(reason)),
        Some(Line::Failed(at, failure)) => Err(ProviderError::Call {
            at,
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
    let named = named.iter().find(|(signal, _)| signal.as_raw() == number);
    named.map_or_else(
        || format!("signal {number}"),
        |(_, name)| (*name).to_owned(),
    )
}
