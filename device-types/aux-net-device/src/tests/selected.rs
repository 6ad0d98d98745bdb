//! Which subfunctions selectors select, and why others do not match.

use crate::AuxNetDevice;
use serde_json::{Value, json};
use sriovdp_sdk_testing::Harness;

use super::scan;

const CARDS: &str = "
    pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0 switch=abc port=p0 acpi=101
    sf mlx5_core.sf.{2-4} on=0000:08:00.0 num=8{7-9} net=s8{7-9}
    pf 0000:08:00.1 15b3:a2dc driver=mlx5_core net=p1 link=infiniband
    sf mlx5_core.sf.{6-7} on=0000:08:00.1 num={0-1} net=t{0-1} link=infiniband
    pci 10000:e1:00.0 8086:1593 driver=ice net=ens9
    sf ice.sf.4 on=10000:e1:00.0 num=88
";

/// `selectors` without `auxTypes`, which every resource has.
#[track_caller]
fn check(tree: &str, mut selectors: Value, wanted: &[&str]) {
    selectors["auxTypes"] = json!(["sf"]);
    let (_node, provider) = scan(tree);
    assert_eq!(provider.select(selectors.clone()), wanted, "{selectors}");
}

#[test]
fn each_key_narrows_the_selection() {
    for (selectors, wanted) in [
        (json!({"vendors": ["0X8086"]}), vec!["ice.sf.4"]),
        (
            json!({"devices": ["A2DC", "1593"]}),
            vec!["ice.sf.4", "mlx5_core.sf.6", "mlx5_core.sf.7"],
        ),
        (json!({"drivers": ["ice"]}), vec!["ice.sf.4"]),
        (json!({"pcieRoots": ["pci10000:e1"]}), vec!["ice.sf.4"]),
        // The driver of the parent, not that of the subfunction.
        (json!({"drivers": ["mlx5_core.sf"]}), vec![]),
        (json!({"drivers": ["ICE"]}), vec![]),
        (
            json!({"linkTypes": ["InfiniBand"]}),
            vec!["mlx5_core.sf.6", "mlx5_core.sf.7"],
        ),
        (
            json!({"vendors": ["15b3"], "linkTypes": ["ether"], "pfNames": ["p0#88-89"], "rootDevices": ["08:00.0#87-88"]}),
            vec!["mlx5_core.sf.3"],
        ),
        // The parent's address, and its number.
        (
            json!({"pciAddresses": ["08:00.1", "10000:E1:00.0"]}),
            vec!["ice.sf.4", "mlx5_core.sf.6", "mlx5_core.sf.7"],
        ),
        (
            json!({"pciAddresses": ["0000:08:00.0"], "pfNames": ["p0#88"]}),
            vec!["mlx5_core.sf.3"],
        ),
        (
            json!({"acpiIndexes": ["101", "102"], "rootDevices": ["0000:08:00.0#87"]}),
            vec!["mlx5_core.sf.2"],
        ),
        (json!({"vendors": ["1924"]}), vec![]),
    ] {
        check(CARDS, selectors, &wanted);
    }
}

#[test]
fn pf_names_and_root_devices_select_by_subfunction_number() {
    for (selectors, wanted) in [
        (
            json!({"pfNames": ["P0#87, 89-200"]}),
            vec!["mlx5_core.sf.2", "mlx5_core.sf.4"],
        ),
        (
            json!({"pfNames": ["p0#87", "p0#88"]}),
            vec!["mlx5_core.sf.2", "mlx5_core.sf.3"],
        ),
        (
            json!({"pfNames": ["p1", "ens9#88"]}),
            vec!["ice.sf.4", "mlx5_core.sf.6", "mlx5_core.sf.7"],
        ),
        (
            json!({"rootDevices": ["0000:08:00.1#1", "10000:E1:00.0"]}),
            vec!["ice.sf.4", "mlx5_core.sf.7"],
        ),
        // The number in the name of the device is the kernel's.
        (json!({"pfNames": ["p1#6-7"]}), vec![]),
        (json!({"pfNames": ["s87"]}), vec![]),
    ] {
        check(CARDS, selectors, &wanted);
    }
}

