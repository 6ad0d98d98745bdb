//! The probe's child process: loads its standard input as a provider, makes the first calls, and reports each step.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::process::Signal;
use serde_json::Map;
use sriovdp_provider_abi::wire;

use super::super::calls::{Discover, Manifest};
use super::super::json_call::{attach, call};
use super::super::{ProviderError, Step, load};
use super::Line;

/// A directory that never exists, since no process has the number 0: a discovery below it finds nothing.
const NOWHERE: &str = "/proc/0";

/// Runs the probe in this process.
///
/// # Errors
///
/// When standard input or output fail.
pub fn answer() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let copy = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // Output of the provider itself must not mix with the report.
    rustix::stdio::dup2_stdout(io::stderr())?;
    let mut report = |line: &Line| -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        output.write_all(&text)
    };
    let last = probe(copy, &mut report)?;
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
