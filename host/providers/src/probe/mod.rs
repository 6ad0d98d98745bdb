//! The probe: a child process of this program loads a file first, so that a file that crashes it is refused.
//!
//! The child forks for each file and runs no provider itself, so that the program starts once for all files. The fork gets
//! the sealed copy, and reports its progress as one JSON value per line.

mod child;
mod process;
mod request;

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use sriovdp_provider_abi::wire;
use tokio::sync::Semaphore;

pub use child::answer;

use super::sealed::SealedCopy;
use super::{ProviderError, Step};
use process::{Ended, ProbeProcess};

/// The command of this program that runs the probe.
pub const COMMAND: &str = "probe-provider";
/// Manifests of the built-in providers have five kilobytes.
const MAX_OUTPUT: u64 = 1 << 20;
/// How long a file waits for a process that probes another one. A probe takes a millisecond.
const IDLE_WAIT: Duration = Duration::from_millis(50);

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

/// The processes that probe files, one file at a time each.
#[derive(Debug)]
pub(super) struct Probes {
    program: PathBuf,
    limit: Duration,
    idle: Mutex<Vec<ProbeProcess>>,
    /// One permit for each idle process.
    idle_count: Semaphore,
}

impl Probes {
    /// Probes with `program`, each file for at most `limit`.
    pub(super) fn new(program: PathBuf, limit: Duration) -> Self {
        Self {
            program,
            limit,
            idle: Mutex::default(),
            idle_count: Semaphore::new(0),
        }
    }

    /// Starts a process before there is a file for it. A failure occurs again when there is one.
    pub(super) fn prepare(&self) {
        if let Ok(process) = ProbeProcess::start(&self.program) {
            self.give_back(process);
        }
    }

    /// Probes a file.
    ///
    /// # Errors
    ///
    /// The reason to refuse the file.
    pub(super) async fn probe(&self, copy: &SealedCopy) -> Result<Probed, ProviderError> {
        let no_probe = |source| ProviderError::NoProbe {
            program: self.program.clone(),
            source,
        };
        let mut process = self.process().await.map_err(no_probe)?;
        let mut output = Vec::new();
        let ended = process.probe(copy, self.limit, &mut output).await;
        if process.is_idle() {
            self.give_back(process);
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
        match ended.map_err(no_probe)? {
            Ended::TimedOut => Err(ProviderError::Hangs {
                at,
                limit: self.limit,
            }),
            Ended::TooMuchOutput => Err(ProviderError::Manifest(format!(
                "it has more than {MAX_OUTPUT} bytes"
            ))),
            Ended::WithoutStatus => Err(ProviderError::Garbage),
            Ended::WithStatus(status) => {
                let count = output.split_inclusive(|&byte| byte == b'\n').count();
                let is_readable = lines.len() == count;
                result(lines, at, is_readable, status)
            }
        }
    }

    /// An idle process, or else another one.
    async fn process(&self) -> std::io::Result<ProbeProcess> {
        let idle = tokio::time::timeout(IDLE_WAIT, self.idle_count.acquire()).await;
        if let Ok(Ok(permit)) = idle {
            permit.forget();
            if let Some(process) = self.lock().pop() {
                return Ok(process);
            }
        }
        ProbeProcess::start(&self.program)
    }

    fn give_back(&self, process: ProbeProcess) {
        self.lock().push(process);
        self.idle_count.add_permits(1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<ProbeProcess>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
