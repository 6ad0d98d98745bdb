//! The running daemon as its observers see it: probes, `status`, `events`, `metrics`, and metrics over HTTP.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::metrics::{get, with_metrics};
use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

/// The last two are refused: a device type that no provider has, and an entry without a name.
const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "b", "selectors": {"drivers": ["vfio-pci"]}},
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}},
    {"resourceName": "c", "deviceType": "toaster"},
    {"deviceType": 1}
]}"#;

/// The kubelet's probe runs every few seconds; a test as often as it can, until it is as expected.
async fn probe(node: &TestNode, check: &str, code: i32, output: &str) {
    let end = if output.is_empty() { "" } else { "\n" };
    let expected = (Some(code), format!("{output}{end}"));
    let mut last = (None, String::new());
    let probed = tokio::time::timeout(Duration::from_secs(30), async {
        while last != expected {
            let (code, output, _) = node.run(&["health", check]).await;
            last = (code, output);
        }
    });
    assert!(probed.await.is_ok(), "{check}: {last:?}");
}

/// Queries the status until the first resource has the reason, with the options of the daemon.
async fn unregistered(node: &TestNode, options: &[&str], reason: &str) {
    let command = [&["status"], options].concat();
    let mut last = String::new();
    let queried = tokio::time::timeout(Duration::from_secs(30), async {
        while !last.contains(&format!("not registered: {reason}")) {
            last = node.run(&command).await.1;
        }
    });
    assert!(queried.await.is_ok(), "{reason}: {last}");
}

async fn json(node: &TestNode, command: &str) -> Value {
    let (code, output, error) = node.run(&[command, "-o", "json"]).await;
    assert_eq!(code, Some(0), "{error}");
    serde_json::from_str(&output).unwrap()
}

