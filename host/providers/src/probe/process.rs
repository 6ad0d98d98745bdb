//! The process of the probe, as the host starts and uses it.

use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::COMMAND;
use super::request::Request;

/// Names further variables for the child, separated by commas.
const PROVIDER_ENVIRONMENT: &str = "SRIOVDP_PROVIDER_ENV";
/// Variables that the child always gets: where it finds libraries and programs.
const ALWAYS_PASSED: [&str; 2] = ["LD_LIBRARY_PATH", "PATH"];

/// A process that forks for each file. It ends with this value.
#[derive(Debug)]
pub(super) struct ProbeProcess {
    pub(super) child: Child,
    pub(super) socket: UnixStream,
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
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child, socket })
    }

    /// The answer to a request; nothing when the process has ended, or another program answers.
    pub(super) async fn answer(&mut self, request: &Request<BorrowedFd<'_>>) -> Option<i32> {
        request.send(&self.socket).ok()?;
        self.socket.read_i32_le().await.ok()
    }

    /// Ends the process.
    pub(super) async fn end(mut self) -> io::Result<()> {
        self.child.kill().await
    }
}

/// The variables for the child. The rest may contain secrets, and the provider is not vetted yet.
fn environment() -> impl Iterator<Item = (OsString, OsString)> {
    let listed = std::env::var(PROVIDER_ENVIRONMENT).unwrap_or_default();
    std::env::vars_os().filter(move |(name, _)| {
        let names = ALWAYS_PASSED.into_iter().chain(listed.split(','));
        names.into_iter().any(|passed| name == passed)
    })
}
