//! The PCI bus of the node, read once per scan.

use std::collections::HashMap;

use sriovdp_sdk::{Error, HexId, PciAddress, PciDir, PciFunction, Root};

const DEVICES: &str = "/sys/bus/pci/devices";
/// A PF's links to its VFs are `virtfn0`, `virtfn1`, ... (Linux: `Documentation/ABI/testing/sysfs-bus-pci`).
const VF_LINK: &str = "virtfn";

/// All PCI functions, by address. Every attribute is read at most once; a function whose vendor, device or class
/// cannot be read is left out, and costs nobody else.
///
/// # Errors
///
/// When the bus cannot be listed, although it is there.
pub fn scan(root: &Root) -> Result<Vec<PciFunction>, Error> {
    let addresses = root
        .try_list(DEVICES)?
        .into_iter()
        .filter_map(|name| name.parse().ok());
    let mut functions: Vec<PciFunction> = addresses
        .filter_map(|address| function(root, address))
        .collect();
    functions.sort_unstable_by_key(|function| function.address);
    number_virtual_functions(root, &mut functions);
    Ok(functions)
}

fn function(root: &Root, address: PciAddress) -> Option<PciFunction> {
    let dir = PciDir::at(root, address);
    let physical_function = dir.link_name("physfn").and_then(|name| name.parse().ok());
    Some(PciFunction {
        vendor: dir.attribute("vendor")?.parse().ok()?,
        device: dir.attribute("device")?.parse::<HexId>().ok()?,
        class: class(&dir.attribute("class")?)?,
        driver: dir.link_name("driver"),
        numa_node: dir
            .attribute("numa_node")
            .and_then(|text| text.parse().ok()),
        vf_index: None,
        vf_count: match physical_function {
            // Only physical functions have the attribute, so virtual ones save the attempt.
            Some(_) => 0,
            None => dir
                .attribute("sriov_numvfs")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
        },
        physical_function,
        address,
    })
}

fn class(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The index of a VF is the number in the name of its PF's link to it, also where numbers are missing.
fn number_virtual_functions(root: &Root, functions: &mut [PciFunction]) {
    let mut indexes: HashMap<PciAddress, HashMap<PciAddress, u32>> = HashMap::new();
    for function in functions {
        let Some(pf) = function.physical_function else {
            continue;
        };
        let of_pf = indexes
            .entry(pf)
            .or_insert_with(|| virtual_functions(root, pf));
        function.vf_index = of_pf.get(&function.address).copied();
    }
}

fn virtual_functions(root: &Root, pf: PciAddress) -> HashMap<PciAddress, u32> {
    let dir = PciDir::at(root, pf);
    let links = dir
        .list("")
        .into_iter()
        .filter(|name| name.starts_with(VF_LINK));
    links
        .filter_map(|link| {
            let index = link.strip_prefix(VF_LINK)?.parse().ok()?;
            Some((dir.link_name(&link)?.parse().ok()?, index))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_that_cannot_be_listed_is_no_empty_bus() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        assert_eq!(scan(&root).unwrap(), [], "a machine without PCI");
        std::fs::create_dir_all(dir.path().join("sys/bus/pci")).unwrap();
        std::fs::write(dir.path().join("sys/bus/pci/devices"), "").unwrap();
        let error = scan(&root).unwrap_err();
        assert_eq!(error.to_string(), "cannot list `/sys/bus/pci/devices`");
    }
}