#[tokio::test]
async fn probes_follow_the_registration() {
    for mode in [RegistrationMode::Watcher, RegistrationMode::Register] {
        let node = TestNode::with_config(CAPTURED, mode, CONFIG);
        let (code, output, error) = node.run(&["health", "liveness"]).await;
        assert_eq!((code, output.as_str()), (Some(2), ""));
        assert!(error.contains("/tmp/sriovdp.sock`\nCaused by: "), "{error}");
        let mut daemon = node.daemon();
        probe(&node, "liveness", 0, "OK: daemon is alive").await;
        let missing =
            "NOT READY: not registered: intel.com/a, intel.com/b (0/2 resources, 2 refused)";
        probe(&node, "registered", 1, missing).await;
        probe(&node, "readiness", 0, "OK: ready (4/4 devices healthy)").await;
        unregistered(&node, &[], "waiting for the kubelet's ").await;
        let kubelet = node.kubelet().await;
        probe(
            &node,
            "registered",
            0,
            "OK: registered (2/2 resources, 2 refused)",
        )
        .await;
        kubelet.stop().await;
        probe(&node, "registered", 1, missing).await;
        node.configure(r#"{"resourceList": []}"#);
        probe(&node, "registered", 0, "OK: registered (0/0 resources)").await;
        node.configure(r#"{"resourceList": [{"resourceName": "c", "deviceType": "toaster"}]}"#);
        let refused = "NOT READY: every resource is refused (0/0 resources, 1 refused)";
        probe(&node, "registered", 1, refused).await;
        let none = "NOT READY: no healthy devices (0/0)";
        probe(&node, "readiness", 1, none).await;
        daemon.signal(Signal::STOP);
        probe(&node, "liveness", 2, "").await;
        daemon.signal(Signal::CONT);
        daemon.terminates_cleanly().await;
        assert!(!node.root().join("tmp/sriovdp.sock").exists());
    }
}

#[tokio::test]
async fn a_second_daemon_leaves_the_socket_to_the_first() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let first = node.daemon();
    probe(
        &node,
        "registered",
        0,
        "OK: registered (2/2 resources, 2 refused)",
    )
    .await;
    let second = node.daemon();
    second
        .logs("local_socket_failed")
        .containing("error", "another daemon serves `")
        .containing("error", "--healthcheck-socket-dir")
        .await;
    second.logs("peer_wait").times(2).await;
    kubelet
        .allocate("intel.com/b", &["0000:41:10.2"])
        .await
        .unwrap();
    drop(second);
    let options = ["--healthcheck-socket-dir", "/run/other"];
    std::fs::create_dir_all(node.root().join("run/other")).unwrap();
    let second = node.daemon_with(&options);
    let peer = "another instance of the plugin serves `";
    unregistered(&node, &options, peer).await;
    drop(second);
    probe(
        &node,
        "registered",
        0,
        "OK: registered (2/2 resources, 2 refused)",
    )
    .await;
    drop(first);
}

/// What stands in the place of the socket stays, and the daemon serves pods without it.
#[tokio::test]
async fn an_occupied_socket_directory_leaves_the_pools_served() {
    for (occupied, sentence) in [
        ("tmp/sriovdp.sock", "sriovdp.sock` is not a socket"),
        ("tmp", "cannot listen on `"),
    ] {
        let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
        let path = node.root().join(occupied);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if path.is_dir() {
            std::fs::remove_dir(&path).unwrap();
        }
        std::fs::write(&path, "a file").unwrap();
        let kubelet = node.kubelet().await;
        let mut daemon = node.daemon();
        daemon
            .logs("local_socket_failed")
            .containing("error", sentence)
            .containing("error", "pools are served without the socket")
            .await;
        for resource in ["intel.com/a", "intel.com/b"] {
            let served = kubelet.wait_for(resource, |view| view.allocatable() > 0);
            assert!(served.await.is_ok(), "{}", daemon.log());
        }
        kubelet
            .allocate("intel.com/b", &["0000:41:10.2"])
            .await
            .unwrap();
        daemon.terminates_cleanly().await;
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
    }
}

#[tokio::test]
async fn status_and_events_say_what_the_daemon_does() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    probe(
        &node,
        "registered",
        0,
        "OK: registered (2/2 resources, 2 refused)",
    )
    .await;
    let status = json(&node, "status").await;
    assert_eq!(status["apiVersion"], "sriovdp/v1");
    assert_eq!(status["registrationMode"], "plugin watcher");
    assert_eq!(
        status["refusedResources"],
        serde_json::json!(["intel.com/c", "resourceList[3]"])
    );
    assert_eq!(status["providers"].as_array().unwrap().len(), 3);
    assert!(status["configuration"]["rejected"].is_null());
    let resource = &status["resources"][0];
    assert_eq!(resource["resource"], "intel.com/a");
    assert_eq!(resource["isRegistered"], true);
    assert_eq!(resource["registrations"], 1);
    assert_eq!(resource["devices"], 3);

    node.configure("{");
    let rejected = tokio::time::timeout(Duration::from_secs(30), async {
        while !node
            .run(&["status"])
            .await
            .1
            .contains("\n    rejected for ")
        {}
    });
    assert!(rejected.await.is_ok(), "{}", daemon.log());
    let status = json(&node, "status").await;
    assert!(status["configuration"]["rejected"]["error"].is_string());
    assert_eq!(status["resources"][0]["devices"], 3);

    let pod = kubelet.run_pod_with("web", "intel.com/b", &["0000:41:10.2"]);
    pod.await.unwrap();
    let status = json(&node, "status").await;
    let container = &status["containers"][0];
    assert_eq!(container["pod"], "web");
    assert_eq!(container["resource"], "intel.com/b");
    assert_eq!(container["devices"], serde_json::json!(["0000:41:10.2"]));
    let events = json(&node, "events").await;
    let events = events["items"].as_array().unwrap();
    let has = |event: &str, resource: &str| {
        events
            .iter()
            .any(|e| e["event"] == event && e["resource"] == resource)
    };
    assert!(has("registered", "intel.com/a") && has("registered", "intel.com/b"));
    assert!(has("allocated", "intel.com/b"), "{events:?}");
    for event in ["config_applied", "config_rejected", "provider_loaded"] {
        assert!(events.iter().any(|e| e["event"] == event), "{event}");
    }
    let (_, none, _) = node.run(&["events", "--since", "0s"]).await;
    assert_eq!(none, "");
    let (code, _, error) = node.run(&["events", "--since", "yesterday"]).await;
    assert_eq!(code, Some(2), "{error}");
}

