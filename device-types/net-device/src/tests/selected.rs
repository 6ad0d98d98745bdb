//! Which devices selectors select, and why others do not match.

use crate::NetDevice;
use serde_json::{Value, json};
use sriovdp_sdk_testing::Harness;

use super::scan;

const CARDS: &str = "
    pf 0000:03:00.0 8086:1572 driver=i40e net=ens1f0 acpi=101
    vf 0000:03:02.{0-3} 8086:154c pf=0000:03:00.0 id={0-3} driver=iavf net=ens1f0v{0-3} acpi=11{0-3}
    pf 0000:03:00.1 8086:1572 driver=i40e net=ens1f1
    vf 0000:03:0a.{0-1} 8086:154c pf=0000:03:00.1 id={0-1} driver=vfio-pci group=4{0-1}
    pf 0000:5e:00.0 15b3:1017 driver=mlx5_core net=ens2f0 link=infiniband
    vf 0000:5e:00.{1-2} 15b3:1018 pf=0000:5e:00.0 id={0-1} driver=mlx5_core net=ens2f0v{0-1} link=infiniband
    pf 0000:86:00.0 8086:10fb driver=ixgbe net=eno1 vfs=0/63
";

/// `wanted` leaves out the domain, which is 0 for all.
#[track_caller]
fn check(tree: &str, selectors: &Value, wanted: &[&str]) {
    let (_node, provider) = scan(tree);
    let wanted: Vec<String> = wanted.iter().map(|id| format!("0000:{id}")).collect();
    assert_eq!(provider.select(selectors.clone()), wanted, "{selectors}");
}

#[test]
fn each_key_narrows_the_selection() {
    for (selectors, wanted) in [
        (json!({"vendors": ["15B3"]}), vec!["5e:00.1", "5e:00.2"]),
        (
            json!({"devices": ["0x10fb", "1018"]}),
            vec!["5e:00.1", "5e:00.2", "86:00.0"],
        ),
        (
            json!({"drivers": ["vfio-pci", "ixgbe"]}),
            vec!["03:0a.0", "03:0a.1", "86:00.0"],
        ),
        (json!({"drivers": ["IXGBE"]}), vec![]),
        (
            json!({"pciAddresses": ["0000:03:02.1", "5E:00.2", "0000:03:00.0"]}),
            vec!["03:02.1", "5e:00.2"],
        ),
        (
            json!({"acpiIndexes": ["111", "113", "101"]}),
            vec!["03:02.1", "03:02.3"],
        ),
        (
            json!({"linkTypes": ["InfiniBand"]}),
            vec!["5e:00.1", "5e:00.2"],
        ),
        (
            json!({"vendors": ["8086"], "devices": ["154c"], "pfNames": ["ens1f0#0-2"], "acpiIndexes": ["112"]}),
            vec!["03:02.2"],
        ),
        (json!({"vendors": ["1924"]}), vec![]),
        (
            json!({"pcieRoots": ["pci0000:5e", "PCI0000:86"]}),
            vec!["5e:00.1", "5e:00.2", "86:00.0"],
        ),
        (json!({"pcieRoots": ["pci0001:5e"]}), vec![]),
    ] {
        check(CARDS, &selectors, &wanted);
    }
}

#[test]
fn pf_names_and_root_devices_select_virtual_functions() {
    for (selectors, wanted) in [
        (
            json!({"pfNames": ["ENS1F0#0,2-3,40"]}),
            vec!["03:02.0", "03:02.2", "03:02.3"],
        ),
        (
            json!({"pfNames": ["ens1f0#0", "ens1f0#2"]}),
            vec!["03:02.0", "03:02.2"],
        ),
        (
            json!({"pfNames": ["ens1f0#0", "ens1f0"]}),
            vec!["03:02.0", "03:02.1", "03:02.2", "03:02.3"],
        ),
        (
            json!({"pfNames": ["ens1f1", "ens2f0#1"]}),
            vec!["03:0a.0", "03:0a.1", "5e:00.2"],
        ),
        (
            json!({"rootDevices": ["0000:03:00.1", "5E:00.0#0"]}),
            vec!["03:0a.0", "03:0a.1", "5e:00.1"],
        ),
        (
            json!({"pfNames": ["ens1f0#0-2"], "rootDevices": ["0000:03:00.0#2-3"]}),
            vec!["03:02.2"],
        ),
        // Never the physical function itself.
        (json!({"pfNames": ["eno1"]}), vec![]),
        (json!({"rootDevices": ["0000:86:00.0"]}), vec![]),
    ] {
        check(CARDS, &selectors, &wanted);
    }
}

