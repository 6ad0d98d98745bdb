//! The PCI functions below a directory, as the host would find them.

use std::collections::HashMap;
use std::path::Path;

use crate::view::PciSysfs;
use crate::{HexId, HostRoot, PciAddress, PciFunction};

/// Every function that has a vendor, a device and a class.
pub(in crate::testing) fn below(root: &Path) -> Vec<PciFunction> {
    let root = HostRoot::new(root);
    let names = root.list("/sys/bus/pci/devices");
    let addresses: Vec<PciAddress> = names.iter().filter_map(|name| name.parse().ok()).collect();
    let vf_indexes: HashMap<PciAddress, u32> = addresses
        .iter()
        .flat_map(|&address| numbered(&PciSysfs::at(&root, address)))
        .collect();
    addresses
        .iter()
        .filter_map(|&address| function(&PciSysfs::at(&root, address), address, &vf_indexes))
        .collect()
}

fn function(
    directory: &PciSysfs<'_>,
    address: PciAddress,
    vf_indexes: &HashMap<PciAddress, u32>,
) -> Option<PciFunction> {
    Some(PciFunction {
        address,
        vendor: id(directory, "vendor")?,
        device: id(directory, "device")?,
        class: u32::from_str_radix(directory.attribute("class")?.trim_start_matches("0x"), 16)
            .ok()?,
        driver: directory.link_name("driver"),
        numa_node: number(directory, "numa_node"),
        physical_function: directory
            .link_name("physfn")
            .and_then(|name| name.parse().ok()),
        vf_index: vf_indexes.get(&address).copied(),
        vf_count: u32::try_from(numbered(directory).len()).unwrap_or(u32::MAX),
    })
}

/// The numbers in the names of a PF's `virtfnN` links, by the VFs that they lead to.
fn numbered(directory: &PciSysfs<'_>) -> Vec<(PciAddress, u32)> {
    let links = directory.list("");
    let index = |link: &String| {
        let index = link.strip_prefix("virtfn")?.parse().ok()?;
        Some((directory.link_name(link)?.parse().ok()?, index))
    };
    links.iter().filter_map(index).collect()
}

fn id(directory: &PciSysfs<'_>, name: &str) -> Option<HexId> {
    directory.attribute(name)?.parse().ok()
}

fn number(directory: &PciSysfs<'_>, name: &str) -> Option<u32> {
    directory.attribute(name)?.parse().ok()
}
