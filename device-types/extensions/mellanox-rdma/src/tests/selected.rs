//! Which devices the keys select.

use serde_json::{Value, json};

use super::{extend, functions, netdevices, subfunctions};

const CARD: &str = "
    pf 0000:5e:00.0 15b3:1017 driver=mlx5_core net=ib0 ib=mlx5_0 link=infiniband
    vf 0000:5e:00.{1-2} 15b3:1018 pf=0000:5e:00.0 id={0-1} driver=mlx5_core net=ib0v{0-1} ib=mlx5_{1-2} link=infiniband
    vf 0000:5e:00.3 15b3:1018 pf=0000:5e:00.0 id=2 driver=vfio-pci group=7
    ib mlx5_{1-2} uverbs={1-2} umad={1-2} pkey=0x800{1-2}
";
const VFS: [&str; 3] = ["0000:5e:00.1", "0000:5e:00.2", "0000:5e:00.3"];

fn rdma() -> Value {
    json!({"isRdma": true})
}

fn keys(keys: &[&str]) -> Value {
    json!({"pKeys": keys})
}

#[test]
fn a_device_without_an_rdma_device_is_out() {
    let (_node, provider) = functions(CARD, &VFS);
    assert_eq!(provider.select(rdma()), VFS[..2]);
    assert_eq!(
        provider.why_not(rdma(), VFS[2]).as_deref(),
        Some("isRdma: it has no RDMA device")
    );
    assert_eq!(provider.select(json!({"isRdma": false})), VFS);
    assert_eq!(provider.select(json!({})), VFS);
}

#[test]
fn partition_keys_select() {
    let (_node, provider) = functions(CARD, &VFS);
    assert_eq!(provider.select(keys(&["0x8001"])), VFS[..1]);
    assert_eq!(provider.select(keys(&["0x8002", "0xffff"])), VFS[1..2]);
    assert_eq!(provider.select(keys(&["0x1", "2"])), VFS[..2]);
    assert_eq!(
        provider
            .why_not(keys(&["0x8003", "0x4"]), VFS[0])
            .as_deref(),
        Some("pKeys: it has 0x8001, not one of 0x8003, 0x0004")
    );
    assert_eq!(
        provider.why_not(keys(&["0x8001"]), VFS[2]).as_deref(),
        Some("pKeys: it has no RDMA device")
    );
    assert_eq!(provider.select(keys(&[])), VFS);
    let error = provider
        .check(keys(&["0x8001", "abcd"]))
        .expect_err("no key");
    assert_eq!(
        error.to_string(),
        "`abcd` is not a partition key; write a number of 16 bits, in hexadecimal with `0x`: `0x8001`"
    );
}

#[test]
fn only_infiniband_has_partitions() {
    let ethernet = CARD.replace(" link=infiniband", "");
    let (node, mut provider) = functions(&ethernet, &VFS);
    assert_eq!(provider.select(keys(&["0x8001"])), [""; 0]);
    assert_eq!(
        provider.why_not(keys(&["0x8001"]), VFS[0]).as_deref(),
        Some("pKeys: its link is not InfiniBand, so it has no partition key")
    );
    // The link of the RDMA device counts.
    node.apply("file @0000:5e:00.1/infiniband/mlx5_1/ports/1/link_layer InfiniBand");
    provider.rescan().expect("a scan");
    assert_eq!(provider.select(keys(&["0x8001"])), VFS[..1]);
    node.apply("file @0000:5e:00.1/infiniband/mlx5_1/ports/1/link_layer Ethernet");
    provider.rescan().expect("a scan");
    assert_eq!(provider.select(keys(&["0x8001"])), [""; 0]);
}

#[test]
fn the_link_is_that_of_the_physical_function_while_a_pod_has_the_interface() {
    let (node, mut provider) = functions(CARD, &VFS);
    node.apply("rm @0000:5e:00.1/net");
    provider.rescan().expect("a scan");
    assert_eq!(provider.select(keys(&["0x8001"])), VFS[..1]);
}

#[test]
fn an_rdma_device_in_a_pod_is_known_by_its_character_devices() {
    let (node, mut provider) = functions(CARD, &VFS);
    node.apply("rm @0000:5e:00.1/infiniband");
    provider.rescan().expect("a scan");
    assert_eq!(provider.select(rdma()), VFS[..2]);
    // Its key is the last one that was seen.
    assert_eq!(provider.select(keys(&["0x8001"])), VFS[..1]);
    node.apply("rm @0000:5e:00.2/infiniband");
    let started_later = extend(&node, netdevices(&VFS));
    assert_eq!(started_later.select(rdma()), VFS[..2]);
    assert_eq!(
        started_later.why_not(keys(&["0x8001"]), VFS[0]).as_deref(),
        Some("pKeys: its RDMA device is in a pod, and its partition key is not known")
    );
    // That cannot be read, and the lack of an RDMA device can.
    assert_eq!(started_later.mismatch(keys(&["0x8001"]), VFS[0]), None);
    assert!(started_later.mismatch(rdma(), VFS[2]).is_some());
    node.apply("rm @0000:5e:00.1/infiniband_verbs");
    provider.rescan().expect("a scan");
    assert_eq!(provider.select(rdma()), VFS[1..2]);
}

#[test]
fn a_partition_key_that_cannot_be_read_now_is_what_it_was() {
    let (node, mut provider) = functions(CARD, &VFS);
    let selected = provider.select(keys(&["0x8001"]));
    assert_eq!(selected, VFS[..1]);
    let ports = node
        .path()
        .join(format!("sys/bus/pci/devices/{}/infiniband", VFS[0]));
    let first = std::fs::read_dir(ports).unwrap().next().unwrap().unwrap();
    let name = first.file_name().into_string().unwrap();
    let key = format!("@{}/infiniband/{name}/ports/1/pkeys/0", VFS[0]);
    node.apply(&format!("rm {key}"));
    provider.rescan().expect("a scan");
    assert_eq!(provider.select(keys(&["0x8001"])), selected);
    // One that is there and is none is another matter: the subnet manager has taken it away.
    node.apply(&format!("file {key} 0x0000"));
    provider.rescan().expect("a scan");
    assert_eq!(provider.select(keys(&["0x8001"])), [""; 0]);
}

#[test]
fn an_rdma_device_in_a_pod_is_known_by_devlink() {
    let (_node, provider) = functions(
        "
        pf 0000:5e:00.0 15b3:1017 driver=mlx5_core net=ens2f0 ib=mlx5_0
        vf 0000:5e:00.{1-3} 15b3:1018 pf=0000:5e:00.0 id={0-2} driver=mlx5_core
        devlink pci/0000:5e:00.1 rdma=1
        devlink pci/0000:5e:00.2 rdma=0
        devlink auxiliary/0000:5e:00.3 rdma=1
        ",
        &VFS,
    );
    assert_eq!(provider.select(rdma()), VFS[..1]);
}

#[test]
fn subfunctions_have_rdma_devices_of_their_own() {
    let ids = ["mlx5_core.sf.2", "mlx5_core.sf.3", "mlx5_core.sf.4"];
    let (_node, provider) = subfunctions(
        "
        pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0 ib=mlx5_0
        sf mlx5_core.sf.{3-4} on=0000:08:00.0 num=8{3-4}
        sf mlx5_core.sf.2 on=0000:08:00.0 num=82 ib=mlx5_2
        devlink auxiliary/mlx5_core.sf.3 rdma=1
        devlink pci/0000:08:00.0 rdma=1
        ",
        &ids,
    );
    assert_eq!(provider.select(rdma()), ids[..2]);
}
