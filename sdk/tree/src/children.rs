//! Devices of other buses and classes below a PCI function: auxiliary, vDPA, virtio and RDMA devices.

use super::arguments::Arguments;
use super::error::Problem;
use super::state::State;
use super::{attached, bus, net};

pub(super) fn sf(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    let number = arguments.required("num")?;
    let path = auxiliary(tree, arguments)?;
    tree.entries.attribute(format!("{path}/sfnum"), number);
    bus::bind(
        tree,
        "auxiliary",
        &path,
        arguments.key("driver").unwrap_or("mlx5_core.sf"),
    );
    net::netdevs(tree, arguments, &path)?;
    attached::rdma_devices(tree, arguments, &path);
    Ok(())
}

pub(super) fn aux(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    auxiliary(tree, arguments).map(|_| ())
}

pub(super) fn vdpa(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    let on = tree.device(arguments.required("on")?)?;
    let path = format!("{on}/{}", arguments.name());
    bus::join_bus(tree, "vdpa", &path)?;
    let uevent = arguments
        .key("driver")
        .map_or_else(String::new, |driver| format!("DRIVER={driver}\n"));
    tree.entries
        .file(format!("{path}/uevent"), uevent.into_bytes());
    if let Some(driver) = arguments.key("driver") {
        bus::bind(tree, "vdpa", &path, driver);
    }
    if let Some(node) = arguments.key("dev") {
        tree.entries
            .attribute(format!("{path}/{node}/dev"), "511:0");
        tree.entries.file(format!("/dev/{node}"), Vec::new());
    }
    if let Some(number) = arguments.number("virtio")? {
        // The kernel hangs the virtio device on the vDPA device's parent, not on the vDPA device.
        let virtio = attached::virtio(tree, &on, number)?;
        net::netdevs(tree, arguments, &virtio)?;
    }
    Ok(())
}

/// The character devices of an RDMA device that a function or subfunction named with `ib=`.
pub(super) fn ib(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    let name = arguments.name();
    let device = tree
        .entries
        .follow(&format!("/sys/class/infiniband/{name}"))
        .ok_or_else(|| Problem::NoDevice {
            name: name.to_owned(),
        })?;
    let parent = bus::parent(bus::parent(&device));
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

fn auxiliary(tree: &mut State, arguments: &Arguments) -> Result<String, Problem> {
    let name = arguments.name();
    let path = format!("{}/{name}", tree.device(arguments.required("on")?)?);
    bus::join_bus(tree, "auxiliary", &path)?;
    // The last part of the name is a running number; the rest is what drivers match.
    let matched = name.rsplit_once('.').map_or(name, |(matched, _)| matched);
    tree.entries.attribute(
        format!("{path}/uevent"),
        &format!("MODALIAS=auxiliary:{matched}"),
    );
    Ok(path)
}
