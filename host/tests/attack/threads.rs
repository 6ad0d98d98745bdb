//! A provider that keeps the only thread while the system starts no other one.

use std::time::{Duration, Instant};

use crate::limits::{USER, allow_threads, can_be_limited, give_to_user};
use crate::test_node::{CAPTURED, Daemon, RegistrationMode, TestNode, built};

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "faulty", "deviceType": "faulty"},
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}
]}"#;

fn blocking_threads(daemon: &Daemon) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.id())).unwrap();
    let names = tasks
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.trim() == "blocking").count()
}

#[tokio::test]
async fn allocate_without_a_thread_fails_alone() {
    if !can_be_limited().await {
        return;
    }
    let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    node.environment("FAULTY_PROVIDER", "allocate=hang");
    let kubelet = node.kubelet().await;
    for directory in [node.root(), node.provider_dir()] {
        give_to_user(directory);
    }
    let mut command = node.command(&[]);
    command.uid(USER).gid(USER);
    let mut daemon = node.daemon_of(command);
    for pool in ["intel.com/a", "intel.com/faulty"] {
        let serves = kubelet.wait_for(pool, |view| view.allocatable() > 0);
        serves.await.unwrap();
    }
    let end = Instant::now() + Duration::from_secs(30);
    while blocking_threads(&daemon) > 1 {
        assert!(Instant::now() < end, "idle threads do not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    allow_threads(&daemon, Some(1)).await;
    let devices = kubelet.resource("intel.com/faulty").unwrap().devices;
    let id = devices.first().unwrap().id.as_str();
    let late = kubelet.allocate("intel.com/faulty", &[id]).await;
    assert!(late.is_err(), "it hangs");
    let refused = kubelet.allocate("intel.com/a", &["0000:41:10.0"]).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("cannot start a thread"), "{refused}");
    assert!(daemon.is_running(), "{}", daemon.log());
    allow_threads(&daemon, None).await;
    let allocated = kubelet.allocate("intel.com/a", &["0000:41:10.0"]).await;
    allocated.unwrap();
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    daemon.terminates_cleanly().await;
}
