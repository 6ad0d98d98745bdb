//! Providers of a vendor beside the built-in ones, in a directory of their own.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, built};

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}},
    {"resourceName": "accel", "deviceType": "accelerator"}
]}"#;

/// A node whose own provider directory has `netDevice` only, and the directory of a vendor.
fn node() -> (TestNode, tempfile::TempDir) {
    let node = TestNode::without_providers(CAPTURED, RegistrationMode::Watcher);
    node.provide("net-device", &built("sriovdp_net_device"));
    node.configure(CONFIG);
    (node, tempfile::tempdir().unwrap())
}

fn install(library: &str, directory: &Path, file: &str) {
    // A rename, so that no half of it is found.
    let unfinished = directory.join("unfinished");
    std::fs::copy(built(library), &unfinished).unwrap();
    std::fs::set_permissions(&unfinished, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::rename(unfinished, directory.join(file)).unwrap();
}

#[tokio::test]
async fn a_file_in_the_second_directory_becomes_a_resource() {
    let (node, vendor) = node();
    let kubelet = node.kubelet().await;
    let directory = vendor.path().to_str().unwrap();
    let daemon = node.daemon_with(&["--provider-dir", directory, "--rescan-interval", "3600"]);
    let served = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 4);
    assert!(served.await.is_ok(), "{}", daemon.log());
    assert!(kubelet.resource("intel.com/accel").is_none());
    install("sriovdp_accelerator", vendor.path(), "accelerator.so");
    let served = kubelet.wait_for("intel.com/accel", |view| view.allocatable() == 1);
    assert!(served.await.is_ok(), "{}", daemon.log());
}

#[tokio::test]
async fn the_file_of_the_earlier_directory_is_loaded() {
    let (node, vendor) = node();
    install("sriovdp_accelerator", vendor.path(), "net-device.so");
    let arguments = [
        "--provider-dir",
        vendor.path().to_str().unwrap(),
        "providers",
    ];
    let (code, output, _) = node.run(&arguments).await;
    assert_eq!(code, Some(1));
    assert!(
        output.contains("net-device.so: device type netDevice "),
        "{output}"
    );
    let refused =
        "conflict: `PROVIDERS/net-device.so` already provides a provider file of this name";
    assert!(output.contains(refused), "{output}");
}

/// A directory that others may write to costs its own providers only.
#[tokio::test]
async fn an_untrusted_directory_leaves_the_others_loaded() {
    let (node, vendor) = node();
    install("sriovdp_accelerator", vendor.path(), "accelerator.so");
    std::fs::set_permissions(vendor.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let arguments = [
        "--provider-dir",
        vendor.path().to_str().unwrap(),
        "providers",
    ];
    let (code, output, error) = node.run(&arguments).await;
    assert_eq!(code, Some(1));
    assert!(
        output.contains("net-device.so: device type netDevice "),
        "{output}"
    );
    assert!(!output.contains("accelerator"), "{output}");
    assert!(error.contains("error: "), "{error}");
}
