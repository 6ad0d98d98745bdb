//! A resource that selects by driver hands out nothing that is bound to another one.

use serde_json::json;

use super::damaged::cannot_damage;
use crate::suite::damage::link_instead;
use crate::suite::{Case, Violation};

const KEY: &str = "drivers";
const OTHER: &str = "../../../../bus/pci/drivers/another-driver";

/// A device that was selected by the key `drivers` is refused after another driver has been bound to it.
///
/// # Errors
///
/// The device that is handed out.
pub(super) fn bound_anew(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        if !subject.keys().contains_key(KEY) {
            return Ok(());
        }
        subject.discover_all(stage)?;
        for function in stage.functions() {
            let (id, Some(driver)) = (function.address.to_string(), &function.driver) else {
                continue;
            };
            let selectors = json!({ KEY: [driver] });
            if !subject.select(&selectors)?.is_ok_and(|ids| ids.contains(&id)) {
                continue;
            }
            let link = stage.root().join(format!("sys/bus/pci/devices/{id}/driver"));
            let bound = link_instead(stage.root(), &link, OTHER);
            let _until_the_next = bound.map_err(|error| cannot_damage(&error))?;
            if subject.allocate(&selectors, &id)?.is_ok() {
                return Err(Violation::new(format!(
                    "`allocate` hands out `{id}`, which another driver was bound to after the discovery, to the selectors \
                     {selectors}; call `userspace::require_driver` first"
                )));
            }
        }
        Ok(())
    })
}
