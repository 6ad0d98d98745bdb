//! Scans and rescans of a card whose attributes and links come, go and fail.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use sriovdp_sdk_testing::{TempTree, Tree};

use super::{Bus, DEVICES};
use sriovdp_sdk::{Error, HexId, HostRoot, PciAddress, PciFunction};

fn scan(root: &HostRoot, before: &[PciFunction]) -> Result<Vec<PciFunction>, Error> {
    super::scan(root, before).map(|bus| bus.functions)
}

fn rescan(
    root: &HostRoot,
    before: &[PciFunction],
    touched: &BTreeSet<PciAddress>,
) -> Result<(Vec<PciFunction>, BTreeSet<PciAddress>), Error> {
    let Bus {
        functions, part, ..
    } = super::rescan(root, before, touched)?;
    Ok((functions, part.unwrap_or_default()))
}

fn card() -> (TempTree, HostRoot, Vec<PciFunction>) {
    let tree = Tree::parse(
        "pf 0000:03:00.0 8086:1592 driver=ice net=ens1f0 numa=1
         vf 0000:03:01.0 8086:1889 pf=0000:03:00.0 id=0 driver=iavf numa=1",
    );
    let node = tree.unwrap().temp();
    let root = HostRoot::new(node.path());
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
        ("0000:03:00.0", &["vendor", "device", "class", "numa_node"]),
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
fn the_count_of_virtual_functions_is_never_waited_for() {
    let (node, root, before) = card();
    let count = node
        .path()
        .join("sys/bus/pci/devices/0000:03:00.0/sriov_numvfs");
    std::fs::remove_file(&count).unwrap();
    // Opening a FIFO without a writer blocks, as a read does while the attribute is written.
    mknodat(CWD, &count, FileType::Fifo, Mode::RUSR, 0).unwrap();
    let (done, scanned) = mpsc::channel();
    let known = before.clone();
    std::thread::spawn(move || done.send(scan(&root, &known)));
    let scanned = scanned.recv_timeout(Duration::from_secs(30));
    assert_eq!(scanned.expect("a scan that ends").unwrap(), before);
    assert_eq!(before[0].vf_count, 1);
}

#[test]
fn virtual_functions_count_while_the_kernel_makes_and_removes_them() {
    let (node, root, _) = card();
    // The number follows when the last one has come, and when the last one has gone.
    for (change, expected) in [
        ("file @0000:03:00.0/sriov_numvfs 0", 1),
        ("unplug 0000:03:01.0\nfile @0000:03:00.0/sriov_numvfs 1", 0),
    ] {
        Tree::apply(node.path(), change).unwrap();
        assert_eq!(scan(&root, &[]).unwrap()[0].vf_count, expected, "{change}");
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
        let changed = ["0000:03:00.0", "0000:03:01.0"].map(|address| address.parse().unwrap());
        let (now, _) = rescan(&root, &before, &changed.into()).unwrap();
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
        // Named, and not there.
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
fn a_rescan_reads_the_physical_functions_of_before_and_now() {
    let (node, root, _) = card();
    Tree::apply(
        node.path(),
        "pf 0000:04:00.0 8086:1592 driver=ice net=ens2f0 numa=1",
    )
    .unwrap();
    let before = scan(&root, &[]).unwrap();
    Tree::apply(
        node.path(),
        "unplug 0000:03:01.0\nvf 0000:03:01.0 8086:1889 pf=0000:04:00.0 id=0 driver=iavf numa=1",
    )
    .unwrap();
    let touched = ["0000:03:01.0".parse().unwrap()].into();
    let (now, _) = rescan(&root, &before, &touched).unwrap();
    assert_eq!(now, scan(&root, &before).unwrap());
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
    let root = HostRoot::new(dir.path());
    assert_eq!(scan(&root, &[]).unwrap(), [], "a machine without PCI");
    std::fs::create_dir_all(dir.path().join("sys/bus/pci")).unwrap();
    std::fs::write(dir.path().join("sys/bus/pci/devices"), "").unwrap();
    let error = scan(&root, &[]).unwrap_err();
    assert_eq!(error.to_string(), "cannot list `/sys/bus/pci/devices`");
}

#[test]
fn a_function_with_an_attribute_that_cannot_be_read_is_noted() {
    let vf = "0000:03:01.0";
    for (change, unread) in [
        ("", ""),
        ("rm @0000:03:01.0/numa_node", ""),
        (
            "rm @0000:03:01.0/numa_node\nfile @0000:03:01.0/numa_node/x",
            vf,
        ),
        ("rm @0000:03:01.0/class", vf),
        ("rm @0000:03:01.0/driver\nfile @0000:03:01.0/driver x", vf),
        ("rm @0000:03:00.0/virtfn0", vf),
        ("rm @0000:03:01.0/driver", ""),
        ("unplug 0000:03:01.0", ""),
    ] {
        let (node, root, before) = card();
        Tree::apply(node.path(), change).unwrap();
        for bus in [
            super::scan(&root, &before).unwrap(),
            super::scan(&root, &[]).unwrap(),
            super::rescan(&root, &before, &[vf.parse().unwrap()].into()).unwrap(),
        ] {
            let found: Vec<String> = bus.unread.iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), unread, "{change}");
        }
    }
}

/// Threads share the functions of a large bus.
#[test]
fn a_large_bus_is_whole() {
    let count = 3 * super::LEAST_SHARE + 1;
    let address = |n: usize| format!("0000:{:02x}:{:02x}.{}", n / 256, n / 8 % 32, n % 8);
    let lines = (0..count).map(|n| format!("pci {} 8086:{n:04x}\n", address(n)));
    let node = Tree::parse(&lines.collect::<String>()).unwrap().temp();
    let root = HostRoot::new(node.path());
    let last = root.path(&format!("{DEVICES}/{}/numa_node", address(count - 1)));
    std::fs::remove_file(&last).unwrap();
    std::fs::create_dir(last).unwrap();

    let bus = super::scan(&root, &[]).unwrap();

    let functions = bus.functions.iter();
    let found: Vec<_> = functions.map(|f| (f.address, f.device)).collect();
    let id = |n: usize| HexId(u16::try_from(n).unwrap());
    let expected = (0..count).map(|n| (address(n).parse().unwrap(), id(n)));
    assert_eq!(found, expected.collect::<Vec<_>>());
    let unread: Vec<PciAddress> = bus.unread.into_iter().collect();
    assert_eq!(unread, [address(count - 1).parse().unwrap()]);
}
