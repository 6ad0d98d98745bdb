//! The links of a device to its bus and its driver.

use super::error::Problem;
use super::state::State;

/// The links between a device and its driver.
pub(super) fn bind(tree: &mut State, bus: &str, device: &str, driver: &str) {
    let name = device.rsplit('/').next().unwrap_or(device);
    let directory = format!("/sys/bus/{bus}/drivers/{driver}");
    tree.entries.link_to(format!("{device}/driver"), &directory);
    tree.entries.link_to(format!("{directory}/{name}"), device);
}

/// The links between a device and its bus.
pub(super) fn join_bus(tree: &mut State, bus: &str, device: &str) -> Result<(), Problem> {
    let name = device.rsplit('/').next().unwrap_or(device);
    let listed = format!("/sys/bus/{bus}/devices/{name}");
    if tree.entries.exists(&listed) {
        return Err(Problem::Twice {
            name: name.to_owned(),
        });
    }
    tree.entries.link_to(listed, device);
    tree.entries
        .link_to(format!("{device}/subsystem"), &format!("/sys/bus/{bus}"));
    Ok(())
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}
