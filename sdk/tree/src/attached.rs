//! What a PCI function and an auxiliary device can both have: RDMA devices, and a virtio device.

use super::arguments::Arguments;
use super::bus;
use super::error::Problem;
use super::state::State;

/// The RDMA devices that `ib=` names, below the device at `path`.
pub(super) fn rdma_devices(tree: &mut State, arguments: &Arguments, path: &str) {
    let parent = path.rsplit('/').next().unwrap_or(path);
    for name in arguments.list("ib") {
        let directory = format!("{path}/infiniband/{name}");
        tree.entries
            .attribute(format!("{directory}/node_type"), "1: CA");
        tree.entries.attribute(
            format!("{directory}/ports/1/pkeys/0"),
            arguments.key("pkey").unwrap_or("0xffff"),
        );
        tree.entries
            .link(format!("{directory}/device"), format!("../../../{parent}"));
        tree.entries
            .link_to(format!("/sys/class/infiniband/{name}"), &directory);
    }
}

/// A virtio device below the device at `path`; its own path.
pub(super) fn virtio(tree: &mut State, path: &str, number: u32) -> Result<String, Problem> {
    let virtio = format!("{path}/virtio{number}");
    bus::join_bus(tree, "virtio", &virtio)?;
    tree.entries
        .attribute(format!("{virtio}/status"), "0x00000007");
    Ok(virtio)
}
