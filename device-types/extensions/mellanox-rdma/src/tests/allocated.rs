//! What a container gets: character devices in their order, `_INFO` and the device-info file, or a refusal.

use crate::MellanoxRdma;
use serde_json::{Value, json};
use sriovdp_sdk_testing::Harness;

use super::{functions, subfunctions};

const VF: &str = "0000:5e:00.1";
const CARD: &str = "
    pf 0000:5e:00.0 15b3:1017 driver=mlx5_core net=ens2f0 ib=mlx5_0
    vf 0000:5e:00.1 15b3:1018 pf=0000:5e:00.0 id=0 driver=mlx5_core ib=mlx5_1
    ib mlx5_0 uverbs=0 umad=0 issm=0
    ib mlx5_1 uverbs=1 umad=1 issm=1
";

/// What a container gets for one device of a resource with `isRdma`, as JSON.
#[track_caller]
fn allocate(provider: &Harness<MellanoxRdma>, id: &str) -> Value {
    let allocated = provider.allocate_json(json!({"isRdma": true}), id);
    allocated.expect("an allocation")
}

/// The message and causes of an allocation that must fail, as one text.
#[track_caller]
fn refused(provider: &Harness<MellanoxRdma>, id: &str) -> String {
    let error = provider
        .allocate(json!({"isRdma": true}), &[id])
        .expect_err("a refusal");
    assert!(error.hint().is_some(), "no cure: {error:?}");
    let causes = error.causes().map(|cause| format!(": {cause}"));
    format!("{error}{}", causes.collect::<String>())
}

fn nodes(names: &[&str]) -> Value {
    let paths = names.iter().map(|name| format!("/dev/infiniband/{name}"));
    paths.map(|path| json!([path, path])).collect()
}

#[test]
fn character_devices_come_in_their_order() {
    let (_node, provider) = functions(CARD, &[VF]);
    assert_eq!(
        allocate(&provider, VF),
        json!({
            "nodes": nodes(&["issm1", "umad1", "uverbs1", "rdma_cm"]),
            "info": {"rdma": {
                "issm": "/dev/infiniband/issm1",
                "umad": "/dev/infiniband/umad1",
                "uverbs": "/dev/infiniband/uverbs1",
                "rdma_cm": "/dev/infiniband/rdma_cm",
                "rdma_dev": "mlx5_1",
            }},
            "device_info": {"pci": {"rdma-device": "mlx5_1"}},
        })
    );
}

#[test]
fn the_connection_manager_is_given_where_there_is_one() {
    let (node, provider) = functions(CARD, &[VF]);
    node.apply("nodev /dev/infiniband/rdma_cm");
    let allocated = allocate(&provider, VF);
    assert_eq!(allocated["nodes"], nodes(&["issm1", "umad1", "uverbs1"]));
    assert_eq!(allocated["info"]["rdma"].get("rdma_cm"), None);
}

#[test]
fn every_port_and_every_rdma_device_has_its_own() {
    let (_node, provider) = functions(
        "
        pci 0000:5e:00.1 15b3:1017 driver=mlx4_core ib=mlx4_0,mlx4_1
        ib mlx4_0 uverbs=0 umad=0,1 issm=0,1 ucm=0
        ib mlx4_1 uverbs=1
        ",
        &[VF],
    );
    let allocated = allocate(&provider, VF);
    let expected = [
        "ucm0", "issm0", "issm1", "umad0", "umad1", "uverbs0", "rdma_cm", "uverbs1",
    ];
    assert_eq!(allocated["nodes"], nodes(&expected));
    let info = &allocated["info"]["rdma"];
    assert_eq!(
        (&info["rdma_dev"], &info["umad"]),
        (&json!("mlx4_0"), &json!("/dev/infiniband/umad1"))
    );
    assert_eq!(
        allocated["device_info"],
        json!({"pci": {"rdma-device": "mlx4_0,mlx4_1"}})
    );
}

#[test]
fn a_subfunction_has_no_device_info() {
    let (_node, provider) = subfunctions(
        "
        pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0 ib=mlx5_0
        sf mlx5_core.sf.2 on=0000:08:00.0 num=88 ib=mlx5_2
        ib mlx5_0 uverbs=0
        ib mlx5_2 uverbs=2
        ",
        &["mlx5_core.sf.2"],
    );
    let allocated = allocate(&provider, "mlx5_core.sf.2");
    assert_eq!(allocated["nodes"], nodes(&["uverbs2", "rdma_cm"]));
    assert_eq!(allocated.get("device_info"), None);
}

#[test]
fn partition_keys_alone_bring_nothing() {
    let (_node, provider) = functions(CARD, &[VF]);
    let allocated = provider
        .allocate_json(json!({"pKeys": ["0x8001"]}), VF)
        .expect("an allocation");
    assert_eq!(allocated, json!({}));
}

#[test]
fn what_is_missing_is_named() {
    let (node, provider) = functions(CARD, &[VF]);
    node.apply("nodev /dev/infiniband/umad1");
    assert_eq!(
        refused(&provider, VF),
        "cannot hand out the RDMA device `mlx5_1` of `0000:5e:00.1`: \
         the device node `/dev/infiniband/umad1` does not exist on this node"
    );
    node.apply("rm @0000:5e:00.1/infiniband_mad\nrm @0000:5e:00.1/infiniband_verbs");
    assert_eq!(
        refused(&provider, VF),
        "the RDMA device `mlx5_1` of `0000:5e:00.1` has no character device `uverbsN`"
    );
    node.apply("rm @0000:5e:00.1/infiniband");
    assert_eq!(
        refused(&provider, VF),
        "`0000:5e:00.1` has no RDMA device in the network namespace of the node"
    );
}