#[test]
fn in_switchdev_mode_the_uplink_names_the_parent() {
    let tree = "
        pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=a0,p0 switch=abc
        file /sys/class/net/a0/phys_port_name pf0sf88
        file /sys/class/net/p0/phys_port_name p0
        sf mlx5_core.sf.2 on=0000:08:00.0 num=88";
    check(tree, json!({"pfNames": ["p0"]}), &["mlx5_core.sf.2"]);
    check(tree, json!({"pfNames": ["a0"]}), &[]);
}

#[test]
fn each_interface_of_the_parent_names_it() {
    let tree = "
        pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=aib-child,ib0 link=infiniband
        sf mlx5_core.sf.2 on=0000:08:00.0 num=88";
    for name in ["ib0#88", "aib-child"] {
        check(tree, json!({"pfNames": [name]}), &["mlx5_core.sf.2"]);
    }
}

#[test]
fn a_parent_that_is_a_virtual_function_has_the_name_of_its_physical_one() {
    let tree = "
        pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
        vf 0000:08:00.2 15b3:101e pf=0000:08:00.0 id=0 driver=mlx5_core net=p0v0
        sf mlx5_core.sf.2 on=0000:08:00.2 num=88";
    check(tree, json!({"pfNames": ["p0#88"]}), &["mlx5_core.sf.2"]);
    check(
        tree,
        json!({"rootDevices": ["0000:08:00.2"], "devices": ["101e"]}),
        &["mlx5_core.sf.2"],
    );
}

#[test]
fn a_subfunction_without_a_number_is_in_no_range() {
    let tree = "
        pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
        sf mlx5_core.sf.2 on=0000:08:00.0 num=none";
    check(tree, json!({"pfNames": ["p0#0-4000"]}), &[]);
    check(tree, json!({"pfNames": ["p0"]}), &["mlx5_core.sf.2"]);
}

#[test]
fn its_own_network_interface_has_the_link_that_counts() {
    let tree = "
        pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0 link=infiniband
        sf mlx5_core.sf.2 on=0000:08:00.0 num=88 net=s88 link=ether
        sf mlx5_core.sf.3 on=0000:08:00.0 num=89";
    check(tree, json!({"linkTypes": ["ether"]}), &["mlx5_core.sf.2"]);
    check(
        tree,
        json!({"linkTypes": ["infiniband"]}),
        &["mlx5_core.sf.3"],
    );
    let tree = "
        pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
        sf mlx5_core.sf.2 on=0000:08:00.0 num=88 net=s88 link=infiniband";
    check(
        tree,
        json!({"linkTypes": ["infiniband"]}),
        &["mlx5_core.sf.2"],
    );
}

#[test]
fn a_new_name_of_the_parent_counts() {
    let (node, mut provider) = scan(CARDS);
    node.apply(
        "rm @0000:08:00.1/net/p1
         file @0000:08:00.1/net/ib1/type 32",
    );
    provider.rescan().expect("a discovery");
    for (name, wanted) in [("p1#0", vec![]), ("ib1#0", vec!["mlx5_core.sf.6"])] {
        let selectors = json!({"auxTypes": ["sf"], "pfNames": [name]});
        assert_eq!(provider.select(selectors), wanted, "{name}");
    }
}

#[test]
fn what_a_pod_took_away_changes_nothing() {
    let (node, mut provider) = scan(CARDS);
    let first = || json!({"auxTypes": ["sf"], "linkTypes": ["infiniband"], "pfNames": ["p1#0"]});
    node.apply("rm @mlx5_core.sf.6/net/t0");
    provider.rescan().expect("a discovery");
    assert_eq!(provider.select(first()), ["mlx5_core.sf.6"]);

    node.apply("rm @0000:08:00.1/net/p1");
    for _ in 0..2 {
        provider.rescan().expect("a discovery");
        assert_eq!(provider.select(first()), ["mlx5_core.sf.6"]);
    }

    // Under another driver there is no such network interface.
    node.apply("link @0000:08:00.1/driver ../../../bus/pci/drivers/other");
    provider.rescan().expect("a discovery");
    assert_eq!(provider.select(first()), [""; 0]);
}

