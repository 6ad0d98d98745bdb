//! Providers that no resource needs are available, and loaded when the configuration needs them.

use rustix::process::Signal;

use crate::test_node::{CAPTURED, Daemon, RegistrationMode, TestNode};

const ONE: &str = r#"{"resourceList": [
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}
]}"#;
const BOTH: &str = r#"{"resourceList": [
    {"resourceName": "accel", "deviceType": "accelerator"},
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}
]}"#;
const EXTENDED: &str = r#"{"resourceList": [
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"], "ISRDMA": false}}
]}"#;
const FILE: &str = "accelerator.so";

/// Whether the copy of a provider file is in the memory of the daemon.
fn is_mapped(daemon: &Daemon, file: &str) -> bool {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", daemon.id())).unwrap();
    maps.contains(&format!("memfd:{file}"))
}

#[tokio::test]
async fn provider_is_loaded_when_a_resource_needs_it() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, ONE);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    let available = daemon.logs("provider_available").with("provider", FILE);
    available.await;
    assert!(!is_mapped(&daemon, FILE), "{}", daemon.log());
    assert!(is_mapped(&daemon, "net-device.so"), "{}", daemon.log());

    node.configure(BOTH);
    kubelet
        .wait_for("intel.com/accel", |view| view.allocatable() == 1)
        .await
        .unwrap();
    daemon.logs("provider_loaded").with("provider", FILE).await;
    kubelet
        .allocate("intel.com/accel", &["0000:02:10.0"])
        .await
        .unwrap();
    let others = daemon.logs("provider_replaced").now();
    assert!(others.is_empty(), "{}", daemon.log());
    // It stays loaded.
    node.configure(ONE);
    daemon.logs("pool_withdrawn").await;
    assert!(is_mapped(&daemon, FILE), "{}", daemon.log());
    daemon.terminates_cleanly().await;
}

/// Also for a key that selects nothing, because its provider checks it.
#[tokio::test]
async fn extension_is_loaded_when_a_resource_has_one_of_its_keys() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, ONE);
    node.provide_extensions();
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    for file in ["intel-ddp.so", "mellanox-rdma.so"] {
        daemon
            .logs("provider_available")
            .with("provider", file)
            .await;
    }
    node.configure(EXTENDED);
    daemon
        .logs("provider_loaded")
        .with("provider", "mellanox-rdma.so")
        .await;
    assert!(!is_mapped(&daemon, "intel-ddp.so"), "{}", daemon.log());
    daemon.terminates_cleanly().await;
}

/// An available provider is nothing but its file: without it, or with a bad one in its place, its device type is unknown,
/// and a file that was in conflict with it counts.
#[tokio::test]
async fn available_provider_ends_with_its_file() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, ONE);
    let bytes = std::fs::read(node.provider_dir().join(FILE)).unwrap();
    node.provide_bytes("second.so", &bytes);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    daemon
        .logs("provider_refused")
        .containing("path", "second.so")
        .containing("error", "the device type `accelerator`")
        .await;
    node.provide_bytes(FILE, b"no library");
    daemon
        .logs("provider_refused")
        .containing("path", FILE)
        .await;
    daemon
        .logs("provider_available")
        .with("provider", "second.so")
        .await;
    std::fs::remove_file(node.provider_dir().join("second.so")).unwrap();
    daemon.signal(Signal::HUP);
    node.configure(BOTH);
    daemon
        .logs("resource_refused")
        .containing("error", "no provider brings the device type")
        .await;
    node.provide_bytes(FILE, &bytes);
    kubelet
        .wait_for("intel.com/accel", |view| view.allocatable() == 1)
        .await
        .unwrap();
    daemon.terminates_cleanly().await;
}
