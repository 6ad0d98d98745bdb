//! Faults that show only in calls of the running daemon: that call fails, that pool reports it, everything else continues.

use std::time::Duration;

use rustix::process::Signal;
use sriovdp_fake_kubelet::FakeKubelet;

use super::gate::{reached, with_gate};
use crate::test_node::{CAPTURED, Daemon, RegistrationMode, TestNode, built, children_of};

/// A pool of each bad provider beside a good one.
pub(super) const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "faulty", "deviceType": "faulty"},
    {"resourceName": "raw", "deviceType": "raw"},
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}
]}"#;

/// A node, its kubelet and a daemon with a provider that has the fault `what` in the variable `variable`.
pub(super) async fn start(variable: &str, what: &str) -> (TestNode, FakeKubelet, Daemon) {
    let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    match variable {
        "RAW_PROVIDER" => node.provide("raw", &built("sriovdp_raw_provider")),
        _ => node.provide("faulty", &built("sriovdp_faulty_provider")),
    }
    node.environment(variable, what);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    (node, kubelet, daemon)
}

/// The others are offered, their devices can be had, and the daemon ends as it should.
pub(super) async fn other_pools_are_unaffected(kubelet: &FakeKubelet, mut daemon: Daemon) {
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    kubelet
        .allocate("intel.com/a", &["0000:41:10.0"])
        .await
        .unwrap();
    assert_eq!(kubelet.violations(), [""; 0]);
    daemon.terminates_cleanly().await;
}

#[tokio::test]
async fn failed_rescan_is_reported() {
    for (variable, fault, reason_part) in [
        (
            "FAULTY_PROVIDER",
            "discover=100000",
            "the provider found 100000 devices, and at most 65536 can be offered",
        ),
        (
            "FAULTY_PROVIDER",
            "discover=20000x200",
            "the provider found 20000 devices with ids so long that their list has up to",
        ),
        (
            "FAULTY_PROVIDER",
            "discover=bomb",
            "the panic has no message",
        ),
        (
            "FAULTY_PROVIDER",
            "discover=1500,admit=thousandth",
            "a fault in one of a thousand",
        ),
        (
            "RAW_PROVIDER",
            r#"discover={"devices": [{"id": "0000:02:10.0"}, {"id": "0000:02:10.0"}]}"#,
            "the provider found the device `0000:02:10.0` twice",
        ),
        (
            "RAW_PROVIDER",
            r#"discover={"devices": [{"id": "a/b"}]}"#,
            "`a/b` cannot be a device id",
        ),
        (
            "RAW_PROVIDER",
            r#"discover={"devices": [{"id": ""}]}"#,
            "`` cannot be a device id",
        ),
        (
            "RAW_PROVIDER",
            r#"discover={"devices": [{"id": "x", "parent": "nowhere"}]}"#,
            "`nowhere`",
        ),
        (
            "RAW_PROVIDER",
            "discover={",
            "the provider's answer to `discover` cannot be read",
        ),
        (
            "RAW_PROVIDER",
            "check=huge",
            "the provider's answer to `check` has 104857602 bytes",
        ),
        (
            "RAW_PROVIDER",
            "select=not-utf-8",
            "the provider's answer to `select` cannot be read: invalid utf-8",
        ),
    ] {
        let (_node, kubelet, daemon) = start(variable, fault).await;
        // A discovery fails for all resources of its provider, a check or a selection for one.
        let event = match fault.split('=').next() {
            Some("discover") if !fault.contains("admit") => "discovery_failed",
            Some("check") => "resource_refused",
            _ => "resource_pending",
        };
        daemon.logs(event).containing("error", reason_part).await;
        other_pools_are_unaffected(&kubelet, daemon).await;
    }
}

