//! The NUMA node of a device is read and not made up.

use std::collections::BTreeMap;
use std::fs;

use sriovdp_provider_abi::{PciAddress, wire};

use super::damaged::cannot_damage;
use crate::suite::{Case, Violation};

/// No function has it.
const OTHER: u32 = 77;

/// A device of a function has another NUMA node when every function has another one.
///
/// # Errors
///
/// The device with the same one.
pub(super) fn numa_nodes(case: &Case) -> Result<(), Violation> {
    for mut stage in case.stages()? {
        let mut before = Vec::new();
        for mut subject in case.subjects()? {
            subject
                .discover_all(&stage)
                .map_err(|violation| violation.on(&stage))?;
            let devices = subject.found.devices.iter().filter(|d| has_function(d));
            let numa = devices.filter_map(|device| Some((device.id.clone(), device.numa_node?)));
            before.push(BTreeMap::from_iter(numa));
        }
        for function in stage.functions() {
            let directory = stage
                .root()
                .join(format!("sys/bus/pci/devices/{}", function.address));
            fs::write(directory.join("numa_node"), format!("{OTHER}\n"))
                .map_err(|error| cannot_damage(&error))?;
        }
        stage.scan()?;
        for (mut subject, before) in case.subjects()?.into_iter().zip(before) {
            subject
                .discover_all(&stage)
                .map_err(|violation| violation.on(&stage))?;
            let mut devices = subject.found.devices.iter();
            let same = devices.find(|device| {
                device
                    .numa_node
                    .is_some_and(|numa| numa != OTHER && before.get(&device.id) == Some(&numa))
            });
            if let Some(device) = same {
                let numa = device.numa_node.unwrap_or_default();
                return Err(Violation::new(format!(
                    "`{}` has the NUMA node {numa} whatever that of its function is; take that of the function, or none",
                    device.id
                ))
                .on(&stage));
            }
        }
    }
    Ok(())
}

/// Whether it is a function, or a part of one. Others have NUMA nodes of their own.
fn has_function(device: &wire::Device) -> bool {
    device.function.is_some() || device.id.as_str().parse::<PciAddress>().is_ok()
}
