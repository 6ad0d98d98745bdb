//! What speaks against giving a function to new pods.

use sriovdp_sdk::Cause;

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
    let reason = "cannot hand out `0000:03:02.1`, which is bound to `vfio-pci`: \
                  the device node `/dev/vfio/7` does not exist on this node";
    check(
        "nodev /dev/vfio/7",
        &[("0000:03:02.1", Cause::Existence, reason)],
    );
}
