//! The probe: a child process of this program loads a file first, so that a file that crashes it is refused.
//!
//! The child forks for each file and runs no provider itself, so that the program starts once for all files. The fork gets
//! the sealed copy, and reports its progress as one JSON value per line.

mod child;
mod process;
mod request;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};
use serde::{Deserialize, Serialize};
use sriovdp_provider_abi::wire;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

pub use child::answer;

use super::sealed::SealedCopy;
use super::{ProviderError, Step};
use process::ProbeProcess;
use request::{Descriptors, RUNS, Request};

/// The command of this program that runs the probe.
pub const COMMAND: &str = "probe-provider";
/// Manifests of the built-in providers have five kilobytes.
const MAX_OUTPUT: u64 = 1 << 20;
/// For the process to start and to answer, which takes milliseconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// For the kernel to end a killed process.
const REAP_TIMEOUT: Duration = Duration::from_secs(1);
/// Process 1 is no child, and a negative number would name all processes.
const LOWEST_CHILD: i32 = 2;
/// Queries of a fork's status without a pause: it takes less than a millisecond to end after it has closed its report.
const QUICK_QUERIES: u32 = 16;
/// The pause between later ones.
const QUERY_INTERVAL: Duration = Duration::from_millis(5);

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

/// The process of the probe, which is started once for all files, and again when it has ended.
#[derive(Debug)]
pub(super) struct Probes {
    program: PathBuf,
    limit: Duration,
    process: Mutex<Option<ProbeProcess>>,
}

/// How the probe of one file ended.
#[derive(Debug)]
enum Ended {
    TimedOut,
    TooMuchOutput,
    /// With the process that forks for all files.
    WithProcess,
    WithStatus(ExitStatus),
}

impl Probes {
    /// Probes with `program`, each file for at most `limit`.
    pub(super) fn new(program: PathBuf, limit: Duration) -> Self {
        Self {
            program,
            limit,
            process: Mutex::default(),
        }
    }

    /// Starts the process before there is a file for it. A failure occurs again when there is one.
    pub(super) fn prepare(&self) {
        if let Ok(mut process) = self.process.try_lock() {
            *process = process
                .take()
                .or_else(|| ProbeProcess::start(&self.program).ok());
        }
    }

