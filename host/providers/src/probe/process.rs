//! One process of the probe, as the host starts and uses it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};

use super::super::sealed::SealedCopy;
use super::request::Request;
use super::{COMMAND, MAX_OUTPUT};

/// Names further variables for the child, separated by commas.
const PROVIDER_ENVIRONMENT: &str = "SRIOVDP_PROVIDER_ENV";
/// Variables that the child always gets: where it finds libraries and programs.
const ALWAYS_PASSED: [&str; 2] = ["LD_LIBRARY_PATH", "PATH"];
/// For the kernel to end a killed process.
const REAP_TIMEOUT: Duration = Duration::from_secs(1);
/// Process 1 is no child, and a negative number would name all processes.
const LOWEST_CHILD: i32 = 2;

/// A process that forks for each file. It ends with this value.
#[derive(Debug)]
pub(super) struct ProbeProcess {
    _child: Child,
    socket: UnixStream,
    /// It has answered for every file so far.
    is_idle: bool,
}

/// How the probe of one file ended.
#[derive(Debug)]
pub(super) enum Ended {
    TimedOut,
    TooMuchOutput,
    /// The process itself has ended, or is none of this program.
    WithoutStatus,
    WithStatus(ExitStatus),
}

impl ProbeProcess {
    pub(super) fn start(program: &Path) -> io::Result<Self> {
        let (socket, of_child) = UnixStream::pair()?;
        let of_child = of_child.into_std()?;
        of_child.set_nonblocking(false)?;
        let child = Command::new(program)
            .arg(COMMAND)
            .env_clear()
            .envs(environment())
            .stdin(OwnedFd::from(of_child))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self {
            _child: child,
            socket,
            is_idle: true,
        })
    }

    /// Whether it can probe another file.
    pub(super) fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// Probes a file for at most `limit`, and appends the report to `output`.
    ///
    /// # Errors
    ///
    /// When the system lacks what the probe needs.
    pub(super) async fn probe(
        &mut self,
        copy: &SealedCopy,
        limit: Duration,
        output: &mut Vec<u8>,
    ) -> io::Result<Ended> {
        self.is_idle = false;
        let (report, report_end) = io::pipe()?;
        let (noise, noise_end) = io::pipe()?;
        let report = Receiver::from_owned_fd(report.into())?;
        let noise = Receiver::from_owned_fd(noise.into())?;
        let request = Request {
            copy: copy.file().as_fd(),
            report: report_end.as_fd(),
            output: noise_end.as_fd(),
        };
        let is_sent = request.send(&self.socket).is_ok();
        drop((report_end, noise_end));
        if !is_sent {
            return Ok(Ended::WithoutStatus);
        }
        let mut group = None;
        let ended = self.follow(report, noise, output, &mut group);
        let ended = tokio::time::timeout(limit, ended).await;
        if let Some(group) = group {
            // Fails when no process of the group is left, which is the usual case; its number is not reused so soon.
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
        match ended {
            Ok(Ok(Ended::WithStatus(status))) => {
                self.is_idle = true;
                Ok(Ended::WithStatus(status))
            }
            Ok(Ok(Ended::TooMuchOutput)) => {
                self.reap(group).await;
                Ok(Ended::TooMuchOutput)
            }
            Ok(other) => other,
            Err(_) => {
                self.reap(group).await;
                Ok(Ended::TimedOut)
            }
        }
    }

    /// Reads the report and waits for the end of the fork. The provider's own output is read and discarded, since a full
    /// pipe would block it.
    async fn follow(
        &mut self,
        report: Receiver,
        mut noise: Receiver,
        output: &mut Vec<u8>,
        group: &mut Option<Pid>,
    ) -> io::Result<Ended> {
        match self.answer().await {
            Some(child) if child >= LOWEST_CHILD => *group = Pid::from_raw(child),
            Some(errno) if errno < 0 => {
                self.is_idle = true;
                return Err(io::Error::from_raw_os_error(-errno));
            }
            _ => return Ok(Ended::WithoutStatus),
        }
        let mut sink = tokio::io::sink();
        let noise = tokio::io::copy(&mut noise, &mut sink);
        tokio::try_join!(read_report(report, output), noise)?;
        if output.len() as u64 > MAX_OUTPUT {
            return Ok(Ended::TooMuchOutput);
        }
        Ok(match self.answer().await {
            Some(status) => Ended::WithStatus(ExitStatus::from_raw(status)),
            None => Ended::WithoutStatus,
        })
    }

    /// Takes the status of a fork that was killed, so that this process can probe the next file.
    async fn reap(&mut self, group: Option<Pid>) {
        if group.is_some() {
            let status = tokio::time::timeout(REAP_TIMEOUT, self.answer()).await;
            self.is_idle = matches!(status, Ok(Some(_)));
        }
    }

    async fn answer(&mut self) -> Option<i32> {
        self.socket.read_i32_le().await.ok()
    }
}

/// Closes the report at its limit, so that a fork that goes on writing ends.
async fn read_report(report: Receiver, output: &mut Vec<u8>) -> io::Result<usize> {
    report.take(MAX_OUTPUT + 1).read_to_end(output).await
}

/// The variables for the child. The rest may contain secrets, and the provider is not vetted yet.
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    let listed = std::env::var(PROVIDER_ENVIRONMENT).unwrap_or_default();
    std::env::vars_os().filter(move |(name, _)| {
        let names = ALWAYS_PASSED.into_iter().chain(listed.split(','));
        names.into_iter().any(|passed| name == passed)
    })
}
