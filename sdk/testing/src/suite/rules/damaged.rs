//! Nodes with a fault: a wrong answer is a refusal, never a panic.

use std::fs;
use std::io;
use std::path::Path;

use super::allocated::hand_out;
use crate::suite::damage::{Damage, places};
use crate::suite::stage::Stage;
use crate::suite::subject::Subject;
use crate::suite::{Case, Violation};
use sriovdp_sdk::PciFunction;

/// No panic, and no container without its device, whatever is in the place of anything that the provider reads.
///
/// # Errors
///
/// The place, what was there, and what happened.
pub(super) fn damaged(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        let meter = subject.meter.clone();
        let (done, paths) = meter.watched(|| try_out(subject, stage));
        done?;
        for place in places(stage.root(), &paths) {
            for damage in Damage::ALL {
                let done = damage
                    .at(stage.root(), &place)
                    .map_err(|error| cannot_damage(&error));
                let _until_the_next = done?;
                try_out(subject, stage).map_err(|violation| {
                    let place = place.strip_prefix(stage.root()).unwrap_or(&place);
                    violation.on(format!("`/{}` {}", place.display(), damage.words()))
                })?;
            }
        }
        Ok(())
    })
}

/// No panic when a function leaves the node in the middle of a discovery.
///
/// # Errors
///
/// Which function left when, and what happened.
pub(super) fn vanishing(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        stage
            .functions()
            .iter()
            .try_for_each(|function| vanish(subject, stage, function))
    })
}

fn vanish(subject: &mut Subject, stage: &Stage, function: &PciFunction) -> Result<(), Violation> {
    let meter = subject.meter.clone();
    let about = function.address.to_string();
    let link = stage.root().join(format!("sys/bus/pci/devices/{about}"));
    let directory = link.canonicalize().map_err(|error| cannot_damage(&error))?;
    let (done, paths) = meter.watched(|| try_out(subject, stage));
    done?;
    // Only reads about this function depend on it.
    let reads = (1..).zip(&paths).filter(|(_, path)| path.contains(&about));
    for at in reads.map(|(at, _)| at) {
        let aside = stage.root().join(".gone");
        let (leaves, to) = (directory.clone(), aside.clone());
        let leave = move || {
            let _ = move_entries(&leaves, &to);
        };
        let done = meter.interrupted(at, leave, || try_out(subject, stage));
        if aside.exists() {
            move_entries(&aside, &directory).map_err(|error| cannot_damage(&error))?;
        }
        done.map_err(|violation| {
            violation.on(format!("`{about}` left the node before read {at}"))
        })?;
    }
    Ok(())
}

/// As sysfs removes a directory: one that is open has no entries afterwards.
fn move_entries(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::rename(entry.path(), to.join(entry.file_name()))?;
    }
    fs::remove_dir(from)
}

/// A discovery, and everything with what is found, whether or not it is refused.
pub(super) fn try_out(subject: &mut Subject, stage: &Stage) -> Result<(), Violation> {
    let _found_or_refused = subject.discover(stage)?;
    hand_out(subject, stage)
}

pub(super) fn cannot_damage(error: &io::Error) -> Violation {
    Violation::new(format!("the suite cannot change its own node: {error}"))
}
