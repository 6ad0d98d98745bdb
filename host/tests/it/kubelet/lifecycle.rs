//! The plugin's own life: when it starts, freezes, is killed and ends. Whatever the moment, it ends within two seconds.

use std::fs;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use sriovdp_fake_kubelet::{Config, EventKind, FakeKubelet, KubeletVersion};

use crate::kubelet::pool_node::{
    Kind, MANY, POOL, PoolNode, config, kill, kubelet_matrix, resources, terminates_cleanly,
    without_kubelet,
};
use crate::test_node::{Daemon, RegistrationMode, TestNode, built};

kubelet_matrix!(
    it_starts_before_the_kubelet,
    it_starts_with_the_kubelet,
    it_starts_after_the_kubelet,
    it_ends_before_there_is_a_kubelet,
    it_ends_while_the_kubelet_refuses_it,
    it_ends_while_the_kubelet_is_down,
    it_ends_right_after_a_restart_of_the_kubelet,
    it_is_killed_and_started_many_times,
    daemon_frozen_after_bind_registers_when_thawed,
    frozen_daemon_terminates_when_thawed,
    it_ends_before_there_is_a_directory,
    it_ends_in_front_of_a_dead_kubelet_socket,
    it_ends_during_an_allocation;
    it_ends_with_many_pools_at_any_moment,
);

async fn it_starts_before_the_kubelet(kind: Kind) {
    let node = without_kubelet(kind.mode, kind.pools, 2);
    let daemon = without_directory(&node, kind.mode).await;
    let change = |config: &mut Config| kind.configure(config);
    let kubelet = node.kubelet_with(change).await;
    registered(&kubelet).await;
    assert_eq!(kubelet.violations(), [""; 0]);
    terminates_cleanly(&node, daemon).await;
}

/// Not even the kubelet's directory is there, which a plugin could take for another way to register.
async fn without_directory(node: &TestNode, mode: RegistrationMode) -> Daemon {
    let mode = match mode {
        RegistrationMode::Watcher => "watcher",
        RegistrationMode::Register => "register",
    };
    fs::remove_dir_all(node.root().join("var/lib/kubelet")).unwrap();
    let daemon = node.daemon_with(&["--registration", mode]);
    daemon.logs("kubelet_wait").await;
    daemon
}

