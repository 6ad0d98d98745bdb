//! The commands that reconcile once and print: `list`, `explain`, `schema`.

mod explained_device;
mod node_write;
mod snapshots;
mod unknown;
mod usage;

use expect_test::expect;
use serde_json::{Value, json};

use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const POOLS: &str = r#"{"resourceList": [
    {"resourceName": "kernel", "selectors": {"drivers": ["igbvf"], "pfNames": ["eth2"]}},
    {"resourceName": "dpdk", "selectors": [{"pfNames": ["eth2#7"]}, {"drivers": ["vfio-pci"]}]},
    {"resourceName": "rest", "selectors": {"vendors": ["8086"]}},
    {"resourceName": "accel", "deviceType": "accelerator"}
]}"#;

#[tokio::test]
async fn explain_traces_a_device() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let mut reported = String::new();
    for device in ["0000:41:10.2", "0000:41:00.0", "41:10.0"] {
        let (code, output, _) = node.run(&["explain", "--device", device]).await;
        assert_eq!(code, Some(0));
        reported.push_str(&output);
    }
    expect![[r#"
        0000:41:10.2 (netDevice)
            intel.com/kernel: `drivers`: it has vfio-pci, not one of igbvf
            intel.com/dpdk: assigned, by `selectors[1]`
            intel.com/rest: matches, but already assigned to `intel.com/dpdk` (earlier in the file)
        0000:41:00.0 (netDevice)
            not offered: it is a physical function with virtual ones
        0000:41:10.0 (netDevice)
            intel.com/kernel: assigned, by `selectors`
            intel.com/dpdk: `selectors[0].pfNames`: it is number 0 of eth2, and the selector has eth2#7
            intel.com/dpdk: `selectors[1].drivers`: it has igbvf, not one of vfio-pci
            intel.com/rest: matches, but already assigned to `intel.com/kernel` (earlier in the file)
    "#]]
    .assert_eq(&reported);
    let (code, _, output) = node.run(&["explain", "--device", "0000:ff:00.0"]).await;
    assert_eq!(code, Some(1));
    assert!(
        output.contains("no provider has discovered a device `0000:ff:00.0`"),
        "{output}"
    );
    let (code, _, output) = node.run(&["explain", "--resource", "intel.com/none"]).await;
    assert_eq!(code, Some(1));
    assert!(
        output.contains("no resource `intel.com/none` is offered"),
        "{output}"
    );
}

#[tokio::test]
async fn explain_traces_a_device_as_json() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let arguments = [
        "explain",
        "-o",
        "json",
        "--device",
        "0000:41:10.0",
        "--resource",
        "intel.com/dpdk",
    ];
    let (_, output, _) = node.run(&arguments).await;
    let explanation: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(
        explanation,
        json!({"apiVersion": "sriovdp/v1", "kind": "Explanation", "items": [{
            "device": "0000:41:10.0",
            "deviceType": "netDevice",
            "excluded": null,
            "attributes": {
                "numaNode": {"int": 0}, "pciAddress": {"string": "0000:41:10.0"}, "pcieRoot": {"string": "pci0000:40"},
            },
            "resources": [{
                "resource": "intel.com/dpdk", "result": "mismatch", "mismatches": [
                    {"selector": "selectors[0]", "key": "pfNames", "path": "selectors[0].pfNames", "reason": "it is number 0 of eth2, and the selector has eth2#7"},
                    {"selector": "selectors[1]", "key": "drivers", "path": "selectors[1].drivers", "reason": "it has igbvf, not one of vfio-pci"}
                ],
                "selector": null, "retainedForPod": false, "unhealthy": null, "assignedTo": null, "inUseAs": null, "divided": null, "unknown": null,
            }]
        }]})
    );
}

#[tokio::test]
async fn the_pools() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let (code, output, _) = node.run(&["list"]).await;
    assert_eq!(code, Some(0));
    let rows = output.lines().map(|line| line.split_whitespace().collect());
    let rows: Vec<Vec<&str>> = rows.collect();
    let dpdk = "intel.com/dpdk 0000:41:10.2 eth2 1 vfio-pci - 0 - healthy".split(' ');
    assert!(rows.contains(&dpdk.collect()), "{output}");
    let (_, output, _) = node.run(&["list", "--output", "json"]).await;
    let pools: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(pools["podsKnown"], false);
    let pools = pools["items"].as_array().unwrap().iter();
    let names: Vec<&Value> = pools.map(|pool| &pool["resource"]).collect();
    let in_the_files_order = [
        "intel.com/kernel",
        "intel.com/dpdk",
        "intel.com/rest",
        "intel.com/accel",
    ];
    assert_eq!(names, in_the_files_order);
}