#[test]
fn a_physical_function_is_known_by_each_of_its_interfaces_and_no_representor() {
    let tree = "
        pf 0000:31:00.0 15b3:1003 driver=mlx4_core net=aib-child,ibp49s0 link=infiniband
        vf 0000:31:00.{1-2} 15b3:1004 pf=0000:31:00.0 id={0-1} driver=mlx4_core
        pf 0000:5e:00.0 15b3:1017 driver=mlx5_core net=a0,b0,c0,p0 switch=abc
        file /sys/class/net/a0/phys_port_name pf0vf0
        file /sys/class/net/b0/phys_port_name c1pf0sf3
        file /sys/class/net/p0/phys_port_name p0
        rm /sys/class/net/c0/phys_switch_id
        vf 0000:5e:00.1 15b3:1018 pf=0000:5e:00.0 id=0 driver=mlx5_core";
    for (name, wanted) in [
        ("ibp49s0", &["31:00.1", "31:00.2"][..]),
        ("aib-child#1", &["31:00.2"]),
        ("p0", &["5e:00.1"]),
        ("c0#0", &["5e:00.1"]),
        ("a0", &[]),
        ("b0", &[]),
    ] {
        check(tree, &json!({"pfNames": [name]}), wanted);
    }
    let (_node, provider) = scan(tree);
    assert_eq!(
        provider.why_not(json!({"pfNames": ["ibp49s0#0"]}), "0000:31:00.2"),
        Some(
            "pfNames: it is number 1 of aib-child or ibp49s0, and the selector has ibp49s0#0"
                .to_owned()
        )
    );
}

#[test]
fn the_number_of_a_virtual_function_is_in_its_link() {
    let tree = "
        pf 0000:03:00.0 15b3:1017 driver=mlx5_core net=p0
        vf 0000:03:00.1 15b3:1018 pf=0000:03:00.0 id=0 driver=mlx5_core
        vf 0000:03:00.3 15b3:1018 pf=0000:03:00.0 id=2 driver=mlx5_core";
    check(tree, &json!({"pfNames": ["p0#2"]}), &["03:00.3"]);
}

#[test]
fn a_physical_function_without_a_netdev_has_an_address() {
    let tree = "
        pf 0000:03:00.0 8086:1572 driver=vfio-pci group=9
        vf 0000:03:02.{0-1} 8086:154c pf=0000:03:00.0 id={0-1} driver=vfio-pci group=1{0-1}";
    check(tree, &json!({"pfNames": ["ens1f0"]}), &[]);
    check(tree, &json!({"linkTypes": ["ether"]}), &[]);
    check(
        tree,
        &json!({"rootDevices": ["0000:03:00.0#0"]}),
        &["03:02.0"],
    );
}

#[test]
fn in_switchdev_mode_the_uplink_names_the_physical_function() {
    let tree = "
        pf 0000:03:00.0 15b3:1017 driver=mlx5_core net=a0,p0 switch=abc
        file /sys/class/net/a0/phys_port_name pf0vf0
        file /sys/class/net/p0/phys_port_name p0
        vf 0000:03:00.1 15b3:1018 pf=0000:03:00.0 id=0 driver=mlx5_core";
    check(tree, &json!({"pfNames": ["p0"]}), &["03:00.1"]);
    check(tree, &json!({"pfNames": ["a0"]}), &[]);
}

#[test]
fn without_its_own_netdev_a_virtual_function_has_the_link_of_its_physical_one() {
    check(
        CARDS,
        &json!({"linkTypes": ["ether"], "drivers": ["vfio-pci"]}),
        &["03:0a.0", "03:0a.1"],
    );
    let (node, mut provider) = scan(CARDS);
    let infiniband = || json!({"linkTypes": ["infiniband"], "pfNames": ["ens2f0"]});
    // A pod has it: in sysfs of this network namespace it is gone.
    node.apply("rm @0000:5e:00.1/net/ens2f0v0");
    provider.rescan().expect("a discovery");
    assert_eq!(
        provider.select(infiniband()),
        ["0000:5e:00.1", "0000:5e:00.2"]
    );
}

#[test]
fn names_and_links_that_a_pod_took_away_are_remembered() {
    let (node, mut provider) = scan(CARDS);
    node.apply("rm @0000:86:00.0/net/eno1");
    node.apply("rm @0000:03:00.1/net/ens1f1");
    provider.rescan().expect("a discovery");
    assert_eq!(
        provider.select(json!({"linkTypes": ["ether"], "drivers": ["ixgbe"]})),
        ["0000:86:00.0"]
    );
    assert_eq!(
        provider.select(json!({"pfNames": ["ens1f1#1"]})),
        ["0000:03:0a.1"]
    );

    // Under another driver there is no such network interface.
    node.apply("link @0000:86:00.0/driver ../../../bus/pci/drivers/uio_pci_generic");
    provider.rescan().expect("a discovery");
    assert_eq!(
        provider.select(json!({"linkTypes": ["ether"], "devices": ["10fb"]})),
        [""; 0]
    );
}