    /// Probes a file.
    ///
    /// # Errors
    ///
    /// The reason to refuse the file.
    pub(super) async fn probe(&self, copy: &SealedCopy) -> Result<Probed, ProviderError> {
        let mut output = Vec::new();
        let mut ended = self.run(copy, &mut output).await;
        if let Ok(Ended::WithProcess) = ended {
            // Another file, or a lack of memory, may have ended it. In a process of its own, no file affects another.
            output.clear();
            let own = Self::new(self.program.clone(), self.limit);
            ended = own.run(copy, &mut output).await;
        }
        let no_probe = |source| ProviderError::NoProbe {
            program: self.program.clone(),
            source,
        };
        let ended = ended.map_err(no_probe)?;
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
            Ended::TimedOut => Err(ProviderError::Hangs {
                at,
                limit: self.limit,
            }),
            Ended::TooMuchOutput => Err(ProviderError::Manifest(format!(
                "it has more than {MAX_OUTPUT} bytes"
            ))),
            Ended::WithProcess => Err(no_probe(io::Error::other(
                "the process of the probe has ended",
            ))),
            Ended::WithStatus(status) => {
                let count = output.split_inclusive(|&byte| byte == b'\n').count();
                let is_readable = lines.len() == count;
                result(lines, at, is_readable, status)
            }
        }
    }

    /// Runs the probe of a file and appends its report to `output`.
    async fn run(&self, copy: &SealedCopy, output: &mut Vec<u8>) -> io::Result<Ended> {
        let (report, report_end) = io::pipe()?;
        let (noise, noise_end) = io::pipe()?;
        let report = Receiver::from_owned_fd(report.into())?;
        let noise = Receiver::from_owned_fd(noise.into())?;
        let request = Request::Probe(Descriptors {
            copy: copy.file().as_fd(),
            report: report_end.as_fd(),
            output: noise_end.as_fd(),
        });
        let answer = self.answer(&request).await;
        drop((report_end, noise_end));
        let child = match answer? {
            Some(child) if child >= LOWEST_CHILD => Pid::from_raw(child),
            Some(errno) if errno < 0 => return Err(io::Error::from_raw_os_error(-errno)),
            _ => None,
        };
        let Some(child) = child else {
            return Ok(Ended::WithProcess);
        };
        let end = Instant::now() + self.limit;
        let ended = match timeout_at(end, follow(report, noise, output)).await {
            Err(_) => Ok(Ended::TimedOut),
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) if output.len() as u64 > MAX_OUTPUT => Ok(Ended::TooMuchOutput),
            Ok(Ok(())) => self.end_of(child, end).await,
        };
        // Fails when no process of the group is left, which is the usual case; its number is not reused so soon.
        let _ = rustix::process::kill_process_group(child, Signal::KILL);
        if let Ok(Ended::TimedOut | Ended::TooMuchOutput) = ended {
            // It may have left its group. While it is not reaped, its number is not reused.
            let _ = rustix::process::kill_process(child, Signal::KILL);
            // A fork that is not reaped ends with its parent.
            let _ = self.end_of(child, Instant::now() + REAP_TIMEOUT).await;
        }
        reap_group(child).await;
        ended
    }

    /// Waits until `end` for the end of a fork, which mostly has just closed its report. No query is interrupted: the process
    /// would not be used any more, and its other forks would end with it.
    async fn end_of(&self, child: Pid, end: Instant) -> io::Result<Ended> {
        let mut queries = 0;
        loop {
            match self.answer(&Request::Status(child)).await? {
                Some(RUNS) if Instant::now() >= end => return Ok(Ended::TimedOut),
                Some(RUNS) if queries < QUICK_QUERIES => queries += 1,
                Some(RUNS) => tokio::time::sleep(QUERY_INTERVAL).await,
                Some(status) if status >= 0 => {
                    return Ok(Ended::WithStatus(ExitStatus::from_raw(status)));
                }
                // Another process answers: the one that forked has ended, and its forks with it.
                _ => return Ok(Ended::WithProcess),
            }
        }
    }

    /// The answer of the process; nothing when it has ended, and another one is started for the next request.
    async fn answer(&self, request: &Request<BorrowedFd<'_>>) -> io::Result<Option<i32>> {
        let mut place = self.process.lock().await;
        // Without an answer, or when this wait ends early, the process is not used any more.
        let mut process = match place.take() {
            Some(process) => process,
            None => ProbeProcess::start(&self.program)?,
        };
        let answer = timeout(ANSWER_TIMEOUT, process.answer(request)).await;
        if let Ok(Some(_)) = answer {
            *place = Some(process);
        } else {
            // After its end, its forks have another parent.
            let _ = timeout(REAP_TIMEOUT, process.end()).await;
        }
        Ok(answer?)
    }
}

/// Reaps what is left of the group of a fork, if this process has become its parent, as process 1 of a container does.
async fn reap_group(group: Pid) {
    let end = Instant::now() + REAP_TIMEOUT;
    while let Ok(reaped) = rustix::process::waitpgid(group, WaitOptions::NOHANG)
        && Instant::now() < end
    {
        if reaped.is_none() {
            tokio::time::sleep(QUERY_INTERVAL).await;
        }
    }
}

/// Reads the report, and reads and discards the provider's own output, since a full pipe would block it.
async fn follow(report: Receiver, mut noise: Receiver, output: &mut Vec<u8>) -> io::Result<()> {
    let mut sink = tokio::io::sink();
    let noise = tokio::io::copy(&mut noise, &mut sink);
    tokio::try_join!(read_report(report, output), noise)?;
    Ok(())
}

/// Closes the report at its limit, so that a fork that goes on writing ends.
async fn read_report(report: Receiver, output: &mut Vec<u8>) -> io::Result<usize> {
    report.take(MAX_OUTPUT + 1).read_to_end(output).await
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