async fn it_starts_with_the_kubelet(kind: Kind) {
    let node = PoolNode::new(kind).await;
    node.stop().await;
    let daemon = node.test_node.daemon();
    node.start_again().unwrap();
    node.registered().await;
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn it_starts_after_the_kubelet(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    let view = node.resource(POOL).unwrap();
    assert_eq!((view.registrations, view.messages), (1, 1));
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn it_ends_before_there_is_a_kubelet(kind: Kind) {
    let node = without_kubelet(kind.mode, kind.pools, 2);
    let daemon = node.daemon();
    daemon
        .logs("pool_published")
        .with("resource", "intel.com/pool0")
        .await;
    terminates_cleanly(&node, daemon).await;
}

async fn it_ends_while_the_kubelet_refuses_it(kind: Kind) {
    let node = PoolNode::new(kind).await;
    node.refuse_registration(Some("never"));
    let daemon = node.test_node.daemon();
    daemon.logs("registration_refused").await;
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn it_ends_while_the_kubelet_is_down(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    node.stop().await;
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn it_ends_right_after_a_restart_of_the_kubelet(kind: Kind) {
    let node = PoolNode::new(kind).await;
    for _ in 0..3 {
        let daemon = node.registered_daemon().await;
        node.restart().await.unwrap();
        terminates_cleanly(&node.test_node, daemon).await;
    }
}

async fn it_ends_with_many_pools_at_any_moment(kind: Kind) {
    let node = PoolNode::with(kind, MANY, 1, |_| {}).await;
    // The first pools are registered, others are about to be, and some may not have begun.
    for (event, resource) in [
        ("starting", ""),
        ("pool_published", "intel.com/pool9"),
        ("registered", "intel.com/pool0"),
    ] {
        let _ = fs::remove_file(node.test_node.root().join("daemon.log"));
        let daemon = node.test_node.daemon();
        daemon.logs(event).with("resource", resource).await;
        terminates_cleanly(&node.test_node, daemon).await;
    }
}

async fn it_is_killed_and_started_many_times(kind: Kind) {
    let node = PoolNode::new(kind).await;
    for start in 0..5 {
        let seen = node.journal().len();
        let daemon = node.test_node.daemon();
        // Killed at another moment each time: before its socket, right after it, when it is registered.
        match start % 3 {
            0 => drop(daemon.logs("starting").await),
            1 => drop(node.events_after(seen).await),
            _ => node.registered().await,
        }
        kill(daemon).await;
    }
    let daemon = node.registered_daemon().await;
    node.replica("pod", 2).await;
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

/// The kernel still lets the kubelet connect, and there is no answer for longer than the kubelet waits.
async fn daemon_frozen_after_bind_registers_when_thawed(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.test_node.daemon();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    while node.plugin_sockets().is_empty() {
        ticks.tick().await;
    }
    daemon.signal(Signal::STOP);
    // Not a wait for something: this is for how long it is frozen, which is longer than the kubelet's timeout.
    let refused =
        |event: &sriovdp_fake_kubelet::Event| matches!(event.kind, EventKind::Refused { .. });
    let _ = tokio::time::timeout(FROZEN, node.wait_for_event(refused)).await;
    daemon.signal(Signal::CONT);
    node.replica("pod", 2).await;
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn frozen_daemon_terminates_when_thawed(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let mut daemon = node.registered_daemon().await;
    daemon.signal(Signal::STOP);
    daemon.signal(Signal::TERM);
    assert!(daemon.is_running());
    daemon.signal(Signal::CONT);
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert!(node.plugin_sockets().is_empty());
}

async fn registered(kubelet: &FakeKubelet) {
    kubelet
        .wait_for(POOL, |view| view.allocatable() == 2)
        .await
        .unwrap();
}

async fn it_ends_before_there_is_a_directory(kind: Kind) {
    let node = without_kubelet(kind.mode, kind.pools, 2);
    let daemon = without_directory(&node, kind.mode).await;
    terminates_cleanly(&node, daemon).await;
    assert!(!node.root().join("var/lib/kubelet").exists());
}

async fn it_ends_in_front_of_a_dead_kubelet_socket(kind: Kind) {
    let node = PoolNode::new(kind).await;
    node.stop().await;
    assert!(node.node().kubelet_socket().exists());
    let daemon = node.test_node.daemon();
    match kind.mode {
        RegistrationMode::Register => drop(daemon.logs("registration_failed").await),
        RegistrationMode::Watcher => drop(daemon.logs("pool_published").await),
    }
    terminates_cleanly(&node.test_node, daemon).await;
}

/// The kubelet waits for an answer that its plugin does not have yet.
async fn it_ends_during_an_allocation(kind: Kind) {
    let mut node = PoolNode::new(kind).await;
    let gate = node.test_node.root().join("gate");
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, &gate, FileType::Fifo, mode, 0).unwrap();
    node.test_node
        .environment("FAULTY_PROVIDER", "allocate=wait");
    node.test_node
        .environment("FAULTY_GATE", gate.to_str().unwrap());
    node.test_node
        .provide("faulty", &built("sriovdp_faulty_provider"));
    node.test_node
        .change("pci 0000:7f:00.0 f0f0:0001 class=120000 driver=fpga");
    let mut resources = resources(node.pools);
    resources.push(r#"{"resourceName": "slow", "deviceType": "faulty"}"#.to_owned());
    node.test_node.configure(&config(&resources));
    let daemon = node.registered_daemon().await;
    let slow = "intel.com/slow";
    node.when(slow, |view| view.allocatable() == 1).await;
    let end = async {
        // Opening the gate for writing waits for its reader, which is in the middle of the call.
        let writer = move || fs::File::options().write(true).open(gate);
        let writer = tokio::task::spawn_blocking(writer);
        let held = writer.await.unwrap().unwrap();
        terminates_cleanly(&node.test_node, daemon).await;
        drop(held);
    };
    let (answer, ()) = tokio::join!(node.allocate(slow, &["0000:7f:00.0"]), end);
    assert!(answer.is_err(), "{answer:?}");
    node.assert_no_violations();
}

/// A kubelet that hangs accepts and answers nothing, and the end of the plugin is as quick.
#[tokio::test]
async fn it_ends_while_a_registration_hangs() {
    let node = PoolNode::new(REGISTER).await;
    node.never_answer(true);
    let daemon = node.test_node.daemon();
    let held = |event: &sriovdp_fake_kubelet::Event| matches!(event.kind, EventKind::Held { .. });
    node.wait_for_event(held).await.unwrap();
    terminates_cleanly(&node.test_node, daemon).await;
}

/// Both at once would be two registrations of one resource.
#[tokio::test]
async fn registration_flag_overrides_detection() {
    let node = PoolNode::new(Kind {
        mode: RegistrationMode::Watcher,
        ..REGISTER
    })
    .await;
    let _daemon = node.test_node.daemon_with(&["--registration", "register"]);
    node.registered().await;
    let view = node.resource(POOL).unwrap();
    assert_eq!(view.mode, sriovdp_fake_kubelet::RegistrationMode::Register);
}

const FROZEN: Duration = Duration::from_millis(1500);

const REGISTER: Kind = Kind {
    mode: RegistrationMode::Register,
    version: KubeletVersion::V1_37,
    pools: 1,
};
