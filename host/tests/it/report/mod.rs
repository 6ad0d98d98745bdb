//! `sriovdp report` and `sriovdp replay`: what is in the archive, what is replaced in it, and what it is elsewhere.

mod browser;
mod hostile;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::metrics::{get, with_metrics};
use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

/// `secret-of-a-vendor` is a value of `additionalInfo`; the last resource is refused, and its error has the host's name.
const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "kernel", "selectors": {"drivers": ["igbvf"], "pfNames": ["eth2"]},
     "additionalInfo": {"*": {"token": "secret-of-a-vendor"}, "0000:41:10.0": {"other": "secret-of-a-vendor"}}},
    {"resourceName": "dpdk", "selectors": {"drivers": ["vfio-pci"]}},
    {"resourceName": "rest", "selectors": {"vendors": ["8086"], "isRdma": false}},
    {"resourceName": "accel", "deviceType": "accelerator"},
    {"resourceName": "broken", "deviceType": "worker-7"}
]}"#;
/// A hardware address of the captured node.
const ADDRESS: &str = "52:54:00:a2:00:01";
const HOST: &str = "
    file /proc/sys/kernel/hostname worker-7.example.com
    file /proc/sys/kernel/osrelease 6.12.0-test
    file @0000:41:00.0/net/eth2/address 52:54:00:a2:00:01
    file @0000:41:00.0/net/eth2/phys_switch_id 525400a20001
    file @0000:81:00.0/net/eth3/address 52:54:00:a2:00:01
";

fn node() -> TestNode {
    let tree = format!("{CAPTURED}{HOST}");
    let node = TestNode::with_config(&tree, RegistrationMode::Watcher, CONFIG);
    node.provide_extensions();
    node
}

/// Writes the report of a node; its path and its files.
async fn report(node: &TestNode) -> (PathBuf, BTreeMap<String, String>) {
    let path = node.root().join("report.tar.gz");
    let (code, output, error) = node.run(&["report", &path.to_string_lossy()]).await;
    assert_eq!((code, error.as_str()), (Some(0), ""), "{output}");
    assert!(output.starts_with("wrote "), "{output}");
    assert!(
        output.contains("read the files before you send them"),
        "{output}"
    );
    let files = files(&std::fs::read(&path).unwrap());
    (path, files)
}

fn files(archive: &[u8]) -> BTreeMap<String, String> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().to_string_lossy().into_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let name = name.strip_prefix("sriovdp-report/").expect("one directory");
        (name.to_owned(), text)
    });
    entries.collect()
}

/// Replays on another node, whose files do not count; its providers do.
async fn replay(report: &Path, command: &[&str]) -> (Option<i32>, String, String) {
    let other = TestNode::new("", RegistrationMode::Register);
    other.provide_extensions();
    let report = report.to_string_lossy();
    let arguments = ["replay", &report]
        .into_iter()
        .chain(command.iter().copied());
    other.run(&arguments.collect::<Vec<_>>()).await
}

#[tokio::test]
async fn commands_print_elsewhere_what_they_print_on_the_node() {
    let node = node();
    // A pod has a device that no selector matches any more.
    let kubelet = node.root().join("var/lib/kubelet/device-plugins");
    std::fs::create_dir_all(&kubelet).unwrap();
    let entry = json!({"PodUID": "x", "ContainerName": "c", "ResourceName": "intel.com/kernel", "DeviceIDs": {"0": ["0000:41:10.4"]}});
    let checkpoint = json!({"Data": {"PodDeviceEntries": [entry]}, "Checksum": 1});
    std::fs::write(
        kubelet.join("kubelet_internal_checkpoint"),
        checkpoint.to_string(),
    )
    .unwrap();

    let (path, files) = report(&node).await;
    assert!(files["config.json"].contains("value-1"));
    for command in [
        &["check"][..],
        &["list"],
        &["list", "-o", "json"],
        &["explain"],
        &["explain", "0000:41:10.2", "-o", "json"],
        &["explain", "--resource", "intel.com/dpdk"],
        &["explain", "eth9"],
    ] {
        let there = replay(&path, command).await;
        let here = node.run(command).await;
        let here = [here.1, here.2].map(|text| text.replace("worker-7", "host-1"));
        assert_eq!([there.1, there.2], here, "{command:?}");
        assert!(there.0.is_some_and(|code| code < 2));
    }
    let here = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        here.path(),
        r#"{"resourceList": [{"resourceName": "here"}]}"#,
    )
    .unwrap();
    let (code, output, error) = replay(
        &path,
        &["list", "--config-file", &here.path().to_string_lossy()],
    )
    .await;
    assert_eq!(code, Some(0), "{error}");
    assert!(
        output.contains("intel.com/here") && !output.contains("intel.com/dpdk"),
        "{output}"
    );
    for option in ["--root", "--kubelet-dir"] {
        let (code, _, error) = replay(&path, &["list", option, "/x"]).await;
        assert_eq!(code, Some(1), "{option}");
        assert!(
            error.contains("neither `--root` nor `--kubelet-dir`"),
            "{error}"
        );
    }

    let (_, migration, _) = replay(&path, &["check", "--migrate"]).await;
    assert!(!migration.contains("-not-needed]"), "{migration}");
    assert!(!migration.contains("sriovdp-replay-"), "{migration}");

    let default = replay(&path, &[]).await;
    assert_eq!(default, replay(&path, &["check"]).await);
    let list: Value = serde_json::from_str(&files["list.json"]).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    assert!(
        files["explain.txt"].contains("in use by a pod; no selector matches it any more"),
        "{}",
        files["explain.txt"]
    );
}