#[tokio::test]
async fn schema_accepts_what_the_daemon_accepts() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let (code, output, _) = node.run(&["schema"]).await;
    assert_eq!(code, Some(0));
    let schema: Value = serde_json::from_str(&output).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let good: Value = serde_json::from_str(POOLS).unwrap();
    assert!(
        validator.is_valid(&good),
        "{:?}",
        validator
            .iter_errors(&good)
            .map(|e| e.to_string())
            .collect::<Vec<_>>()
    );
    for bad in [
        json!({"resourceList": [{"resourceName": "a", "selectors": {"pfName": ["eth2"]}}]}),
        json!({"resourceList": [{"resourceName": "a", "selectors": {"devices": ["intel"]}}]}),
        json!({"resourceList": [{"resourceName": "a", "deviceType": "gpu"}]}),
        json!({"resourceList": [{"resourceName": "a", "deviceType": "accelerator", "selectors": {"pfNames": []}}]}),
        json!({"resourceLists": []}),
        json!({"resourceList": [{"selectors": {}}]}),
        json!({"resourceList": [{"resourceName": "a-"}]}),
        json!({"resourceList": [{"resourceName": "a", "pfNames": ["eth2"]}]}),
        json!({"resourceList": [{"resourceName": "a", "SELECTORS": {"PFNAMES": "eth2"}}]}),
    ] {
        // One mistake is one message.
        let messages = validator.iter_errors(&bad).map(|error| error.to_string());
        assert_eq!(messages.count(), 1, "{bad}");
    }
    for good in [
        json!({"RESOURCELIST": [{"resourcename": "a", "DeviceType": "accelerator", "Selectors": [{"VENDORS": null}]}]}),
        json!({"resourceList": [{"resourceName": "a", "deviceType": "", "isRdma": false, "x": 1, "selectors": {"IsRdma": false}}]}),
        json!({"resourceList": null}),
    ] {
        let reported = validator.validate(&good);
        assert!(reported.is_ok(), "{good}: {reported:?}");
    }
}

#[tokio::test]
async fn no_schema_without_providers() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    for file in std::fs::read_dir(node.provider_dir()).unwrap().flatten() {
        std::fs::remove_file(file.path()).unwrap();
    }
    let (code, output, error) = node.run(&["schema"]).await;
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(error.starts_with("error: no provider is loaded"), "{error}");
}

#[tokio::test]
async fn a_file_named_on_the_command_line() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    std::fs::write(
        node.root().join("other.json"),
        r#"{"resourceList": [{"resourceName": "-"}]}"#,
    )
    .unwrap();
    let (code, output, _) = node.run(&["check", "/other.json"]).await;
    assert_eq!(code, Some(1));
    assert!(
        output.starts_with("error: /other.json:1:36: `resourceList[0].resourceName`: "),
        "{output}"
    );
}

/// The shell completes a name outside of the root, and the configuration of a node is below it.
#[tokio::test]
async fn a_file_outside_of_the_root() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("mine.json");
    std::fs::write(&file, r#"{"resourceList": [{"resourceName": "a"}]}"#).unwrap();
    let file = file.to_str().unwrap();
    let (code, output, note) = node.run(&["check", file]).await;
    assert_eq!(code, Some(0), "{output}");
    assert!(output.starts_with("intel.com/a: "), "{output}");
    assert!(note.contains("outside") && note.contains(file), "{note}");
    // One below the root comes first.
    let below = format!("{}{file}", node.root().display());
    std::fs::create_dir_all(std::path::Path::new(&below).parent().unwrap()).unwrap();
    std::fs::write(&below, r#"{"resourceList": [{"resourceName": "-"}]}"#).unwrap();
    let (code, _, note) = node.run(&["check", file]).await;
    assert_eq!((code, note.as_str()), (Some(1), ""));
}

/// `sriovdp list | head -n 1` must not end in a panic.
#[tokio::test]
async fn disconnecting_client_changes_nothing() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = node
        .command(&["list"])
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .output()
        .await
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}
