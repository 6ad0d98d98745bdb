//! The PCI bus of the node, read once per scan: whole, or what is behind some functions.

use std::collections::{BTreeSet, HashMap};

use sriovdp_sdk::{Error, HexId, PciAddress, PciDir, PciFunction, Root};

const DEVICES: &str = "/sys/bus/pci/devices";
/// A PF's links to its VFs are `virtfn0`, `virtfn1`, ... (Linux: `Documentation/ABI/testing/sysfs-bus-pci`).
const VF_LINK: &str = "virtfn";

/// All PCI functions, by address, given those of the scan `before`. Every attribute is read at most once.
///
/// What cannot be read now, although its function is there, is what it was before: a device that is being reset must
/// not leave its pool because of that. A function whose vendor, device or class was never known is left out, and costs
/// nobody else.
///
/// # Errors
///
/// When the bus cannot be listed, although it is there.
pub fn scan(root: &Root, before: &[PciFunction]) -> Result<Vec<PciFunction>, Error> {
    let addresses = root
        .try_list(DEVICES)?
        .into_iter()
        .filter_map(|name| name.parse().ok());
    let mut functions: Vec<PciFunction> = addresses
        .filter_map(|address| function(root, address, known(before, address)))
        .collect();
    functions.sort_unstable_by_key(|function| function.address);
    number_virtual_functions(root, &mut functions);
    Ok(functions)
}

/// The same when only the functions `touched` have changed since the scan `before`, with the functions that were read
/// again or are gone: those that were touched, have come or gone, the virtual functions of each and its physical one.
/// All others are as they were before.
///
/// # Errors
///
/// When the bus cannot be listed, although it is there.
pub fn rescan(
    root: &Root,
    before: &[PciFunction],
    touched: &BTreeSet<PciAddress>,
) -> Result<(Vec<PciFunction>, BTreeSet<PciAddress>), Error> {
    let addresses: BTreeSet<PciAddress> = root
        .try_list(DEVICES)?
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    let mut changed = touched.clone();
    changed.extend(addresses.iter().filter(|&&a| known(before, a).is_none()));
    let gone = before.iter().map(|function| function.address);
    changed.extend(gone.filter(|address| !addresses.contains(address)));

    let of = |function: &PciFunction| function.physical_function;
    let children = before
        .iter()
        .filter(|f| of(f).is_some_and(|pf| changed.contains(&pf)));
    let children = children.map(|function| function.address);
    let parents = changed.iter().filter_map(|&address| {
        let now = PciDir::at(root, address).link_name("physfn");
        let before = known(before, address).and_then(of);
        now.and_then(|name| name.parse().ok()).or(before)
    });
    let part: BTreeSet<PciAddress> = children
        .chain(parents)
        .chain(changed.iter().copied())
        .collect();

    let read = part.iter().filter(|address| addresses.contains(address));
    let mut functions: Vec<PciFunction> = read
        .filter_map(|&address| function(root, address, known(before, address)))
        .collect();
    number_virtual_functions(root, &mut functions);
    let others = before
        .iter()
        .filter(|function| !part.contains(&function.address));
    functions.extend(others.cloned());
    functions.sort_unstable_by_key(|function| function.address);
    Ok((functions, part))
}

fn known(functions: &[PciFunction], address: PciAddress) -> Option<&PciFunction> {
    let at = functions.binary_search_by_key(&address, |function| function.address);
    at.ok().map(|at| &functions[at])
}

fn function(root: &Root, address: PciAddress, before: Option<&PciFunction>) -> Option<PciFunction> {
    let dir = PciDir::at(root, address);
    let before = || before.filter(|_| dir.exists());
    let number = |name| dir.attribute(name)?.parse().ok();
    let physical_function = match dir.try_link_name("physfn") {
        Ok(name) => name.and_then(|name| name.parse().ok()),
        Err(_) => before().and_then(|function| function.physical_function),
    };
    let vendor = id(&dir, "vendor").or_else(|| Some(before()?.vendor))?;
    let device = id(&dir, "device").or_else(|| Some(before()?.device))?;
    let class = dir
        .attribute("class")
        .and_then(|text| class(&text))
        .or_else(|| Some(before()?.class))?;
    let mut function = PciFunction::new(address, vendor, device, class);
    // Without the link no driver is bound; a link that cannot be read says nothing.
    function.driver = match dir.try_link_name("driver") {
        Ok(name) => name,
        Err(_) => before().and_then(|function| function.driver.clone()),
    };
    let same_parent = before().filter(|known| known.physical_function == physical_function);
    function.vf_index = same_parent.and_then(|known| known.vf_index);
    function.numa_node = match dir.attribute("numa_node") {
        // A machine without NUMA says -1.
        Some(text) => text.parse().ok(),
        None => before().and_then(|function| function.numa_node),
    };
    function.vf_count = match physical_function {
        // Only physical functions have the attribute, so virtual ones save the attempt.
        Some(_) => 0,
        None => number("sriov_numvfs")
            .or_else(|| Some(before()?.vf_count))
            .unwrap_or(0),
    };
    function.physical_function = physical_function;
    Some(function)
}

