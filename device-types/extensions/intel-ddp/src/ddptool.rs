//! Intel's program `ddptool`, which reads the profile of cards whose driver does not report it to devlink (`i40e`): one
//! run for each function, with a timeout.

use std::io;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use sriovdp_sdk::{HostRoot, PciAddress};

/// More than any output has.
const LARGEST: u64 = 64 * 1024;

/// The program, and the time for it.
#[derive(Debug)]
pub(crate) struct Ddptool {
    pub(crate) program: PathBuf,
    /// Whether it works below any root, as that of a test does; the real one reads the machine that it runs on.
    pub(crate) everywhere: bool,
    pub(crate) timeouts: Timeouts,
}

/// How long the program may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// For one function.
    pub(crate) run: Duration,
    /// For all functions of a scan, for which the host gives ten seconds.
    pub(crate) scan: Duration,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// There is no such program.
    #[error("`ddptool` is not installed")]
    NotInstalled,
    /// It is built for another machine, or may not be run.
    #[error("cannot run `ddptool`: {0}")]
    Start(io::Error),
    /// It was ended.
    #[error("`ddptool` has not answered in time")]
    Late,
}

impl Default for Ddptool {
    fn default() -> Self {
        Self {
            program: "ddptool".into(),
            everywhere: false,
            timeouts: Timeouts {
                run: Duration::from_secs(2),
                scan: Duration::from_secs(5),
            },
        }
    }
}

impl Ddptool {
    /// Whether it reads the machine below `root`.
    pub(crate) fn works_below(&self, root: &HostRoot) -> bool {
        self.everywhere || root.directory() == Path::new("/")
    }

    /// The name of the profile in `function`, if it has one.
    pub(crate) fn profile(
        &self,
        function: PciAddress,
        time: Duration,
    ) -> Result<Option<String>, ToolError> {
        let mut command = Command::new(&self.program);
        command.args(["-l", "-a", "-j", "-s", &function.to_string()]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ToolError::NotInstalled,
            _ => ToolError::Start(error),
        })?;
        let reader = child.stdout.take().map(read_aside).transpose();
        let output = reader.map(|reader| reader.and_then(|output| output.recv_timeout(time).ok()));
        // After its output the program is of no use; its exit code adds nothing.
        let _ = child.kill();
        let _ = child.wait();
        let output = output.map_err(ToolError::Start)?.ok_or(ToolError::Late)?;
        let inventory: Value = serde_json::from_slice(&output).unwrap_or_default();
        let name = inventory
            .pointer("/DDPInventory/DDPpackage/name")
            .and_then(Value::as_str);
        Ok(name.filter(|name| !name.is_empty()).map(str::to_owned))
    }
}

/// Reads on a thread of its own, which ends when the program and its children do.
fn read_aside(output: ChildStdout) -> io::Result<mpsc::Receiver<Vec<u8>>> {
    let (bytes, read) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("ddptool".to_owned())
        .spawn(move || {
            let mut text = Vec::new();
            // What was read before an error is no JSON, so the error needs no handling.
            let _ = output.take(LARGEST).read_to_end(&mut text);
            let _ = bytes.send(text);
        })?;
    Ok(read)
}