#[test]
fn a_kind_of_link_that_cannot_be_read_is_what_it_was() {
    let (node, mut provider) = scan(CARDS);
    let infiniband =
        |provider: &Harness<NetDevice>| provider.select(json!({"linkTypes": ["infiniband"]}));
    let before = infiniband(&provider);
    assert_eq!(before, ["0000:5e:00.1", "0000:5e:00.2"]);
    node.apply("rm @0000:5e:00.1/net/ens2f0v0/type\nrm @0000:5e:00.2/net/ens2f0v1/type");
    provider.rescan().expect("a discovery");
    assert_eq!(
        infiniband(&provider),
        before,
        "that of the physical function counts"
    );
    node.apply("rm @0000:5e:00.0/net/ens2f0/type");
    provider.rescan().expect("a discovery");
    assert_eq!(infiniband(&provider), before);
}

#[test]
fn a_number_of_the_firmware_that_cannot_be_read_is_what_it_was() {
    let (node, mut provider) = scan(CARDS);
    let numbered = |provider: &Harness<NetDevice>| provider.select(json!({"acpiIndexes": ["111"]}));
    assert_eq!(numbered(&provider), ["0000:03:02.1"]);
    let attribute = "@0000:03:02.1/acpi_index";
    // Reading a directory fails.
    node.apply(&format!("rm {attribute}\ndir {attribute}"));
    provider.rescan().expect("a discovery");
    provider
        .rescan_only(&["0000:03:02.0"])
        .expect("a discovery");
    provider.rescan().expect("a discovery");
    assert_eq!(numbered(&provider), ["0000:03:02.1"]);
    node.apply(&format!("rm {attribute}"));
    provider.rescan().expect("a discovery");
    assert_eq!(numbered(&provider), [""; 0]);
}

#[test]
fn what_is_remembered_of_a_physical_function_outlives_a_discovery_without_its_virtual_ones() {
    let (node, mut provider) = scan(CARDS);
    node.apply("rm @0000:03:00.1/net/ens1f1");
    provider.rescan().expect("a discovery");
    // One of two is not offered any more, and the other is out of scope.
    node.apply("rm @0000:03:0a.0/driver");
    let changed = ["0000:03:00.1", "0000:03:0a.0"];
    provider.rescan_only(&changed).expect("a discovery");
    provider.rescan().expect("a discovery");
    assert_eq!(
        provider.select(json!({"pfNames": ["ens1f1"]})),
        ["0000:03:0a.1"]
    );
}

#[test]
fn refusals_say_what_was_found() {
    let (_node, provider) = scan(CARDS);
    for (selectors, id, reason) in [
        (
            json!({"drivers": ["iavf"]}),
            "0000:86:00.0",
            "drivers: it has ixgbe, not one of iavf",
        ),
        (
            json!({"pfNames": ["ens1f0#0,2-3"]}),
            "0000:03:02.1",
            "pfNames: it is number 1 of ens1f0, and the selector has ens1f0#0,2-3",
        ),
        (
            json!({"rootDevices": ["0000:86:00.0"]}),
            "0000:86:00.0",
            "rootDevices: it has no physical function here, and the selector has 0000:86:00.0",
        ),
        (
            json!({"pcieRoots": ["pci0000:03", "pci0000:86"]}),
            "0000:5e:00.1",
            "pcieRoots: it has pci0000:5e, not one of pci0000:03, pci0000:86",
        ),
        (
            json!({"kubevirtHostDevice": true}),
            "0000:5e:00.1",
            "kubevirtHostDevice: it is bound to mlx5_core, which is no driver of VFIO",
        ),
        (
            json!({"linkTypes": ["ether"]}),
            "0000:5e:00.1",
            "linkTypes: it has infiniband, not one of ether",
        ),
        (
            json!({"vdpaType": "vhost"}),
            "0000:03:02.0",
            "vdpaType: it has none, and the selector has vhost",
        ),
    ] {
        assert_eq!(provider.why_not(selectors, id).as_deref(), Some(reason));
    }
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let (_node, provider) = scan(CARDS);
    for selectors in [
        json!({"vendors": ["intel"]}),
        json!({"pfNames": ["ens1f0#3-1"]}),
        json!({"rootDevices": ["ens1f0"]}),
        json!({"pcieRoots": ["0000:5e"]}),
        json!({"vdpaType": "vhost_vdpa"}),
        json!({"needVhostNet": "yes"}),
    ] {
        assert!(provider.check(selectors.clone()).is_err(), "{selectors}");
    }
    provider
        .check(json!({"vdpaType": "virtio", "needVhostNet": true}))
        .expect("sensible selectors");
}
