//! What each word makes.

use super::{PF, VF, check, node};

#[test]
fn a_kernel_without_devices_has_its_directories() {
    check(
        "",
        "/sys/bus/pci/devices /\n/sys/class/net /\n/sys/kernel/iommu_groups /",
    );
}

#[test]
fn a_pf_and_its_vf_know_each_other() {
    check(
        &format!("{PF}\n{VF}"),
        r"
        PF/vendor = 0x8086\n
        PF/class = 0x020000\n
        PF/uevent = DRIVER=igb\nPCI_CLASS=20000\nPCI_ID=8086:10C9\nPCI_SUBSYS_ID=8086:0000\nPCI_SLOT_NAME=0000:41:00.0\nMODALIAS=pci:v00008086d000010C9sv00008086sd00000000bc02sc00i00\n
        PF/sriov_totalvfs = 64\n
        PF/sriov_numvfs = 1\n
        PF/virtfn0 -> ../0000:41:10.0
        PF/net/eth0/operstate = up\n
        PF/net/eth0/ifindex = 2\n
        PF/net/eth0/device -> ../../../0000:41:00.0
        /sys/class/net/eth0 -> ../../devices/pci0000:41/0000:41:00.0/net/eth0
        VF/device = 0x10ca\n
        VF/physfn -> ../0000:41:00.0
        VF/numa_node = 1\n
        VF/sriov_totalvfs absent
        VF/driver -> ../../../bus/pci/drivers/vfio-pci
        VF/iommu_group -> ../../../kernel/iommu_groups/19
        VF/subsystem -> ../../../bus/pci
        /sys/bus/pci/devices/0000:41:10.0 -> ../../../devices/pci0000:41/0000:41:10.0
        /sys/bus/pci/drivers/vfio-pci/0000:41:10.0 -> ../../../../devices/pci0000:41/0000:41:10.0
        /sys/kernel/iommu_groups/19/devices/0000:41:10.0 -> ../../../../devices/pci0000:41/0000:41:10.0
        /sys/kernel/iommu_groups/19/type = DMA-FQ\n
        /dev/vfio/19 =
        /dev/vfio/vfio =
        ",
    );
}

#[test]
fn every_relative_link_leads_somewhere() {
    let node = node(&format!(
        "{PF}\n{VF}\nsf mlx5_core.sf.2 on=0000:41:00.0 num=88 net=s88 ib=mlx5_2\nib mlx5_2 uverbs=2"
    ));
    for link in [
        "sys/bus/pci/devices/0000:41:10.0/physfn/virtfn0/iommu_group/type",
        "sys/bus/pci/drivers/igb/0000:41:00.0/driver/0000:41:00.0/vendor",
        "sys/class/net/eth0/device/net/eth0/subsystem/s88/device/sfnum",
        "sys/bus/auxiliary/devices/mlx5_core.sf.2/driver",
        "sys/class/infiniband/mlx5_2/device/sfnum",
        "sys/class/infiniband_verbs/uverbs2/ibdev",
    ] {
        assert!(node.path().join(link).exists(), "{link}");
    }
}

#[test]
fn keys_of_functions() {
    check(
        "
        pci 0000:00:04.0 8086:3420
        pci 0000:01:00.0 1af4:1041 in=0000:00:04.0 driver=virtio-pci virtio=3 net=eth7 numa=- acpi=7
        pci 10000:e1:00.0 8086:0a54
        pci 0000:06:00.0 8086:154c driver=vfio-pci group=0 noiommu=1 class=120000
        pf 0000:07:00.0 15b3:101d vfs=2/8 net=ib0 link=infiniband switch=abc port=p0 modalias=pci:x
        vf 0000:07:00.1 15b3:101e pf=0000:07:00.0 id=0 driver=uio_pci_generic uio=4
        ",
        r"
        /sys/bus/pci/devices/0000:01:00.0 -> ../../../devices/pci0000:00/0000:00:04.0/0000:01:00.0
        /sys/bus/virtio/devices/virtio3 -> ../../../devices/pci0000:00/0000:00:04.0/0000:01:00.0/virtio3
        /sys/class/net/eth7 -> ../../devices/pci0000:00/0000:00:04.0/0000:01:00.0/virtio3/net/eth7
        /sys/bus/pci/devices/0000:01:00.0/numa_node absent
        /sys/bus/pci/devices/0000:01:00.0/acpi_index = 7\n
        /sys/bus/pci/devices/10000:e1:00.0 -> ../../../devices/pci10000:e1/10000:e1:00.0
        /sys/bus/pci/devices/0000:06:00.0/class = 0x120000\n
        /sys/kernel/iommu_groups/0/name = vfio-noiommu\n
        /dev/vfio/noiommu-0 =
        /dev/vfio/0 absent
        /sys/bus/pci/devices/0000:07:00.0/sriov_numvfs = 2\n
        /sys/bus/pci/devices/0000:07:00.0/sriov_totalvfs = 8\n
        /sys/bus/pci/devices/0000:07:00.0/modalias = pci:x\n
        /sys/class/net/ib0/type = 32\n
        /sys/class/net/ib0/phys_switch_id = abc\n
        /sys/class/net/ib0/phys_port_name = p0\n
        /sys/class/uio/uio4/name = uio_pci_generic\n
        /dev/uio4 =
        ",
    );
}

#[test]
fn devices_of_other_buses() {
    check(
        &format!(
            "{PF} ib=mlx5_0
            aux mlx5_core.eth.0 on=0000:41:00.0
            sf mlx5_core.sf.{{2-3}} on=0000:41:00.0 num={{88-89}}
            vdpa vdpa0 on=0000:41:00.0 driver=vhost_vdpa dev=vhost-vdpa-0
            vdpa vdpa1 on=0000:41:00.0 driver=virtio_vdpa virtio=5 net=eth9
            ib mlx5_0 uverbs=0 umad=0,1 issm=0 ucm=3 pkey=0x8001
            net br0 up=1"
        ),
        r"
        /sys/bus/auxiliary/devices/mlx5_core.eth.0/uevent = MODALIAS=auxiliary:mlx5_core.eth\n
        /sys/bus/auxiliary/devices/mlx5_core.eth.0/sfnum absent
        /sys/bus/auxiliary/devices/mlx5_core.sf.3/sfnum = 89\n
        /sys/bus/auxiliary/drivers/mlx5_core.sf/mlx5_core.sf.2/sfnum = 88\n
        /sys/bus/vdpa/devices/vdpa0/driver -> ../../../../bus/vdpa/drivers/vhost_vdpa
        /sys/bus/vdpa/devices/vdpa0/vhost-vdpa-0/dev = 511:0\n
        /dev/vhost-vdpa-0 =
        PF/virtio5/net/eth9/operstate = up\n
        PF/infiniband/mlx5_0/node_type = 1: CA\n
        PF/infiniband/mlx5_0/ports/1/pkeys/0 = 0x8001\n
        /sys/class/infiniband_mad/umad1/ibdev = mlx5_0\n
        /sys/class/infiniband_cm/ucm3/ibdev = mlx5_0\n
        /dev/infiniband/uverbs0 =
        /dev/infiniband/issm0 =
        /dev/infiniband/rdma_cm =
        /sys/class/net/br0 -> ../../devices/virtual/net/br0
        /sys/class/net/br0/flags = 0x1003\n
        ",
    );
}
