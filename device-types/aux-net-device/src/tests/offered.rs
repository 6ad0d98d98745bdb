//! Which auxiliary devices are offered, and why others are not.

use super::scan;

#[track_caller]
fn check(tree: &str, offered: &[(&str, Option<u32>)], excluded: &[(&str, &str)]) {
    let (_node, provider) = scan(tree);
    let devices = provider.devices();
    let devices = devices
        .iter()
        .map(|device| (device.id.as_str(), device.numa_node));
    assert_eq!(devices.collect::<Vec<_>>(), offered);
    let found = provider.excluded();
    let found = found
        .iter()
        .map(|excluded| (&*excluded.device, &*excluded.reason));
    assert_eq!(found.collect::<Vec<_>>(), excluded);
}

#[test]
fn subfunctions_are_with_the_numa_node_of_their_parent() {
    check(
        "pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0 numa=1
         sf mlx5_core.sf.{2-3} on=0000:08:00.0 num=8{8-9} net=s8{8-9}
         pci 10000:e1:00.0 8086:1593 driver=ice net=ens9 numa=-1
         sf ice.sf.4 on=10000:e1:00.0 num=0",
        &[
            ("ice.sf.4", None),
            ("mlx5_core.sf.2", Some(1)),
            ("mlx5_core.sf.3", Some(1)),
        ],
        &[],
    );
}

#[test]
fn other_auxiliary_devices_and_their_parents_are_not() {
    check(
        "pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
         aux mlx5_core.eth.0 on=0000:08:00.0
         aux mlx5_core.rdma.0 on=0000:08:00.0
         aux mlx5_core.sf_cfg.0 on=0000:08:00.0",
        &[],
        &[],
    );
}

#[test]
fn what_is_not_on_the_auxiliary_bus_is_not() {
    check(
        "pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
         sf mlx5_core.sf.2 on=0000:08:00.0 num=88
         dir @0000:08:00.0/mlx5_core.sf.3",
        &[("mlx5_core.sf.2", Some(0))],
        &[],
    );
}

#[test]
fn a_virtual_function_can_be_the_parent() {
    check(
        "pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0 numa=1
         vf 0000:08:00.2 15b3:101e pf=0000:08:00.0 id=0 driver=mlx5_core net=p0v0
         sf mlx5_core.sf.2 on=0000:08:00.2 num=88",
        &[("mlx5_core.sf.2", Some(1))],
        &[],
    );
}

#[test]
fn the_default_route_of_the_parent_takes_nothing_away() {
    check(
        "pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
         sf mlx5_core.sf.2 on=0000:08:00.0 num=88 net=s88
         route p0 default
         route s88 default6",
        &[("mlx5_core.sf.2", Some(0))],
        &[],
    );
}

#[test]
fn the_parent_must_be_a_network_function_with_a_driver() {
    check(
        "pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
         sf mlx5_core.sf.2 on=0000:08:00.0 num=88
         sf mlx5_core.sf.20 on=mlx5_core.sf.2 num=0
         pf 0000:08:00.1 15b3:a2d6 net=p1
         sf mlx5_core.sf.3 on=0000:08:00.1 num=88
         pci 0000:09:00.0 15b3:a2d6 driver=mlx5_core
         sf mlx5_core.sf.4 on=0000:09:00.0 num=88
         pci 0000:17:00.0 8086:0d8f class=120000 driver=fec net=a0
         sf fec.sf.5 on=0000:17:00.0 num=88",
        &[("mlx5_core.sf.2", Some(0))],
        &[
            ("fec.sf.5", "its parent 0000:17:00.0 is no network function"),
            (
                "mlx5_core.sf.20",
                "its parent `mlx5_core.sf.2` is no PCI function",
            ),
            (
                "mlx5_core.sf.3",
                "no driver is bound to its parent 0000:08:00.1",
            ),
            (
                "mlx5_core.sf.4",
                "its parent 0000:09:00.0 makes no network interface",
            ),
        ],
    );
}

#[test]
fn subfunctions_come_and_go() {
    let (node, mut provider) = scan(
        "pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
         sf mlx5_core.sf.2 on=0000:08:00.0 num=88",
    );
    node.apply("sf mlx5_core.sf.3 on=0000:08:00.0 num=89");
    node.apply("unplug mlx5_core.sf.2");
    provider.rescan().expect("a discovery");
    let devices = provider.devices();
    let ids: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
    assert_eq!(ids, ["mlx5_core.sf.3"]);
}

#[test]
fn a_bus_that_cannot_be_read_now_changes_nothing() {
    let (node, mut provider) = scan(
        "pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0
         sf mlx5_core.sf.2 on=0000:08:00.0 num=88",
    );
    let before = provider.devices();
    let bus = node.path().join("sys/bus/auxiliary/devices");
    std::fs::rename(&bus, bus.with_file_name("away")).unwrap();
    std::fs::write(&bus, "").unwrap();
    let error = provider.rescan().unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot list `/sys/bus/auxiliary/devices`"
    );
    assert_eq!(provider.devices(), before);
}
