//! `sriovdp rescan`: requests a full reconcile from the running daemon, by SIGHUP.
//!
//! The daemon has no PID file, and its local socket takes no commands: it is another process of this user that runs this program
//! file as a daemon with the same root. `kubectl exec` starts this command in the daemon's PID namespace.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::Stat;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, getpid, getuid, pidfd_open, pidfd_send_signal};
use sriovdp_sdk::Error;

use super::Output;
use crate::cli::Arguments;
use sriovdp_providers::bounded_read;

const PROC: &str = "/proc";
/// A longer command line is not one of this program.
const MAX_SIZE: u64 = 1 << 20;

pub(super) fn rescan(output: &mut Output, arguments: &Arguments) {
    match signal_daemons(arguments) {
        Ok(signalled) if signalled.is_empty() => output.error(
            &Error::new("no running daemon found").with_hint(
                "run `sriovdp rescan` where the daemon runs, such as in its container, and with its `--root`; where \
                 the program's file was replaced, restart the daemon",
            ),
        ),
        Ok(signalled) => {
            for id in signalled {
                output.line(format_args!(
                    "rescan requested (pid {})",
                    id.as_raw_nonzero()
                ));
            }
        }
        Err(error) => {
            output.error(&Error::from_std(&error).context("cannot signal the running daemon"));
        }
    }
}

/// Signals every such daemon, and returns their process ids.
fn signal_daemons(arguments: &Arguments) -> Result<Vec<Pid>, std::io::Error> {
    let program = rustix::fs::stat(format!("{PROC}/self/exe"))?;
    let mut signalled = Vec::new();
    for entry in std::fs::read_dir(PROC)?.flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        let Some(id) = id.and_then(Pid::from_raw).filter(|&id| id != getpid()) else {
            continue;
        };
        // With the descriptor, the examined process is the one that gets the signal, even if its id is reused.
        let Ok(process) = pidfd_open(id, PidfdFlags::empty()) else {
            continue;
        };
        if !is_daemon(&entry.path(), &program, arguments) {
            continue;
        }
        match pidfd_send_signal(&process, Signal::HUP) {
            // It has just ended.
            Err(Errno::SRCH) => {}
            sent => {
                sent?;
                signalled.push(id);
            }
        }
    }
    Ok(signalled)
}

/// Whether the process runs this program as a daemon for this user. The file is compared and not its name: the Go
/// plugin's program has the same name, and SIGHUP ends it.
fn is_daemon(process: &Path, program: &Stat, ours: &Arguments) -> bool {
    let runs_program = rustix::fs::stat(process.join("exe"))
        .is_ok_and(|file| (file.st_dev, file.st_ino) == (program.st_dev, program.st_ino));
    let is_ours =
        || rustix::fs::stat(process).is_ok_and(|directory| directory.st_uid == getuid().as_raw());
    runs_program
        && is_ours()
        && serves(process, ours).unwrap_or(false)
        && catches_signal(process).unwrap_or(false)
}

fn serves(process: &Path, ours: &Arguments) -> Option<bool> {
    let line = read(&process.join("cmdline"))?;
    let arguments = line.strip_suffix(b"\0")?.split(|&byte| byte == 0);
    let arguments = arguments.map(|argument| OsString::from_vec(argument.to_vec()));
    let theirs = Arguments::parse_go_style(arguments).ok()?;
    Some(theirs.command.is_none() && theirs.common.root == ours.common.root)
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let (file, _) = bounded_read::open(file).ok()?;
    bounded_read::read(file, MAX_SIZE).ok()
}

/// A daemon that is just starting has no handler yet, so the signal would end it; it reconciles anyway.
fn catches_signal(process: &Path) -> Option<bool> {
    let status = read(&process.join("status"))?;
    let caught = std::str::from_utf8(&status)
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))?;
    let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
    // The lowest bit is that of signal 1 (`man 5 proc_pid_status`), which SIGHUP is.
    Some(caught & 1 == 1)
}
