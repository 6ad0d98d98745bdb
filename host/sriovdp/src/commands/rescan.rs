//! `sriovdp rescan`: asks the running daemon to look at the whole node now, by the signal that it takes for that.
//!
//! The daemon listens nowhere but in the kubelet's directories, and has no file to be found by: it is whichever other
//! process of this user runs this very program, serves, and looks at the same root. Beside it in its container, where
//! `kubectl exec` starts this command, it is found whatever its process id is.

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
/// A process may have a long command line, which is then not one of this program's.
const LARGEST: u64 = 1 << 20;

pub(super) fn rescan(page: &mut Output, arguments: &Arguments) {
    match ask(arguments) {
        Ok(asked) if asked.is_empty() => page.error(
            &Error::new("this user runs no daemon of this program here").with_hint(
                "run `sriovdp rescan` where the daemon runs, such as in its container, and with its `--root`; where \
                 the program's file was replaced, restart the daemon",
            ),
        ),
        Ok(asked) => {
            for id in asked {
                page.line(format_args!(
                    "process {} looks at the node again",
                    id.as_raw_nonzero()
                ));
            }
        }
        Err(error) => {
            page.error(&Error::from_std(&error).context("cannot ask the running daemon"));
        }
    }
}

/// Signals every such daemon, and tells which there were.
fn ask(arguments: &Arguments) -> Result<Vec<Pid>, std::io::Error> {
    let program = rustix::fs::stat(format!("{PROC}/self/exe"))?;
    let mut asked = Vec::new();
    for entry in std::fs::read_dir(PROC)?.flatten() {
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        let Some(id) = id.and_then(Pid::from_raw).filter(|&id| id != getpid()) else {
            continue;
        };
        // What is looked at from here on and what gets the signal are one process, even if its id is given away.
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
                asked.push(id);
            }
        }
    }
    Ok(asked)
}

/// Whether the process runs this program as a daemon for this user. By the file and not by its name: the Go plugin's
/// program has the same name, and ends when it gets the signal.
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
    let words = line.strip_suffix(b"\0")?.split(|&byte| byte == 0);
    let words = words.map(|word| OsString::from_vec(word.to_vec()));
    let theirs = Arguments::parse_go_style(words).ok()?;
    Some(theirs.command.is_none() && theirs.common.root == ours.common.root)
}

fn read(file: &Path) -> Option<Vec<u8>> {
    let (file, _) = bounded_read::open(file).ok()?;
    bounded_read::read(file, LARGEST).ok()
}

/// One that is just starting looks anyway, and the signal would end it.
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
