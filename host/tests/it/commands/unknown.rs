//! A state that a provider did not report is unknown: the commands report why, and end with 1.

use serde_json::{Value, json};

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, built};

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "faulty", "deviceType": "faulty"},
    {"resourceName": "good", "selectors": {"pfNames": ["eth2"]}}
]}"#;

/// A node on which the provider of `faulty` has this fault.
fn node(fault: &str) -> TestNode {
    let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    node.environment("FAULTY_PROVIDER", fault);
    node
}

/// Every command reports `faulty` as unknown with the reason, and continues with the rest.
async fn expect_unknown(node: &TestNode, why: &str) {
    let run = async |arguments: &[&str]| {
        let (code, output, errors) = node.run(arguments).await;
        assert_eq!(code, Some(1), "{arguments:?}: {output}{errors}");
        let reports = format!("{output}{errors}");
        assert!(
            reports.contains("error: the provider `faulty.so` failed\nCaused by: "),
            "{reports}"
        );
        assert!(reports.contains(why), "{reports}");
        output
    };
    let checked = run(&["check"]).await;
    assert!(checked.contains("intel.com/faulty: unknown: "), "{checked}");
    assert!(checked.contains("intel.com/good: 4 devices"), "{checked}");
    let listed = run(&["list"]).await;
    assert!(listed.contains("\nintel.com/faulty: unknown: "), "{listed}");
    let listed: Value = serde_json::from_str(&run(&["list", "-o", "json"]).await).unwrap();
    assert_eq!(listed["items"][0]["devices"], json!(null), "{listed}");
    assert!(listed["items"][0]["unknown"].is_string(), "{listed}");
    assert_eq!(
        listed["items"][1]["devices"].as_array().unwrap().len(),
        4,
        "{listed}"
    );
    let explained = run(&["explain", "--resource", "intel.com/faulty"]).await;
    assert!(
        explained.contains("intel.com/faulty: unknown: "),
        "{explained}"
    );
    let explained = run(&["explain", "-o", "json", "--resource", "intel.com/faulty"]).await;
    let explained: Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(
        explained["items"][0]["resources"][0]["result"], "unknown",
        "{explained}"
    );
}

#[tokio::test]
async fn failing_discovery_keeps_the_devices() {
    let node = node("discover=panic");
    expect_unknown(&node, "the provider panicked in `discover`").await;
}

#[tokio::test]
async fn late_discovery_is_applied_when_it_completes() {
    let mut node = node("discover=wait");
    let gate = node.root().join("gate");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &gate, kind, mode, 0).unwrap();
    node.environment("FAULTY_GATE", gate.to_str().unwrap());
    let (code, output, _) = node.run(&["--provider-timeout", "2000", "check"]).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(
        output.contains("error: the provider `faulty.so` failed\nCaused by: ")
            && output.contains("within 2.0 s")
            && output.contains("intel.com/faulty: unknown: ")
            && output.contains("intel.com/good: 4 devices"),
        "{output}"
    );
}

/// Selectors are a question of their own.
#[tokio::test]
async fn failing_selection_keeps_the_pool() {
    let node = node("admit=panic");
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(
        output.contains("intel.com/faulty: unknown: the provider `faulty.so` failed"),
        "{output}"
    );
}

#[tokio::test]
async fn a_bus_that_cannot_be_listed() {
    let node = TestNode::with_config(
        "",
        RegistrationMode::Watcher,
        r#"{"resourceList": [{"resourceName": "a"}]}"#,
    );
    let devices = node.root().join("sys/bus/pci/devices");
    let _ = std::fs::remove_dir(&devices);
    std::fs::create_dir_all(devices.parent().unwrap()).unwrap();
    std::fs::write(devices, "").unwrap();
    for command in ["check", "list", "explain"] {
        let (code, output, errors) = node.run(&[command]).await;
        assert_eq!(code, Some(1), "{command}");
        let reports = format!("{output}{errors}");
        assert!(
            reports.contains("error: cannot read the PCI bus\nCaused by: "),
            "{reports}"
        );
        assert!(output.contains("unknown: "), "{output}");
    }
}

/// The daemon waits with such a resource, and has no pool that could keep anything.
#[tokio::test]
async fn daemon_postpones_a_resource_with_a_failing_provider() {
    let node = node("discover=panic");
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for("intel.com/good", |view| view.allocatable() == 4)
        .await
        .unwrap();
    daemon
        .logs("resource_pending")
        .with("resource", "intel.com/faulty")
        .await;
    assert!(daemon.logs("pool_frozen").now().is_empty());
    assert_eq!(kubelet.resource("intel.com/faulty"), None);
}

#[tokio::test]
async fn a_list_of_pods_that_cannot_be_read() {
    let node = TestNode::with_config(
        CAPTURED,
        RegistrationMode::Register,
        r#"{"resourceList": [{"resourceName": "a"}]}"#,
    );
    let checkpoint = "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";
    std::fs::write(node.root().join(checkpoint), "{").unwrap();
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(
        output.contains("error: cannot read the kubelet's checkpoint"),
        "{output}"
    );
}

/// What `list` and `explain` leave out, they name.
#[tokio::test]
async fn a_refused_resource_is_an_error_of_each_command() {
    let config = r#"{"resourceList": [{"resourceName": "-"}, {"resourceName": "a"}]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    for command in ["check", "list", "explain"] {
        let (code, output, errors) = node.run(&[command]).await;
        assert_eq!(code, Some(1), "{command}: {output}");
        let reports = format!("{output}{errors}");
        assert!(
            reports.contains("error: /etc/pcidp/config.json:1:"),
            "{reports}"
        );
    }
}
