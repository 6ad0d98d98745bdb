//! Findings for resources with `isRdma`.

use serde_json::{Value, json};
use sriovdp_sdk::{Finding, FindingKind};

use super::functions;

const VF: &str = "0000:5e:00.1";
const CARD: &str = "
    pf 0000:5e:00.0 15b3:1017 driver=mlx5_core net=ens2f0 ib=mlx5_0
    vf 0000:5e:00.1 15b3:1018 pf=0000:5e:00.0 id=0 driver=mlx5_core ib=mlx5_1
    ib mlx5_0 uverbs=0 umad=0 issm=0
    ib mlx5_1 uverbs=1 umad=1 issm=1
";

fn findings(change: &str, selectors: Value) -> Vec<Finding> {
    let (_node, provider) = functions(&format!("{CARD}\n{change}"), &[VF]);
    assert_eq!(
        provider.findings(VF),
        [],
        "it is nothing to resources without RDMA"
    );
    provider.findings_for(selectors, VF)
}

fn rdma() -> Value {
    json!({"isRdma": true})
}

#[test]
fn every_character_device_needs_its_node() {
    assert_eq!(findings("", rdma()), []);
    for name in ["uverbs1", "umad1", "issm1"] {
        let missing = format!("nodev /dev/infiniband/{name}");
        let reason = format!(
            "cannot hand out the RDMA device `mlx5_1` of `0000:5e:00.1`: \
             the device node `/dev/infiniband/{name}` does not exist on this node"
        );
        assert_eq!(
            findings(&missing, rdma()),
            [Finding::new(FindingKind::DeviceNode, reason)]
        );
        // The kernel has it, and only the plugin's own `/dev` lacks it.
        let known = format!("{missing}\nfile /sys/dev/char/231:0/uevent DEVNAME=infiniband/{name}");
        assert_eq!(findings(&known, rdma()), []);
        // Partition keys bring no character devices.
        assert_eq!(findings(&missing, json!({"pKeys": ["0xffff"]})), []);
    }
}

#[test]
fn what_is_not_needed_or_not_there_yet_says_nothing() {
    assert_eq!(findings("nodev /dev/infiniband/rdma_cm", rdma()), []);
    assert_eq!(findings("nodev /dev/infiniband/uverbs0", rdma()), []);
    assert_eq!(findings("rm @0000:5e:00.1/infiniband_verbs", rdma()), []);
}

#[test]
fn rdma_devices_that_a_pod_has_say_nothing() {
    let in_pod = "rm @0000:5e:00.1/infiniband\nnodev /dev/infiniband/uverbs1";
    assert_eq!(findings(in_pod, rdma()), []);
}

#[test]
fn on_infiniband_a_device_needs_a_node_guid() {
    const INFINIBAND: &str = "file @0000:5e:00.1/infiniband/mlx5_1/ports/1/link_layer InfiniBand";
    let guid = |guid: &str| format!("file @0000:5e:00.1/infiniband/mlx5_1/node_guid {guid}");
    let none = guid("0000:0000:0000:0000");
    // Ethernet devices work without: those of clouds have none.
    assert_eq!(findings(&none, rdma()), []);
    assert_eq!(findings(INFINIBAND, rdma()), []);
    let set = format!("{INFINIBAND}\n{}", guid("0000:0000:0001:0000"));
    assert_eq!(findings(&set, rdma()), []);

    let none = format!("{INFINIBAND}\n{none}");
    let reason = "the node GUID of the RDMA device `mlx5_1` of `0000:5e:00.1` is all zero";
    assert_eq!(
        findings(&none, rdma()),
        [Finding::new(FindingKind::DeviceNode, reason)]
    );
    assert_eq!(findings(&none, json!({"pKeys": ["0xffff"]})), []);
    // Where a CNI plugin sets it, Allocate comes first.
    let (_node, provider) = functions(&format!("{CARD}\n{none}"), &[VF]);
    assert!(provider.allocate(rdma(), &[VF]).is_ok());
}
