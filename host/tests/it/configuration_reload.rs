//! The configuration changes while the daemon runs: what it is about follows, and nothing else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use sriovdp_fake_kubelet::FakeKubelet;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, both_modes};

both_modes!(
    a_mounted_configuration_is_replaced_by_a_link,
    removed_or_renamed_resource_leaves_no_socket,
);

const NEAR: &str = r#"{"resourceName": "near", "selectors": {"pfNames": ["eth2"]}}"#;

fn config(resources: &[&str]) -> String {
    format!(r#"{{"resourceList": [{}]}}"#, resources.join(","))
}

async fn has(kubelet: &FakeKubelet, resource: &str, devices: usize) {
    kubelet
        .wait_for(&format!("intel.com/{resource}"), |view| {
            view.connected && view.allocatable() == devices
        })
        .await
        .unwrap();
}

/// Waits until the kubelet has lost a resource, and its socket is gone.
async fn is_withdrawn(kubelet: &FakeKubelet, resource: &str, socket: &Path) {
    let gone = kubelet.wait_for(resource, |view| !view.connected);
    gone.await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let removed = async {
        while socket.exists() {
            ticks.tick().await;
        }
    };
    let removed = tokio::time::timeout(Duration::from_secs(30), removed).await;
    removed.expect("a removed socket");
}

/// As the kubelet mounts a ConfigMap: the file is a link through `..data`, which leads to another directory each time.
async fn a_mounted_configuration_is_replaced_by_a_link(mode: RegistrationMode) {
    let node = TestNode::new(CAPTURED, mode);
    let volume = node.root().join("etc/pcidp");
    let mount = |version: &str, resources: &[&str]| {
        fs::create_dir_all(volume.join(version)).unwrap();
        fs::write(volume.join(version).join("config.json"), config(resources)).unwrap();
        symlink(version, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    };
    let far = r#"{"resourceName": "far", "selectors": {"pfNames": ["eth3"]}}"#;
    mount("..2026_01", &[NEAR, far]);
    symlink("..data/config.json", volume.join("config.json")).unwrap();
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    has(&kubelet, "near", 4).await;
    has(&kubelet, "far", 2).await;

    // No signal triggers a reconcile.
    let first = r#"{"resourceName": "far", "selectors": {"pfNames": ["eth3#0"]}}"#;
    mount("..2026_02", &[NEAR, first]);
    fs::remove_dir_all(volume.join("..2026_01")).unwrap();
    has(&kubelet, "far", 1).await;
    let far = kubelet.resource("intel.com/far").unwrap();
    assert_eq!((far.messages, far.registrations), (2, 1), "one more list");
    let near = kubelet.resource("intel.com/near").unwrap();
    let lists = (near.messages, near.registrations);
    assert_eq!(lists, (1, 1), "what has not changed is left alone");
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn removed_or_renamed_resource_leaves_no_socket(mode: RegistrationMode) {
    let far =
        |name| format!(r#"{{"resourceName": "{name}", "selectors": {{"pfNames": ["eth3"]}}}}"#);
    let node = TestNode::with_config(CAPTURED, mode, &config(&[NEAR, &far("old")]));
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    has(&kubelet, "near", 4).await;
    has(&kubelet, "old", 2).await;
    let old = kubelet.resource("intel.com/old").unwrap().socket;
    assert!(old.exists());
    node.configure(&config(&[NEAR, &far("new")]));
    has(&kubelet, "new", 2).await;
    is_withdrawn(&kubelet, "intel.com/old", &old).await;
    let new = kubelet.resource("intel.com/new").unwrap().socket;
    node.configure(&config(&[NEAR]));
    is_withdrawn(&kubelet, "intel.com/new", &new).await;
    let near = kubelet.resource("intel.com/near").unwrap();
    assert_eq!((near.messages, near.registrations), (1, 1));
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn invalid_configuration_is_logged_once_with_its_position() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, &config(&[NEAR]));
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    has(&kubelet, "near", 4).await;
    let reconcile = async |is_there: bool| {
        node.change(match is_there {
            true => "vf 0000:41:11.0 8086:10ca pf=0000:41:00.0 id=4 driver=igbvf",
            false => "unplug 0000:41:11.0",
        });
        daemon.signal(Signal::HUP);
        has(&kubelet, "near", 4 + usize::from(is_there)).await;
    };
    let mistakes = [
        (
            "{\n  \"resourceList\": [}\n",
            "/etc/pcidp/config.json:2:20: ",
        ),
        ("{\"resourceList\": 7}", "/etc/pcidp/config.json:1:18: "),
    ];
    for round in 1..=2 {
        for (mistake, place) in mistakes {
            node.configure(mistake);
            let rejected = daemon.logs("config_rejected").containing("error", place);
            rejected.times(round).await;
            // What was valid before goes on, and follows the node.
            for is_there in [true, false, true, false] {
                reconcile(is_there).await;
            }
            let rejected = daemon.logs("config_rejected").containing("error", place);
            assert_eq!(rejected.now().len(), round, "{}", daemon.log());
        }
        // Once it was valid, the same mistake is a new one.
        node.configure(&config(&[NEAR]));
        reconcile(true).await;
        reconcile(false).await;
    }
    assert_eq!(kubelet.resource("intel.com/near").unwrap().registrations, 1);
}
