//! A written node that changes.

use std::fs;

use super::super::Tree;
use super::{PF, VF, check, expect, node};

#[test]
fn a_vf_appears_on_a_written_node() {
    let node = node(&format!("{PF}\n{VF}"));
    node.apply("vf 0000:41:10.2 8086:10ca pf=0000:41:00.0 id=1 driver=igbvf net=eth1\nfile @0000:41:00.0/numa_node 0");
    expect(
        node.path(),
        r"
        PF/sriov_numvfs = 2\n
        PF/virtfn0 -> ../0000:41:10.0
        PF/virtfn1 -> ../0000:41:10.2
        PF/numa_node = 0\n
        /sys/bus/pci/devices/0000:41:10.2/numa_node = 1\n
        /sys/class/net/eth1/ifindex = 3\n
        ",
    );
}

#[test]
fn a_device_leaves_without_a_trace() {
    let other =
        "pci 0000:06:00.0 8086:154c driver=vfio-pci group=20 uio=1 ib=mlx5_0\nib mlx5_0 uverbs=0
        vdpa vdpa0 on=0000:06:00.0 driver=vhost_vdpa dev=vhost-vdpa-0";
    let node = node(&format!("{PF}\n{VF} net=eth1\n{other}"));
    node.apply("unplug 0000:41:10.0\nunplug 0000:06:00.0");
    expect(
        node.path(),
        r"
        VF/vendor absent
        PF/virtfn0 absent
        PF/sriov_numvfs = 0\n
        /sys/bus/pci/devices/0000:41:10.0 absent
        /sys/bus/pci/drivers/vfio-pci/0000:41:10.0 absent
        /sys/class/net/eth1 absent
        /sys/class/uio/uio1 absent
        /sys/class/infiniband_verbs/uverbs0 absent
        /sys/bus/vdpa/drivers/vhost_vdpa/vdpa0 absent
        /sys/kernel/iommu_groups/19 absent
        /dev/vfio/19 absent
        /dev/uio1 absent
        /dev/infiniband/uverbs0 absent
        /dev/vhost-vdpa-0 absent
        PF/net/eth0/mtu = 1500\n
        ",
    );
    let dangling = fs::read_dir(node.path().join("sys/bus/pci/drivers/vfio-pci"))
        .unwrap()
        .count();
    assert_eq!(dangling, 0);
}

#[test]
fn a_pf_takes_its_vfs_along_and_may_come_again() {
    check(
        &format!("{PF}\n{VF}\nunplug 0000:41:00.0\npf 0000:41:00.0 8086:1572"),
        r"
        VF/vendor absent
        PF/virtfn0 absent
        PF/device = 0x1572\n
        PF/driver absent
        PF/net absent
        ",
    );
    let node = node(&format!("{PF}\n{VF}"));
    node.apply("unplug 0000:41:00.0\npf 0000:41:00.0 8086:1572");
    expect(
        node.path(),
        "VF/vendor absent\nPF/virtfn0 absent\nPF/device = 0x1572\\n\nPF/driver absent",
    );
}

#[test]
fn a_wrong_line_changes_nothing() {
    let node = node(PF);
    let error = Tree::apply(node.path(), "file @0000:41:00.0/numa_node 0\nnonsense").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(
        error
            .to_string()
            .starts_with("line 2: unknown word `nonsense`"),
        "{error}"
    );
    expect(node.path(), "PF/numa_node = 1\\n");
}

#[test]
fn a_link_that_is_replaced_leaves_its_target_alone() {
    let node = node("/sys/a = one\n/sys/b -> a");
    node.apply("file /sys/b two\nlink /sys/c a");
    node.apply("link /sys/c b");
    expect(node.path(), "/sys/a = one\\n\n/sys/b = two\\n\n/sys/c -> b");
}
