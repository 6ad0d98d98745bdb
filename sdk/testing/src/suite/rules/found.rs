//! What a discovery finds, and the ids of it.

use std::collections::BTreeSet;

use crate::suite::stage::Stage;
use crate::suite::subject::Subject;
use crate::suite::{Case, Violation};
use sriovdp_sdk::DeviceId;

/// There is a device to try the other rules on.
///
/// # Errors
///
/// When no node has one.
pub(super) fn found(case: &Case) -> Result<(), Violation> {
    let mut count = 0;
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        count += subject.found.devices.len();
        Ok(())
    })?;
    if count > 0 {
        return Ok(());
    }
    Err(Violation::new(
        "no device is found on the suite's node, so nothing is tried: give it a node that has one, \
         `conformance!(Provider, \"pci 0000:17:00.0 ac3e:0001 class=120000 driver=acme\")`",
    ))
}

/// Every id is one that a kubelet can carry, and is there once; an extension returns only devices that it got.
///
/// # Errors
///
/// The id that breaks the rule.
pub(super) fn ids(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        judge(subject, stage)
    })
}

fn judge(subject: &Subject, stage: &Stage) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    let excluded: BTreeSet<&String> = subject.found.excluded.iter().map(|(id, _)| id).collect();
    let shown = stage.request(0, Some(&subject.device_type)).devices;
    let shown: BTreeSet<String> = shown.into_iter().map(|device| device.id).collect();
    for id in subject.ids() {
        DeviceId::new(&id).map_err(|error| Violation::new(error.to_string()))?;
        if excluded.contains(&id) {
            return Err(Violation::new(format!("`{id}` is both found and left out")));
        }
        if subject.manifest.device_type.is_none() && !shown.contains(&id) {
            return Err(Violation::new(format!(
                "`{id}` is none of the devices that the extension was shown"
            )));
        }
        if !seen.insert(id.to_ascii_lowercase()) {
            return Err(Violation::new(format!("the id `{id}` is there twice")));
        }
    }
    Ok(())
}
