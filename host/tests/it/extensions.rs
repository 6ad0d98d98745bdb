//! Extensions: libraries that add keys, facts and device nodes to device types that other libraries own.

use serde_json::{Value, json};

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, both_modes, built};

both_modes!(an_extension_selects_and_adds_device_nodes);

fn with_extensions(config: &str, mode: RegistrationMode) -> TestNode {
    let node = TestNode::with_config(CAPTURED, mode, config);
    node.provide_extensions();
    node
}

async fn an_extension_selects_and_adds_device_nodes(mode: RegistrationMode) {
    let config = r#"{"resourceList": [{"resourceName": "rdma", "selectors": {"vendors": ["8086"], "IsRdma": true}}]}"#;
    let node = with_extensions(config, mode);
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    // One VF of the node has an RDMA device.
    let view = kubelet
        .wait_for("intel.com/rdma", |view| view.messages > 0)
        .await
        .unwrap();
    let ids: Vec<&str> = view.devices.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids, ["0000:41:10.0"]);
    let container = kubelet
        .allocate("intel.com/rdma", &["0000:41:10.0"])
        .await
        .unwrap();
    let nodes: Vec<&str> = container
        .devices
        .iter()
        .map(|d| d.host_path.as_str())
        .collect();
    let expected = [
        "/dev/infiniband/umad0",
        "/dev/infiniband/uverbs0",
        "/dev/infiniband/rdma_cm",
    ];
    assert_eq!(nodes, expected);
    let file = "var/run/k8s.cni.cncf.io/devinfo/dp/intel.com-rdma-0000:41:10.0-device.json";
    let written = std::fs::read_to_string(node.root().join(file)).unwrap();
    let written: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(
        written,
        json!({
            "type": "pci",
            "version": "1.1.0",
            "pci": {"pci-address": "0000:41:10.0", "rdma-device": "rxe0"}
        }),
        "both providers are in one file"
    );
}

#[tokio::test]
async fn missing_extension_refuses_its_keys_by_name() {
    let config = r#"{"resourceList": [
        {"resourceName": "ddp", "selectors": {"ddpProfiles": ["GTP"]}},
        {"resourceName": "rdma", "selectors": {"isRdma": true}}
    ]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(1));
    for file in ["intel-ddp.so", "mellanox-rdma.so"] {
        let hint = format!("hint: put the provider `{file}` into the provider directory");
        assert!(output.contains(&hint), "{output}");
    }
    let node = with_extensions(config, RegistrationMode::Watcher);
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(0), "{output}");
}

#[tokio::test]
async fn new_extension_activates_resources_that_use_its_keys() {
    let config = r#"{"resourceList": [
        {"resourceName": "rdma", "selectors": {"isRdma": true}},
        {"resourceName": "rest", "selectors": {"pfNames": ["eth2"]}}
    ]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    daemon
        .logs("resource_refused")
        .containing("error", "selectors.isRdma`")
        .await;
    kubelet
        .wait_for("intel.com/rest", |view| view.allocatable() == 4)
        .await
        .unwrap();
    assert_eq!(kubelet.resource("intel.com/rdma"), None);
    node.provide("mellanox-rdma", &built("sriovdp_mellanox_rdma"));
    kubelet
        .wait_for("intel.com/rdma", |view| view.allocatable() == 1)
        .await
        .unwrap();
    // The first resource that selects a device has it, so the other one gives it up on the stream that it has.
    let rest = kubelet
        .wait_for("intel.com/rest", |view| view.allocatable() == 3)
        .await
        .unwrap();
    assert_eq!((rest.registrations, rest.capacity()), (1, 4));
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn keys_that_make_no_sense_together() {
    let config = r#"{"resourceList": [
        {"resourceName": "both", "selectors": {"isRdma": true, "vdpaType": "vhost"}},
        {"resourceName": "one", "selectors": {"isRdma": false, "vdpaType": "vhost"}}
    ]}"#;
    let (code, output, _) = with_extensions(config, RegistrationMode::Watcher)
        .run(&["check"])
        .await;
    assert_eq!(code, Some(1));
    let expected = "`resourceList[0].selectors.isRdma`: it cannot be combined with `vdpaType`";
    assert!(output.contains(expected), "{output}");
    assert!(output.contains("intel.com/one: 1 device,"), "{output}");
}

/// The device type of an extension may be missing; then it waits for it.
#[tokio::test]
async fn an_extension_without_its_device_type() {
    let node = with_extensions(
        r#"{"resourceList": [{"resourceName": "a"}]}"#,
        RegistrationMode::Watcher,
    );
    std::fs::remove_file(node.provider_dir().join("net-device.so")).unwrap();
    let (_, output, _) = node.run(&["check"]).await;
    assert!(
        output.contains("no provider brings a default device type"),
        "{output}"
    );
    node.provide("net-device", &built("sriovdp_net_device"));
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(0), "{output}");
}
