//! Devices of other buses and classes below a PCI function: auxiliary, vDPA, virtio and RDMA devices.

use super::error::Problem;
use super::words::Arguments;
use super::{Tree, net, pci};

pub(super) fn sf(tree: &mut Tree, arguments: &Arguments) -> Result<(), Problem> {
    let number = arguments.required("num")?;
    let path = auxiliary(tree, arguments)?;
    tree.entries.attribute(format!("{path}/sfnum"), number);
    pci::bind(
        tree,
        "auxiliary",
        &path,
        arguments.key("driver").unwrap_or("mlx5_core.sf"),
    );
    net::netdevs(tree, arguments, &path)?;
    rdma_devices(tree, arguments, &path);
    Ok(())
}

pub(super) fn aux(tree: &mut Tree, arguments: &Arguments) -> Result<(), Problem> {
    auxiliary(tree, arguments).map(|_| ())
}

pub(super) fn vdpa(tree: &mut Tree, arguments: &Arguments) -> Result<(), Problem> {
    let on = tree.device(arguments.required("on")?)?;
    let path = format!("{on}/{}", arguments.name());
    pci::join_bus(tree, "vdpa", &path)?;
    let uevent = arguments
        .key("driver")
        .map_or_else(String::new, |driver| format!("DRIVER={driver}\n"));
    tree.entries
        .file(format!("{path}/uevent"), uevent.into_bytes());
    if let Some(driver) = arguments.key("driver") {
        pci::bind(tree, "vdpa", &path, driver);
    }
    if let Some(node) = arguments.key("dev") {
        tree.entries
            .attribute(format!("{path}/{node}/dev"), "511:0");
        tree.entries.file(format!("/dev/{node}"), Vec::new());
    }
    if let Some(number) = arguments.number("virtio")? {
        // The kernel hangs the virtio device on the vDPA device's parent, not on the vDPA device.
        let virtio = virtio(tree, &on, number)?;
        net::netdevs(tree, arguments, &virtio)?;
    }
    Ok(())
}

/// The character devices of an RDMA device that a function or subfunction named with `ib=`.
pub(super) fn ib(tree: &mut Tree, arguments: &Arguments) -> Result<(), Problem> {
    let name = arguments.name();
    let device = tree
        .entries
        .follow(&format!("/sys/class/infiniband/{name}"))
        .ok_or_else(|| Problem::NoDevice {
            name: name.to_owned(),
        })?;
    let parent = pci::parent(pci::parent(&device));
    for (kind, class) in [
        ("ucm", "infiniband_cm"),
        ("issm", "infiniband_mad"),
        ("umad", "infiniband_mad"),
        ("uverbs", "infiniband_verbs"),
    ] {
        for number in arguments.list(kind) {
            let directory = format!("{parent}/{class}/{kind}{number}");
            tree.entries.attribute(format!("{directory}/ibdev"), name);
            tree.entries
                .link_to(format!("/sys/class/{class}/{kind}{number}"), &directory);
            tree.entries
                .file(format!("/dev/infiniband/{kind}{number}"), Vec::new());
        }
    }
    tree.entries
        .file("/dev/infiniband/rdma_cm".to_owned(), Vec::new());
    if let Some(key) = arguments.key("pkey") {
        tree.entries
            .attribute(format!("{device}/ports/1/pkeys/0"), key);
    }
    Ok(())
}

/// The RDMA devices that `ib=` names, below the device at `path`.
pub(super) fn rdma_devices(tree: &mut Tree, arguments: &Arguments, path: &str) {
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
pub(super) fn virtio(tree: &mut Tree, path: &str, number: u32) -> Result<String, Problem> {
    let virtio = format!("{path}/virtio{number}");
    pci::join_bus(tree, "virtio", &virtio)?;
    tree.entries
        .attribute(format!("{virtio}/status"), "0x00000007");
    Ok(virtio)
}

fn auxiliary(tree: &mut Tree, arguments: &Arguments) -> Result<String, Problem> {
    let name = arguments.name();
    let path = format!("{}/{name}", tree.device(arguments.required("on")?)?);
    pci::join_bus(tree, "auxiliary", &path)?;
    // The last part of the name is a running number; the rest is what drivers match.
    let matched = name.rsplit_once('.').map_or(name, |(matched, _)| matched);
    tree.entries.attribute(
        format!("{path}/uevent"),
        &format!("MODALIAS=auxiliary:{matched}"),
    );
    Ok(path)
}
