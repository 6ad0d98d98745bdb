//! Which network functions are offered, and why others are not.

use super::{ids, scan};

#[track_caller]
fn check(tree: &str, offered: &[&str], excluded: &[(&str, &str)]) {
    let (_node, provider) = scan(tree);
    assert_eq!(ids(&provider), offered);
    let found = provider.excluded();
    let found = found
        .iter()
        .map(|excluded| (&*excluded.device, &*excluded.reason));
    assert_eq!(found.collect::<Vec<_>>(), excluded);
}

#[test]
fn every_class_of_network_controller_and_no_other() {
    check(
        "pci 0000:01:00.0 8086:0001 class=020000 driver=a
         pci 0000:01:00.1 8086:0002 class=020700 driver=a
         pci 0000:01:00.2 8086:0003 class=028000 driver=a
         pci 0000:01:00.3 8086:0004 class=120000 driver=a
         pci 0000:01:00.4 8086:0005 class=0d8000 driver=a
         pci 10000:e1:00.0 8086:1572 driver=i40e net=ens9",
        &[
            "0000:01:00.0",
            "0000:01:00.1",
            "0000:01:00.2",
            "10000:e1:00.0",
        ],
        &[],
    );
}

#[test]
fn a_physical_function_with_virtual_ones_is_not() {
    check(
        "pf 0000:03:00.0 8086:1572 driver=i40e net=ens1f0
         vf 0000:03:02.0 8086:154c pf=0000:03:00.0 id=0 driver=iavf net=ens1f0v0
         pf 0000:86:00.0 8086:10fb driver=ixgbe net=eno1 vfs=0/63",
        &["0000:03:02.0", "0000:86:00.0"],
        &[(
            "0000:03:00.0",
            "it is a physical function with virtual ones",
        )],
    );
}

#[test]
fn a_function_without_a_driver_is_not() {
    check(
        "pci 0000:01:00.0 8086:1533 driver=igb
         pci 0000:01:00.1 8086:1533",
        &["0000:01:00.0"],
        &[("0000:01:00.1", "no driver is bound to it")],
    );
}

#[test]
fn the_virtual_functions_below_a_default_route_are() {
    check(
        "pf 0000:03:00.0 8086:1572 driver=i40e net=ens1f0
         vf 0000:03:02.0 8086:154c pf=0000:03:00.0 id=0 driver=iavf net=ens1f0v0
         route ens1f0 default",
        &["0000:03:02.0"],
        &[(
            "0000:03:00.0",
            "it is a physical function with virtual ones",
        )],
    );
}

#[test]
fn numa_nodes_are_passed_on() {
    let (_node, provider) = scan(
        "pci 0000:01:00.0 8086:1533 driver=igb numa=1
         pci 0000:01:00.1 8086:1533 driver=igb numa=-1",
    );
    let numa_nodes: Vec<_> = provider
        .devices()
        .into_iter()
        .map(|device| device.numa_node)
        .collect();
    assert_eq!(numa_nodes, [Some(1), None]);
}

#[test]
fn an_empty_node_has_none() {
    check("", &[], &[]);
}