#[tokio::test]
async fn metrics_are_served_and_printed() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let (daemon, address) = with_metrics(&node, &[]);
    probe(
        &node,
        "registered",
        0,
        "OK: registered (2/2 resources, 2 refused)",
    )
    .await;
    let pod = kubelet.run_pod_with("web", "intel.com/b", &["0000:41:10.2"]);
    pod.await.unwrap();
    kubelet
        .allocate("intel.com/b", &["unknown"])
        .await
        .unwrap_err();
    daemon.logs("allocate_refused").await;
    let answer = get(&address, "/metrics").await;
    for line in [
        r#"sriov_device_plugin_total_devices{resource="intel.com/a"} 3"#,
        r#"sriov_device_plugin_unhealthy_devices{resource="intel.com/a"} 0"#,
        r#"sriov_device_plugin_allocated_devices{resource="intel.com/b"} 1"#,
        r#"sriov_device_plugin_allocated_devices{resource="intel.com/a"} 0"#,
        r#"sriovdp_resource_registered{resource="intel.com/b"} 1"#,
        r#"sriovdp_resource_refused{resource="intel.com/c"} 1"#,
        r#"sriovdp_resource_refused{resource="resourceList[3]"} 1"#,
        r#"sriovdp_registrations_total{resource="intel.com/a"} 1"#,
        r#"sriovdp_allocations_total{resource="intel.com/b",result="ok"} 1"#,
        r#"sriovdp_allocations_total{resource="intel.com/b",result="error"} 1"#,
        "sriovdp_allocation_duration_seconds_count 2",
        "sriovdp_config_last_reload_successful 1",
    ] {
        assert!(answer.lines().any(|l| l == line), "{line}\n{answer}");
    }
    let calls =
        r#"sriovdp_provider_calls_total{provider="net-device.so",method="discover",result="ok"} "#;
    assert!(answer.contains(calls), "{answer}");
    assert!(get(&address, "/healthz").await.starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 200"));
    let (code, page, _) = node.run(&["metrics"]).await;
    assert_eq!(code, Some(0));
    let names = |page: &str| -> Vec<String> {
        let types = page.lines().filter(|line| line.starts_with("# TYPE "));
        types.map(str::to_owned).collect()
    };
    assert_eq!(names(&page), names(&answer));
}

/// Per-device series exist for unhealthy devices only.
#[tokio::test]
async fn an_unhealthy_device_has_a_series_with_its_kind() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let (daemon, address) = with_metrics(&node, &[]);
    probe(&node, "readiness", 0, "OK: ready (4/4 devices healthy)").await;
    assert!(
        !get(&address, "/metrics")
            .await
            .contains("\nsriovdp_device_unhealthy{")
    );
    node.change("file @0000:41:00.0/net/eth2/carrier 0");
    daemon.signal(Signal::HUP);
    daemon.logs("device_unhealthy").await;
    let series =
        r#"sriovdp_device_unhealthy{resource="intel.com/a",device="0000:41:10.0",kind="link"} 1"#;
    let scraped = tokio::time::timeout(Duration::from_secs(30), async {
        while !get(&address, "/metrics").await.contains(series) {}
    });
    assert!(scraped.await.is_ok(), "{}", get(&address, "/metrics").await);
}

#[tokio::test]
async fn an_address_in_use_leaves_the_pools_served() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let kubelet = node.kubelet().await;
    let daemon = node.daemon_with(&["--metrics-listen", &address]);
    daemon.logs("metrics_unavailable").await;
    let served = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 3);
    assert!(served.await.is_ok(), "{}", daemon.log());
}
