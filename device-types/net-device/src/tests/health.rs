//! Findings: why no new pod may get a function.

use crate::NetDevice;
use serde_json::{Value, json};
use sriovdp_sdk::{Finding, FindingKind};
use sriovdp_sdk_testing::Harness;

use super::scan;

const PF: &str = "pf 0000:03:00.0 8086:1572 driver=i40e net=ens1f0
    vf 0000:03:02.0 8086:154c pf=0000:03:00.0 id=0 driver=iavf net=ens1f0v0
    vf 0000:03:02.1 8086:154c pf=0000:03:00.0 id=1 driver=vfio-pci group=7
    ";

#[track_caller]
fn check(more: &str, expected: &[(&str, FindingKind, &str)]) {
    let (_node, provider) = scan(&format!("{PF}{more}"));
    let devices = provider.devices();
    let found = devices.iter().flat_map(|device| {
        let findings = device.findings.iter();
        findings.map(|finding| (device.id.as_str(), finding.cause, finding.reason.as_str()))
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn the_link_of_the_physical_function_counts_for_each_driver() {
    let reason = "the interface `ens1f0` of the physical function 0000:03:00.0 has no link";
    check(
        "file @0000:03:00.0/net/ens1f0/carrier 0",
        &[
            ("0000:03:02.0", FindingKind::Link, reason),
            ("0000:03:02.1", FindingKind::Link, reason),
        ],
    );
}

#[test]
fn a_functions_own_link_says_nothing() {
    // The link of the first virtual function is down anyway: it is not in use.
    check("", &[]);
    check(
        "pf 0000:86:00.0 8086:10fb driver=ixgbe net=eno1
         file @0000:86:00.0/net/eno1/carrier 0",
        &[],
    );
}

#[test]
fn a_physical_function_that_is_not_to_be_seen_says_nothing() {
    check("rm @0000:03:00.0/net/ens1f0", &[]);
    // In a virtual machine there are virtual functions alone.
    check(
        "pci 0000:00:05.0 15b3:101e driver=mlx5_core net=eth0
         file @0000:00:05.0/net/eth0/carrier 0",
        &[],
    );
}

#[test]
fn device_nodes_have_to_be_there() {
    for path in ["/dev/vfio/vfio", "/dev/vfio/7"] {
        let reason = format!(
            "cannot hand out `0000:03:02.1`, which is bound to `vfio-pci`: \
             the device node `{path}` does not exist on this node"
        );
        check(
            &format!("nodev {path}"),
            &[("0000:03:02.1", FindingKind::DeviceNode, &reason)],
        );
    }
    // A group that is not there yet is no finding.
    check("nodev /dev/vfio/7\nrm @0000:03:02.1/iommu_group", &[]);
    // Neither does a node that only the plugin's own `/dev` lacks.
    check(
        "nodev /dev/vfio/7\nfile /sys/dev/char/511:7/uevent DEVNAME=vfio/7",
        &[],
    );
}

/// The finding that only resources with these selectors have about the vDPA device's function.
fn of_vdpa(more: &str, selectors: Value) -> Option<Finding> {
    let vdpa = "vdpa vdpa0 on=0000:03:02.0 driver=vhost_vdpa dev=vhost-vdpa-0";
    let (_node, provider) = scan(&format!("{PF}\n{vdpa}\n{more}"));
    assert_eq!(
        provider.findings("0000:03:02.0"),
        [],
        "it is nothing to other resources: {more}"
    );
    let mut findings = provider.findings_for(selectors, "0000:03:02.0");
    assert!(findings.len() < 2, "{findings:?}");
    findings.pop()
}

#[test]
fn each_vfio_node_has_to_be_there() {
    const VFIO: &str = "
        pf 0000:03:00.0 8086:1592 driver=vfio-pci group=9
        file @0000:03:00.0/vfio-dev/vfio0/dev 243:0
        dev /dev/vfio/devices/vfio0
    ";
    for (change, missing) in [
        ("", None),
        (
            "nodev /dev/vfio/devices/vfio0",
            Some("/dev/vfio/devices/vfio0"),
        ),
        // The kernel has no groups, unless it has their class.
        ("nodev /dev/vfio/9", None),
        (
            "nodev /dev/vfio/9\ndir /sys/class/vfio",
            Some("/dev/vfio/9"),
        ),
        (
            "nodev /dev/vfio/devices/vfio0\nfile /sys/dev/char/243:0/uevent DEVNAME=vfio/devices/vfio0",
            None,
        ),
    ] {
        let (_node, provider) = scan(&format!("{VFIO}{change}"));
        let findings = provider.findings("0000:03:00.0").into_iter();
        let reasons: Vec<String> = findings.map(|finding| finding.reason).collect();
        let expected = missing.map(|path| {
            format!(
                "cannot hand out `0000:03:00.0`, which is bound to `vfio-pci`: \
                 the device node `{path}` does not exist on this node"
            )
        });
        assert_eq!(
            reasons,
            expected.into_iter().collect::<Vec<_>>(),
            "{change}"
        );
    }
}

#[test]
fn the_node_of_a_vdpa_device_has_to_be_there_for_who_asks_for_it() {
    let vhost = || json!({"vdpaType": "vhost"});
    assert_eq!(of_vdpa("", vhost()), None);
    let missing = "nodev /dev/vhost-vdpa-0";
    assert_eq!(of_vdpa(missing, json!({"pfNames": ["ens1f0"]})), None);
    let reason = "cannot hand out the vDPA device `vdpa0`: \
                  the device node `/dev/vhost-vdpa-0` does not exist on this node";
    assert_eq!(
        of_vdpa(missing, vhost()),
        Some(Finding::new(FindingKind::DeviceNode, reason))
    );
    // The entry may be about to come.
    assert_eq!(
        of_vdpa(&format!("{missing}\nrm @vdpa0/vhost-vdpa-0"), vhost()),
        None
    );
    // The kernel has it, so the container gets it, though the plugin's own `/dev` lacks it.
    let known = format!("{missing}\nfile /sys/dev/char/511:0/uevent DEVNAME=vhost-vdpa-0");
    assert_eq!(of_vdpa(&known, vhost()), None);
}

#[test]
fn another_driver_differs_and_an_interface_in_a_pod_cannot_be_read() {
    const IN_POD: &str = "rm @0000:03:02.0/net/ens1f0v0\nrm @0000:03:00.0/net/ens1f0";
    let (node, _) = scan(PF);
    node.apply(IN_POD);
    let provider = Harness::new(NetDevice::default(), node.path());
    let names = || json!({"pfNames": ["ens1f0"]});
    let refused = |selectors: Value| {
        let id = "0000:03:02.0";
        (
            provider.why_not(selectors.clone(), id).is_some(),
            provider.mismatch(selectors, id),
        )
    };
    for selectors in [names(), json!({"linkTypes": ["ether"]})] {
        assert_eq!(refused(selectors.clone()), (true, None), "{selectors}");
    }
    // The first key that refuses cannot be read, and a later one can.
    for (selectors, reason) in [
        (
            json!({"pfNames": ["ens1f0"], "rootDevices": ["0000:99:00.0"]}),
            "rootDevices: it is number 0 of 0000:03:00.0, and the selector has 0000:99:00.0",
        ),
        (
            json!({"linkTypes": ["ether"], "vdpaType": "virtio"}),
            "vdpaType: it has none, and the selector has virtio",
        ),
        (
            json!({"linkTypes": ["ether"], "drivers": ["vfio-pci"]}),
            "drivers: it has iavf, not one of vfio-pci",
        ),
        (
            json!({"acpiIndexes": ["7"]}),
            "acpiIndexes: it has none, and the selector has 7",
        ),
    ] {
        assert_eq!(refused(selectors), (true, Some(reason.to_owned())));
    }
}

#[test]
fn a_function_whose_driver_makes_no_interface_has_no_link_type() {
    let (_node, provider) =
        scan("pf 0000:03:00.0 8086:1592 driver=vfio-pci group=1\ndev /dev/vfio/vfio");
    let reason = "linkTypes: it has none, and the selector has ether";
    let mismatch = provider.mismatch(json!({"linkTypes": ["ether"]}), "0000:03:00.0");
    assert_eq!(mismatch.as_deref(), Some(reason));
}

#[test]
fn an_attribute_that_is_there_and_cannot_be_read_is_reported() {
    let (node, mut provider) = scan(PF);
    assert_eq!(provider.unread(), []);
    let path = node
        .path()
        .join("sys/bus/pci/devices/0000:03:02.0/acpi_index");
    std::fs::create_dir(&path).expect("a directory in place of the attribute");
    provider.rescan().expect("a scan");
    assert_eq!(
        provider.unread(),
        ["0000:03:02.0".parse().expect("an address")]
    );
    let selectors = || json!({"acpiIndexes": ["7"]});
    assert!(provider.why_not(selectors(), "0000:03:02.0").is_some());
    assert_eq!(provider.mismatch(selectors(), "0000:03:02.0"), None);
}

#[test]
fn only_nodes_of_vfio_can_be_replaced() {
    const NODES: &str = "
        pf 0000:03:00.0 8086:1592 driver=ice net=ens1f0
        vf 0000:03:01.0 8086:1889 pf=0000:03:00.0 id=0 driver=vfio-pci group=40
        vf 0000:03:01.1 8086:1889 pf=0000:03:00.0 id=1 driver=igb_uio uio=0
        nodev /dev/vfio/40
        nodev /dev/uio0
    ";
    let (_node, provider) = scan(NODES);
    let part = |id: &str| {
        let findings = provider.findings(id);
        findings[0].part.clone()
    };
    assert_eq!(part("0000:03:01.0").as_deref(), Some("vfio"));
    assert_eq!(part("0000:03:01.1"), None);
    let provider = provider.with_replaced("vfio");
    let allocated = provider.allocate(serde_json::json!({}), &["0000:03:01.0"]);
    assert_eq!(allocated.unwrap()[0].nodes, []);
    assert!(
        provider
            .allocate(serde_json::json!({}), &["0000:03:01.1"])
            .is_err()
    );
}
