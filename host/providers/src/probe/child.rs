//! The process of the probe: forks for each file, so that the program starts once for all of them. The fork loads the
//! file as a provider, makes the first calls, and reports each step.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::stdio::stdin;
use serde_json::Map;
use sriovdp_provider_abi::wire;

use super::super::calls::{Discover, Manifest};
use super::super::json_call::{attach, call};
use super::super::{ProviderError, Step, exit_now, load};
use super::Line;
use super::request::{Descriptors, RUNS, Request, UNKNOWN};

/// A directory that never exists, since no process has the number 0: a discovery below it finds nothing.
const NOWHERE: &str = "/proc/0";

/// Probes the files that the host sends over the socket at standard input, until the host closes it. This process runs
/// no code of a provider, and must have one thread.
///
/// # Errors
///
/// When the socket fails.
#[allow(unsafe_code, reason = "`fork` is a function of the C library")]
pub fn answer() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let parent = rustix::process::getpid();
    while let Some(request) = Request::receive(stdin())? {
        let answer = match request {
            // SAFETY: no other thread can have a lock that the fork would wait for, because this process has one thread.
            Request::Probe(file) => match unsafe { libc::fork() } {
                -1 => -io::Error::last_os_error().raw_os_error().unwrap_or(1),
                0 => exit_now(u8::from(probe_file(file, parent).is_err())),
                child => {
                    // The fork does so as well, and may be killed before.
                    let _ = rustix::process::setpgid(Pid::from_raw(child), None);
                    child
                }
            },
            Request::Status(child) => status(child),
        };
        reply(answer)?;
    }
    Ok(())
}

fn reply(number: i32) -> io::Result<()> {
    rustix::io::retry_on_intr(|| rustix::io::write(stdin(), &number.to_le_bytes()))?;
    Ok(())
}

/// The status of a fork that has ended. One that runs is not waited for, because it may hang.
fn status(child: Pid) -> i32 {
    match rustix::process::waitpid(Some(child), WaitOptions::NOHANG) {
        Ok(Some((_, status))) => status.as_raw(),
        Ok(None) | Err(Errno::INTR) => RUNS,
        Err(_) => UNKNOWN,
    }
}

/// Probes one file in this process.
fn probe_file(file: Descriptors<OwnedFd>, parent: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() != Some(parent) {
        return Err(io::Error::other("the process of the probe has ended"));
    }
    rustix::process::setpgid(None, None)?;
    // In place of the socket.
    rustix::stdio::dup2_stdin(&file.copy)?;
    // Output of the provider itself must not mix with the report.
    rustix::stdio::dup2_stdout(&file.output)?;
    rustix::stdio::dup2_stderr(&file.output)?;
    drop(file.output);
    let mut output = File::from(file.report);
    let mut report = |line: &Line| -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        output.write_all(&text)
    };
    let last = probe(File::from(file.copy), &mut report)?;
    report(&last)
}

/// Reports each step before it begins, so that the last line names the step of a crash.
fn probe(copy: File, report: &mut impl FnMut(&Line) -> io::Result<()>) -> io::Result<Line> {
    report(&Line::Begins(Step::Load))?;
    let module = match load::open(copy) {
        Ok(module) => module,
        Err(ProviderError::Interface(reason)) => return Ok(Line::Interface(reason)),
        Err(ProviderError::Link(reason)) => return Ok(Line::Link(reason)),
        Err(other) => return Ok(Line::Link(other.to_string())),
    };
    report(&Line::Begins(Step::Interface))?;
    if let Err(error) = attach(module) {
        return Ok(Line::Failed(Step::Interface, error.error.into()));
    }
    report(&Line::Begins(Step::Manifest))?;
    let manifest = match call::<Manifest>(module, &Map::new()) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Line::Failed(Step::Manifest, error.error.into())),
    };
    report(&Line::Begins(Step::Discovery))?;
    let empty_node = wire::DiscoverRequest {
        root: NOWHERE.to_owned(),
        ..wire::DiscoverRequest::default()
    };
    let failure = call::<Discover>(module, &empty_node).err();
    let failure = failure.map(|error| error.error.into());
    Ok(Line::Passed(Box::new(manifest), failure))
}
