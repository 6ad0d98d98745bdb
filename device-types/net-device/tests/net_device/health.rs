//! What speaks against giving a function to new pods.

use serde_json::{Value, json};
use sriovdp_net_device::NetDevice;
use sriovdp_sdk::Cause;
use sriovdp_sdk::testing::Harness;

use crate::scan;

const PF: &str = "pf 0000:03:00.0 8086:1572 driver=i40e net=ens1f0
    vf 0000:03:02.0 8086:154c pf=0000:03:00.0 id=0 driver=iavf net=ens1f0v0
    vf 0000:03:02.1 8086:154c pf=0000:03:00.0 id=1 driver=vfio-pci group=7
    ";

#[track_caller]
fn check(more: &str, expected: &[(&str, Cause, &str)]) {
    let (_node, provider) = scan(&format!("{PF}{more}"));
    let found = provider.findings();
    let found = found
        .iter()
        .map(|(id, cause, reason)| (id.as_str(), *cause, reason.as_str()));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn the_link_of_the_physical_function_counts_for_each_driver() {
    let reason = "the interface `ens1f0` of its physical function has no link";
    check(
        "file @0000:03:00.0/net/ens1f0/carrier 0",
        &[
            ("0000:03:02.0", Cause::Link, reason),
            ("0000:03:02.1", Cause::Link, reason),
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
            &[("0000:03:02.1", Cause::Existence, &reason)],
        );
    }
    // A group that is not there yet says nothing.
    check("nodev /dev/vfio/7\nrm @0000:03:02.1/iommu_group", &[]);
    // Neither does a node that only the plugin's own `/dev` lacks.
    check(
        "nodev /dev/vfio/7\nfile /sys/dev/char/511:7/uevent DEVNAME=vfio/7",
        &[],
    );
}

/// The finding that only resources with these selectors have about the vDPA device's function.
fn of_vdpa(more: &str, selectors: Value) -> Option<(Cause, String)> {
    let vdpa = "vdpa vdpa0 on=0000:03:02.0 driver=vhost_vdpa dev=vhost-vdpa-0";
    let (_node, provider) = scan(&format!("{PF}\n{vdpa}\n{more}"));
    assert_eq!(
        provider.findings(),
        [],
        "it is nothing to other resources: {more}"
    );
    let mut findings = provider.findings_for(selectors, "0000:03:02.0");
    assert!(findings.len() < 2, "{findings:?}");
    findings.pop()
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
        Some((Cause::Existence, reason.to_owned()))
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
fn another_driver_speaks_against_a_device_that_a_pod_has_and_a_missing_interface_does_not() {
    let (node, mut provider) = scan(PF);
    let findings =
        |provider: &Harness<NetDevice>, selectors| provider.findings_for(selectors, "0000:03:02.0");
    let selectors = || json!({"drivers": ["iavf"], "linkTypes": ["ether"], "pfNames": ["ens1f0"]});
    node.apply("rm @0000:03:02.0/net\nrm @0000:03:00.0/net");
    provider.rescan().expect("a scan");
    assert_eq!(findings(&provider, selectors()), []);
    node.apply("link @0000:03:02.0/driver ../../../bus/pci/drivers/vfio-pci");
    provider.rescan().expect("a scan");
    let reason = "`drivers`: it has vfio-pci, not one of iavf".to_owned();
    assert_eq!(findings(&provider, selectors()), [(Cause::Other, reason)]);
    assert_eq!(findings(&provider, json!({"pfNames": ["ens1f0"]})), []);
    let reason = "`vdpaType`: it has none, and one of virtio is asked for".to_owned();
    assert_eq!(
        findings(&provider, json!({"vdpaType": "virtio"})),
        [(Cause::Other, reason)]
    );
}