#[test]
fn a_number_of_the_firmware_that_cannot_be_read_is_what_it_was() {
    let (node, mut provider) = scan(CARDS);
    let selectors = || json!({"auxTypes": ["sf"], "acpiIndexes": ["101"]});
    let numbered = provider.select(selectors());
    assert_eq!(numbered.len(), 3);
    // Reading a directory fails.
    node.apply("rm @0000:08:00.0/acpi_index\ndir @0000:08:00.0/acpi_index");
    provider.rescan().expect("a discovery");
    assert_eq!(provider.select(selectors()), numbered);
    node.apply("rm @0000:08:00.0/acpi_index");
    provider.rescan().expect("a discovery");
    assert_eq!(provider.select(selectors()), [""; 0]);
}

#[test]
fn a_link_that_cannot_be_read_now_is_what_it_was() {
    let (node, mut provider) = scan(
        "pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0 link=infiniband
         sf mlx5_core.sf.2 on=0000:08:00.0 num=88",
    );
    let selectors = || json!({"auxTypes": ["sf"], "linkTypes": ["infiniband"]});
    assert_eq!(provider.select(selectors()), ["mlx5_core.sf.2"]);
    node.apply("rm @0000:08:00.0/net/p0/type");
    provider.rescan().expect("a discovery");
    assert_eq!(provider.select(selectors()), ["mlx5_core.sf.2"]);
}

#[test]
fn refusals_say_what_was_found() {
    let (_node, provider) = scan(&format!(
        "{CARDS}
         pf 0000:0a:00.0 15b3:a2d6 driver=mlx5_core
         dir @0000:0a:00.0/net
         sf mlx5_core.sf.9 on=0000:0a:00.0 num=none"
    ));
    for (selectors, id, reason) in [
        (
            json!({"vendors": ["8086"]}),
            "mlx5_core.sf.2",
            "vendors: it has 15b3, not one of 8086",
        ),
        (
            json!({"pfNames": ["p0#88-89", "p1"]}),
            "mlx5_core.sf.2",
            "pfNames: it is number 87 of p0, and the selector has p0#88-89, p1",
        ),
        (
            json!({"rootDevices": ["0000:0a:00.0#0"]}),
            "mlx5_core.sf.9",
            "rootDevices: it belongs to 0000:0a:00.0 and has no number, and the selector has 0000:0a:00.0#0",
        ),
        (
            json!({"pfNames": ["p0"]}),
            "mlx5_core.sf.9",
            "pfNames: its parent 0000:0a:00.0 has no network interface, and the selector has p0",
        ),
        (
            json!({"pciAddresses": ["0000:08:00.1"]}),
            "mlx5_core.sf.9",
            "pciAddresses: it has 0000:0a:00.0, not one of 0000:08:00.1",
        ),
        (
            json!({"acpiIndexes": ["101"]}),
            "mlx5_core.sf.9",
            "acpiIndexes: it has none, and the selector has 101",
        ),
        (
            json!({"linkTypes": ["ether"]}),
            "mlx5_core.sf.9",
            "linkTypes: it has none, and the selector has ether",
        ),
    ] {
        assert_eq!(provider.why_not(selectors, id).as_deref(), Some(reason));
    }
}

#[test]
fn another_driver_of_the_parent_differs_and_an_interface_in_a_pod_cannot_be_read() {
    let (node, _) = scan(CARDS);
    node.apply("rm @0000:08:00.1/net/p1\nrm @mlx5_core.sf.6/net/t0");
    let provider = Harness::new(AuxNetDevice::default(), node.path());
    let id = "mlx5_core.sf.6";
    for (selectors, mismatch) in [
        (json!({"pfNames": ["p9"]}), None),
        (json!({"linkTypes": ["infiniband"]}), None),
        (
            json!({"pfNames": ["p9"], "drivers": ["ice"]}),
            Some("drivers: it has mlx5_core, not one of ice"),
        ),
        (
            json!({"linkTypes": ["infiniband"], "vendors": ["8086"]}),
            Some("vendors: it has 15b3, not one of 8086"),
        ),
    ] {
        assert!(provider.why_not(selectors.clone(), id).is_some());
        assert_eq!(provider.mismatch(selectors, id).as_deref(), mismatch);
    }
}
