//! `unplug`: a device leaves, and with it every link and device node that its presence made.

use super::arguments::Arguments;
use super::entries::BUSES;
use super::error::Problem;
use super::pci;
use super::state::State;

pub(super) fn unplug(tree: &mut State, arguments: &Arguments) -> Result<(), Problem> {
    let path = tree.device(arguments.name())?;
    let virtfns = tree
        .entries
        .names(&path)
        .into_iter()
        .filter(|name| name.starts_with("virtfn"));
    let vfs: Vec<String> = virtfns
        .filter_map(|name| tree.entries.follow(&format!("{path}/{name}")))
        .collect();
    for vf in vfs {
        leave(tree, &vf);
    }
    leave(tree, &path);
    Ok(())
}

fn leave(tree: &mut State, path: &str) {
    leave_physfn(tree, path);
    leave_group(tree, path);
    leave_classes(tree, path);
    leave_buses(tree, path);
    tree.entries.remove(path);
}

fn leave_physfn(tree: &mut State, path: &str) {
    let Some(pf) = tree.entries.follow(&format!("{path}/physfn")) else {
        return;
    };
    for name in tree.entries.names(&pf) {
        let virtfn = format!("{pf}/{name}");
        if name.starts_with("virtfn") && tree.entries.follow(&virtfn).as_deref() == Some(path) {
            tree.entries.remove(&virtfn);
            if !tree.fixed_vfs.contains(&pf) {
                pci::count(tree, &pf, -1);
            }
        }
    }
}

/// A group without devices is no group, and vfio's node for it goes at once.
fn leave_group(tree: &mut State, path: &str) {
    let Some(group) = tree.entries.follow(&format!("{path}/iommu_group")) else {
        return;
    };
    let (_, name) = path.rsplit_once('/').unwrap_or(("", path));
    let devices = format!("{group}/devices");
    tree.entries.remove(&format!("{devices}/{name}"));
    if tree.entries.names(&devices).is_empty() {
        let (_, number) = group.rsplit_once('/').unwrap_or(("", &group));
        for node in [
            format!("/dev/vfio/{number}"),
            format!("/dev/vfio/noiommu-{number}"),
        ] {
            tree.entries.remove(&node);
        }
        tree.entries.remove(&group);
    }
}

/// Netdevs, RDMA devices and UIO devices: the links of their classes, and their device nodes.
fn leave_classes(tree: &mut State, path: &str) {
    for class in tree.entries.names("/sys/class") {
        for name in tree.entries.names(&format!("/sys/class/{class}")) {
            let link = format!("/sys/class/{class}/{name}");
            if !tree
                .entries
                .follow(&link)
                .is_some_and(|device| is_in(&device, path))
            {
                continue;
            }
            tree.entries.remove(&link);
            match class.as_str() {
                "uio" => tree.entries.remove(&format!("/dev/{name}")),
                class if class.starts_with("infiniband_") => {
                    tree.entries.remove(&format!("/dev/infiniband/{name}"))
                }
                _ => {}
            }
        }
    }
}

/// The device itself and the devices below it: their buses' lists, their drivers' lists, and what vDPA offers.
fn leave_buses(tree: &mut State, path: &str) {
    for bus in BUSES {
        for name in tree.entries.names(&format!("/sys/bus/{bus}/devices")) {
            let link = format!("/sys/bus/{bus}/devices/{name}");
            let Some(device) = tree
                .entries
                .follow(&link)
                .filter(|device| is_in(device, path))
            else {
                continue;
            };
            tree.entries.remove(&link);
            if let Some(driver) = tree.entries.follow(&format!("{device}/driver")) {
                tree.entries.remove(&format!("{driver}/{name}"));
            }
            for node in tree.entries.names(&device) {
                if node.starts_with("vhost-vdpa-") {
                    tree.entries.remove(&format!("/dev/{node}"));
                }
            }
        }
    }
}

fn is_in(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