fn id(dir: &PciDir<'_>, name: &str) -> Option<HexId> {
    dir.attribute(name)?.parse().ok()
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
        let index = of_pf.get(&function.address).copied();
        function.vf_index = index.or(function.vf_index);
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
    use sriovdp_sdk::testing::{TempTree, Tree};

    use super::*;

    fn card() -> (TempTree, Root, Vec<PciFunction>) {
        let tree = Tree::parse(
            "pf 0000:03:00.0 8086:1592 driver=ice net=ens1f0 numa=1
             vf 0000:03:01.0 8086:1889 pf=0000:03:00.0 id=0 driver=iavf numa=1",
        );
        let node = tree.unwrap().temp();
        let root = Root::new(node.path());
        let scanned = scan(&root, &[]).unwrap();
        (node, root, scanned)
    }

    #[test]
    fn what_cannot_be_read_now_is_what_it_was() {
        for (function, attributes) in [
            (
                "0000:03:01.0",
                &["vendor", "device", "class", "numa_node"][..],
            ),
            (
                "0000:03:00.0",
                &["vendor", "device", "class", "numa_node", "sriov_numvfs"],
            ),
        ] {
            for attribute in attributes {
                let (_node, root, before) = card();
                let path = root.path(&format!("{DEVICES}/{function}/{attribute}"));
                // Reading a directory fails, as reading an attribute of a device in reset does.
                std::fs::remove_file(&path).unwrap();
                std::fs::create_dir(&path).unwrap();
                let now = scan(&root, &before).unwrap();
                assert_eq!(now, before, "{attribute} of {function}");
                let never_known = scan(&root, &[]).unwrap();
                assert_ne!(never_known, before, "{attribute} of {function}");
            }
        }
    }

    #[test]
    fn a_link_that_cannot_be_read_now_leads_where_it_led() {
        for (function, link) in [
            ("0000:03:01.0", "driver"),
            ("0000:03:01.0", "physfn"),
            ("0000:03:00.0", "driver"),
            ("0000:03:00.0", "virtfn0"),
        ] {
            let (_node, root, before) = card();
            let path = root.path(&format!("{DEVICES}/{function}/{link}"));
            // A file is no link, so reading it as one fails.
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, "").unwrap();
            let told = ["0000:03:00.0", "0000:03:01.0"].map(|address| address.parse().unwrap());
            let (now, _) = rescan(&root, &before, &told.into()).unwrap();
            assert_eq!(now, before, "{link} of {function}");
            assert_eq!(
                scan(&root, &before).unwrap(),
                before,
                "{link} of {function}"
            );
            let never_known = scan(&root, &[]).unwrap();
            assert_ne!(never_known, before, "{link} of {function}");
        }
    }

    #[test]
    fn a_driver_that_was_unbound_is_none() {
        let (node, root, before) = card();
        Tree::apply(node.path(), "rm @0000:03:01.0/driver").unwrap();
        assert_eq!(scan(&root, &before).unwrap()[1].driver, None);
    }

    #[test]
    fn a_function_that_is_gone_is_gone() {
        let (node, root, before) = card();
        Tree::apply(node.path(), "unplug 0000:03:01.0").unwrap();
        assert_eq!(scan(&root, &before).unwrap().len(), before.len() - 1);
        // What was read is what counts, also where it is other than before.
        Tree::apply(node.path(), "file @0000:03:00.0/device 0x159b").unwrap();
        let now = scan(&root, &before).unwrap();
        assert_eq!(now[0].device, HexId(0x159b));
    }

    #[test]
    fn a_rescan_finds_what_a_scan_finds_and_reads_no_others() {
        for (change, touched, expected_part) in [
            ("", "", ""),
            (
                "vf 0000:03:01.1 8086:1889 pf=0000:03:00.0 id=1 driver=iavf",
                "",
                "0000:03:00.0 0000:03:01.1",
            ),
            ("unplug 0000:03:01.0", "", "0000:03:00.0 0000:03:01.0"),
            ("pci 0000:04:00.0 8086:1572", "", "0000:04:00.0"),
            (
                "file @0000:03:00.0/device 0x159b",
                "0000:03:00.0",
                "0000:03:00.0 0000:03:01.0",
            ),
            (
                "file @0000:03:01.0/numa_node 0",
                "0000:03:01.0",
                "0000:03:00.0 0000:03:01.0",
            ),
            // Told of, and not there.
            ("", "0000:09:00.0", "0000:09:00.0"),
        ] {
            let (node, root, before) = card();
            Tree::apply(node.path(), change).unwrap();
            let touched = touched.split_whitespace().map(|a| a.parse().unwrap());
            let (now, part) = rescan(&root, &before, &touched.collect()).unwrap();
            assert_eq!(now, scan(&root, &before).unwrap(), "{change}");
            let part: Vec<String> = part.iter().map(ToString::to_string).collect();
            assert_eq!(part.join(" "), expected_part, "{change}");
        }
    }

    #[test]
    fn a_rescan_leaves_alone_what_nobody_told_of() {
        let (node, root, before) = card();
        Tree::apply(node.path(), "file @0000:03:01.0/numa_node 0").unwrap();
        let (now, part) = rescan(&root, &before, &BTreeSet::new()).unwrap();
        assert_eq!((now, part), (before, BTreeSet::new()));
    }

    #[test]
    fn a_bus_that_cannot_be_listed_is_no_empty_bus() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::new(dir.path());
        assert_eq!(scan(&root, &[]).unwrap(), [], "a machine without PCI");
        std::fs::create_dir_all(dir.path().join("sys/bus/pci")).unwrap();
        std::fs::write(dir.path().join("sys/bus/pci/devices"), "").unwrap();
        let error = scan(&root, &[]).unwrap_err();
        assert_eq!(error.to_string(), "cannot list `/sys/bus/pci/devices`");
    }
}