/// Positions that no device has, and the same one twice, are worth nothing.
#[tokio::test]
async fn selection_of_an_unknown_device_fails_the_provider() {
    let (_node, kubelet, daemon) = start("RAW_PROVIDER", r#"select={"admitted": [7, 0, 0]}"#).await;
    let view = kubelet
        .wait_for("intel.com/raw", |view| view.allocatable() > 0)
        .await
        .unwrap();
    assert_eq!(view.devices.len(), 1);
    other_pools_are_unaffected(&kubelet, daemon).await;
}

#[tokio::test]
async fn a_panic_in_one_of_a_thousand_keeps_the_pool() {
    // The first reconcile selects 900, the second one reaches the thousandth.
    let (_node, kubelet, daemon) = start("FAULTY_PROVIDER", "discover=900,admit=thousandth").await;
    let pool = "intel.com/faulty";
    kubelet
        .wait_for(pool, |view| view.allocatable() == 900)
        .await
        .unwrap();
    daemon.signal(Signal::HUP);
    daemon
        .logs("pool_frozen")
        .with("resource", "intel.com/faulty")
        .containing("error", "the provider `faulty.so` failed")
        .await;
    assert_eq!(kubelet.resource(pool).unwrap().allocatable(), 900);
    other_pools_are_unaffected(&kubelet, daemon).await;
}

#[tokio::test]
async fn panicking_destructor_of_facts_is_contained() {
    let (_node, kubelet, daemon) = start("FAULTY_PROVIDER", "discover=3,drop=panic").await;
    let pool = "intel.com/faulty";
    kubelet
        .wait_for(pool, |view| view.allocatable() == 3)
        .await
        .unwrap();
    // The second discovery takes the place of the first one.
    daemon.signal(Signal::HUP);
    daemon
        .logs("provider_log")
        .containing("message", "panicked in `drop`")
        .await;
    assert_eq!(kubelet.resource(pool).unwrap().allocatable(), 3);
    other_pools_are_unaffected(&kubelet, daemon).await;
}

#[tokio::test]
async fn a_panic_of_a_thread_of_a_provider_is_logged() {
    let (_node, kubelet, daemon) = start("FAULTY_PROVIDER", "allocate=thread").await;
    let pool = "intel.com/faulty";
    kubelet
        .wait_for(pool, |view| view.allocatable() > 0)
        .await
        .unwrap();
    kubelet.allocate(pool, &["0000:02:10.0"]).await.unwrap();
    daemon
        .logs("provider_log")
        .with("level", "ERROR")
        .containing("message", "a thread of the provider panicked at ")
        .containing("message", ": a fault in a thread of allocate")
        .await;
    other_pools_are_unaffected(&kubelet, daemon).await;
}

/// Others are there before it has answered, and its answer counts whenever it comes.
#[tokio::test]
async fn a_slow_discovery_delays_only_its_own_pools() {
    let (node, gate) = with_gate("discover=wait");
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    daemon
        .logs("resource_pending")
        .with("resource", "intel.com/faulty")
        .await;
    assert!(
        kubelet.resource("intel.com/faulty").is_none(),
        "nothing is known of it"
    );
    drop(reached(&gate).await);
    kubelet
        .wait_for("intel.com/faulty", |view| view.allocatable() > 0)
        .await
        .unwrap();
    other_pools_are_unaffected(&kubelet, daemon).await;
}

/// What a discovery in progress has read is older than the change.
#[tokio::test]
async fn a_change_during_a_slow_discovery_is_discovered_after_it() {
    let (node, gate) = with_gate("discover=wait");
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    let served = async |devices| {
        kubelet
            .wait_for("intel.com/a", |view| view.allocatable() == devices)
            .await
            .unwrap();
    };
    served(4).await;
    let pending = daemon.logs("resource_pending");
    pending.with("resource", "intel.com/faulty").await;
    // A network device becomes an accelerator.
    node.change("file @0000:41:10.2/class 0x120000");
    daemon.signal(Signal::HUP);
    served(3).await;
    let pool = "intel.com/faulty";
    drop(reached(&gate).await);
    // The first discovery has returned, and closed the gate.
    daemon.logs("pool_published").with("resource", pool).await;
    drop(reached(&gate).await);
    let discovered = kubelet.wait_for(pool, |view| {
        view.devices
            .iter()
            .any(|device| device.id == "0000:41:10.2")
    });
    discovered.await.unwrap();
    daemon.terminates_cleanly().await;
}

#[tokio::test]
async fn what_a_slow_discovery_could_not_read_is_read_again() {
    let (node, gate) = with_gate("discover=wait");
    let attribute = "sys/bus/pci/devices/0000:02:10.0/faulty";
    std::fs::create_dir(node.root().join(attribute)).unwrap();
    let mut daemon = node.daemon();
    let pending = daemon.logs("resource_pending");
    pending.with("resource", "intel.com/faulty").await;
    drop(reached(&gate).await);
    let published = daemon.logs("pool_published");
    published.with("resource", "intel.com/faulty").await;
    drop(reached(&gate).await);
    daemon.terminates_cleanly().await;
}

/// A discovery that times out is logged, and its provider gets no call until it returns.
#[tokio::test]
async fn hanging_discovery_disables_its_provider() {
    let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    node.environment("FAULTY_PROVIDER", "discover=hang-later");
    let kubelet = node.kubelet().await;
    // With the usual timeouts: shorter ones are too short for the probe of a file on a busy machine.
    let daemon = node.daemon();
    let pool = "intel.com/faulty";
    let served = kubelet.wait_for(pool, |view| view.allocatable() > 0);
    assert!(served.await.is_ok(), "{}", daemon.log());
    daemon.signal(Signal::HUP);
    for seconds in ["1.0", "10.0"] {
        daemon
            .logs("discovery_failed")
            .containing("error", format!("within {seconds} s"))
            .await;
    }
    let refused = kubelet.allocate(pool, &["0000:02:10.0"]).await.unwrap_err();
    let busy = "the provider `faulty.so` is still busy with an earlier call";
    assert!(refused.to_string().contains(busy), "{refused}");
    assert!(kubelet.resource(pool).unwrap().allocatable() > 0);
    other_pools_are_unaffected(&kubelet, daemon).await;
}

/// SIGTERM during a probe ends the probe as well.
#[tokio::test]
async fn sigterm_ends_a_running_probe() {
    let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    node.environment("FAULTY_PROVIDER", "manifest=hang");
    // Probes of others would end by themselves.
    for name in ["accelerator.so", "aux-net-device.so", "net-device.so"] {
        std::fs::remove_file(node.provider_dir().join(name)).unwrap();
    }
    let mut daemon = node.daemon();
    let mut polls = tokio::time::interval(Duration::from_millis(5));
    let mut only_child = async |parent: Option<&str>| loop {
        polls.tick().await;
        let children = parent.map_or_else(|| daemon.children(), children_of);
        if let [only] = children.as_slice() {
            break only.split_once(' ').unwrap().0.to_owned();
        }
    };
    let probe = only_child(None).await;
    let fork = only_child(Some(&probe)).await;
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.success());
    // The reaper of orphans may leave it as a zombie.
    let is_gone = |process: &String| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    };
    while ![&probe, &fork].into_iter().all(is_gone) {
        polls.tick().await;
    }
}

#[tokio::test]
async fn library_with_an_endless_destructor_does_not_delay_termination() {
    let (_node, kubelet, daemon) = start("FAULTY_PROVIDER", "destructor=hang").await;
    kubelet
        .wait_for("intel.com/faulty", |view| view.allocatable() > 0)
        .await
        .unwrap();
    other_pools_are_unaffected(&kubelet, daemon).await;
}
