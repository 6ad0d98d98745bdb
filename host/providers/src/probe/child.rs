//! The probe's other side: loads its standard input as a provider, asks it the first questions, and tells how it goes.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::process::Signal;
use serde_json::Map;
use sriovdp_provider_abi::wire;

use super::super::calls::{Call, Discover, Manifest};
use super::super::error::{WHILE_LOADED, in_call};
use super::super::json_call::{CallError, attach, call};
use super::super::{ProviderError, load};
use super::Line;

/// A directory that never exists: no process has this number. A discovery below it finds nothing.
const NOWHERE: &str = "/proc/0";

/// Answers the probe of the process that started this one.
///
/// # Errors
///
/// When it cannot be told to.
pub fn answer() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let copy = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    // What the provider itself prints must not be taken for the answer.
    rustix::stdio::dup2_stdout(io::stderr())?;
    let mut tell = |line: &Line| -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        output.write_all(&text)
    };
    let last = probe(copy, &mut tell)?;
    tell(&last)
}

/// Each step is told before it begins, so that the last line names the place of a crash.
fn probe(copy: File, tell: &mut impl FnMut(&Line) -> io::Result<()>) -> io::Result<Line> {
    tell(&Line::Begins(WHILE_LOADED.to_owned()))?;
    let module = match load::open(copy) {
        Ok(module) => module,
        Err(ProviderError::Interface(words)) => return Ok(Line::Interface(words)),
        Err(ProviderError::Link(words)) => return Ok(Line::Link(words)),
        Err(other) => return Ok(Line::Link(other.to_string())),
    };
    tell(&Line::Begins(in_call("attach")))?;
    if let Err(error) = attach(module) {
        return Ok(failed("attach", error));
    }
    tell(&Line::Begins(in_call(Manifest::METHOD)))?;
    let manifest = match call::<Manifest>(module, &Map::new()) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(failed(Manifest::METHOD, error)),
    };
    tell(&Line::Begins(in_call(Discover::METHOD)))?;
    let nothing = wire::DiscoverRequest {
        root: NOWHERE.to_owned(),
        generation: 0,
        functions: Vec::new(),
        devices: Vec::new(),
        part: None,
    };
    let failure = call::<Discover>(module, &nothing).err();
    let failure = failure.map(|error| error.error.into());
    Ok(Line::Passed(Box::new(manifest), failure))
}

fn failed(method: &str, error: CallError) -> Line {
    Line::Failed(method.to_owned(), error.error.into())
}