#[tokio::test]
async fn what_identifies_a_user_is_replaced_by_equal_placeholders() {
    let node = node();
    let (_, files) = report(&node).await;
    for (name, text) in &files {
        for secret in ["secret-of-a-vendor", ADDRESS, "525400a20001", "worker-7"] {
            assert!(!text.contains(secret), "`{name}` has {secret}");
        }
    }
    let tree = &files["node.tree"];
    let placeholder = tree
        .lines()
        .find_map(|line| line.strip_prefix("  phys_switch_id = "))
        .unwrap();
    let address: Vec<&str> = placeholder
        .as_bytes()
        .chunks(2)
        .map(|two| std::str::from_utf8(two).unwrap())
        .collect();
    let address = format!("  address = {}\n", address.join(":"));
    assert_eq!(tree.matches(&address).count(), 2, "{address}");
    assert!(
        files["check.txt"].contains("brings the device type `host-1`"),
        "{}",
        files["check.txt"]
    );
    let manifest: Value = serde_json::from_str(&files["report.json"]).unwrap();
    assert_eq!(manifest["format"], 1);
    assert_eq!(manifest["kernel"], "6.12.0-test");
    assert!(
        manifest["daemon"]
            .as_str()
            .unwrap()
            .contains("does not answer"),
        "{manifest}"
    );
    assert!(!files.contains_key("status.json"));
    let replaced: Vec<&str> = manifest["replaced"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(replaced.contains(&"1 value"), "{replaced:?}");
    let providers = manifest["providers"].as_array().unwrap();
    assert_eq!(providers.len(), 5);
    assert!(
        providers
            .iter()
            .all(|provider| provider["sha256"].as_str().unwrap().len() == 64)
    );
}

#[tokio::test]
async fn a_running_daemon_adds_its_state_and_pods_get_placeholders() {
    let node = node();
    let kubelet = node.kubelet().await;
    let (daemon, address) = with_metrics(&node, &["--metrics-pod-devices"]);
    kubelet
        .wait_for("intel.com/dpdk", |view| view.allocatable() == 1)
        .await
        .unwrap();
    kubelet
        .run_pod_with("shop-of-a-user", "intel.com/dpdk", &["0000:41:10.2"])
        .await
        .unwrap();
    daemon.logs("allocated").await;
    let page = get(&address, "/metrics").await;
    assert!(page.contains("pod=\"shop-of-a-user\""), "{page}");
    let (_, files) = report(&node).await;
    let manifest: Value = serde_json::from_str(&files["report.json"]).unwrap();
    assert_eq!(manifest["daemon"], Value::Null);
    let status: Value = serde_json::from_str(&files["status.json"]).unwrap();
    assert_eq!(status["containers"][0]["pod"], "pod-1");
    assert_eq!(status["containers"][0]["devices"][0], "0000:41:10.2");
    let page = &files["report.html"];
    assert!(
        page.contains("in namespace-1/pod-1, container-1, as intel.com/dpdk"),
        "{page}"
    );
    assert!(
        files["events.jsonl"]
            .lines()
            .any(|line| line.contains("\"allocated\""))
    );
    assert!(
        files["metrics.txt"]
            .contains("sriov_device_plugin_allocated_devices{resource=\"intel.com/dpdk\"} 1")
    );
    for (name, text) in &files {
        assert!(!text.contains("shop-of-a-user"), "`{name}` names the pod");
        assert!(!text.contains("sriov_kubepoddevice{"), "`{name}`");
    }
}

#[tokio::test]
async fn a_rejected_configuration_is_reported_and_redacted_too() {
    let node = node();
    node.configure(&CONFIG.replace(
        "\"deviceType\": \"worker-7\"",
        "\"deviceType\" \"worker-7\"",
    ));
    let (path, files) = report(&node).await;
    assert!(
        !files["config.json"].contains("secret"),
        "{}",
        files["config.json"]
    );
    let (code, output, _) = replay(&path, &["check"]).await;
    assert_eq!(code, Some(1));
    // Placeholders have other lengths.
    let without_column = |text: &str| {
        let mut parts: Vec<String> = text.split(':').map(str::to_owned).collect();
        parts.remove(3).parse::<usize>().unwrap();
        parts
    };
    assert_eq!(
        without_column(&output.replace("worker-7", "host-1")),
        without_column(&files["check.txt"])
    );
    assert!(
        files["check.txt"].starts_with("error: "),
        "{}",
        files["check.txt"]
    );
}

#[tokio::test]
async fn standard_output_has_the_archive_and_a_file_is_never_replaced() {
    let node = node();
    let output = node.command(&["report", "-"]).output();
    let output = tokio::time::timeout(Duration::from_secs(60), output)
        .await
        .unwrap()
        .unwrap();
    assert!(output.status.success());
    assert!(files(&output.stdout).contains_key("report.html"));
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(
        notes.contains("read the files before you send them"),
        "{notes}"
    );

    let taken = node.root().join("taken");
    std::fs::write(&taken, "mine").unwrap();
    let nowhere = node.root().join("no/such/directory");
    for path in [&taken, &nowhere] {
        let (code, _, error) = node.run(&["report", &path.to_string_lossy()]).await;
        assert_eq!(code, Some(1));
        assert!(
            error.starts_with(&format!(
                "error: cannot create `{}`\nCaused by: ",
                path.display()
            )),
            "{error}"
        );
        assert!(error.contains("\nhint: "), "{error}");
    }
    assert_eq!(std::fs::read_to_string(taken).unwrap(), "mine");
}

#[tokio::test]
async fn names_of_devices_and_reasons_on_the_page_are_redacted() {
    let tree = "
        file /proc/sys/kernel/hostname worker-7
        pf 0000:c1:00.0 8086:10c9 driver=igb net=enx525400a20001
        pci 0000:c2:00.0 15b3:101e driver=mlx5_core net=net0 ib=rocex5cba2c0300aca0c4
        file @0000:c2:00.0/infiniband/rocex5cba2c0300aca0c4/node_guid 5cba:2c03:00ac:a0c4
    ";
    let config = r#"{"resourceList": [
        {"resourceName": "nets", "selectors": {"vendors": ["8086"]}},
        {"resourceName": "rdma", "selectors": {"isRdma": true}},
        {"resourceName": "raw", "deviceType": "raw"}
    ]}"#;
    let node = TestNode::with_config(tree, RegistrationMode::Watcher, config);
    node.provide_extensions();
    node.provide_scripted("worker-7", &[("discover", json!("no list"))]);
    let (_, checked, _) = node.run(&["check"]).await;
    let unknown = checked
        .lines()
        .find(|line| line.contains("raw: unknown: "))
        .unwrap_or_else(|| panic!("{checked}"));
    assert!(unknown.contains("worker-7"), "{unknown}");
    let (path, files) = report(&node).await;
    for (name, text) in &files {
        for secret in ["525400a20001", "5cba2c0300aca0c4", "5cba:2c03", "worker-7"] {
            assert!(!text.contains(secret), "`{name}` has {secret}");
        }
    }
    let page = &files["report.html"];
    assert!(page.contains("0000:c1:00.0 enx02000000000"), "{page}");
    assert!(
        page.contains("unknown: no discovery of the provider `host-1.so`"),
        "{page}"
    );
    let (_, output, _) = replay(&path, &["check"]).await;
    assert!(output.contains("intel.com/rdma: 1 device"), "{output}");
}
