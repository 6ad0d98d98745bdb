//! Health, as nodes and pods show it: devices that fail and recover, and plugins that stop.

use std::time::Duration;

use sriovdp_fake_kubelet::{Phase, PodSpec};

use crate::kubelet::pool_node::{
    Kind, POOL, PoolNode, id, kubelet_matrix, plug, terminates_cleanly,
};

kubelet_matrix!(
    a_device_fails_and_recovers,
    a_pod_keeps_a_device_that_fails,
    some_of_four_devices_fail_and_recover,
    a_stopped_plugin_loses_its_devices_in_two_steps,
    pod_status_has_device_health,
    waiting_pod_status_has_device_health,
);

async fn a_device_fails_and_recovers(kind: Kind) {
    let node = PoolNode::with(kind, 1, 1, |_| {}).await;
    let daemon = node.registered_daemon().await;
    plug(&node, &daemon, 0, false);
    counts(&node, 0, 1).await;
    plug(&node, &daemon, 0, true);
    counts(&node, 1, 1).await;
    node.assert_no_violations();
}

async fn a_pod_keeps_a_device_that_fails(kind: Kind) {
    let node = PoolNode::with(kind, 1, 1, |_| {}).await;
    let daemon = node.registered_daemon().await;
    let before = node.pod("one", 1).await;
    plug(&node, &daemon, 0, false);
    counts(&node, 0, 1).await;
    assert_eq!(node.pod_now("one"), before);
    node.delete_pod("one").unwrap();
    let second = node.pod("two", 1).await;
    assert!(second.rejection().is_some(), "no pod gets it now");
    counts(&node, 0, 1).await;
    plug(&node, &daemon, 0, true);
    counts(&node, 1, 1).await;
    assert_eq!(node.pod("three", 1).await.phase, Phase::Running);
    node.assert_no_violations();
}

async fn some_of_four_devices_fail_and_recover(kind: Kind) {
    let node = PoolNode::with(kind, 1, 4, |_| {}).await;
    let daemon = node.registered_daemon().await;
    for (device, is_there, healthy) in [
        (1, false, 3),
        (1, true, 4),
        (1, false, 3),
        (3, false, 2),
        (1, true, 3),
        (3, true, 4),
    ] {
        plug(&node, &daemon, device, is_there);
        counts(&node, healthy, 4).await;
    }
    node.assert_no_violations();
}

async fn a_stopped_plugin_loses_its_devices_in_two_steps(kind: Kind) {
    let node = PoolNode::with(kind, 1, 2, |config| {
        config.timing.stop_grace = Duration::from_millis(700);
    })
    .await;
    let daemon = node.registered_daemon().await;
    terminates_cleanly(&node.test_node, daemon).await;
    counts(&node, 0, 2).await;
    counts(&node, 0, 0).await;
    // The resource is not deleted, and a plugin that returns has its devices again.
    let _daemon = node.registered_daemon().await;
    counts(&node, 2, 2).await;
}

async fn pod_status_has_device_health(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    node.pod("one", 1).await;
    status_follows_health(&node, &daemon, Phase::Running).await;
}

async fn waiting_pod_status_has_device_health(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    let waiting = PodSpec::wanting("one", 1, POOL).without_image();
    node.run_pod(waiting).await;
    status_follows_health(&node, &daemon, Phase::Pending).await;
}

async fn status_follows_health(node: &PoolNode, daemon: &crate::test_node::Daemon, phase: Phase) {
    let health = || node.device_health("one").unwrap()[&id(0)].clone();
    assert_eq!(health(), "Healthy");
    plug(node, daemon, 0, false);
    counts(node, 1, 2).await;
    assert_eq!(health(), "Unhealthy");
    assert_eq!(node.pod_now("one").phase, phase);
    plug(node, daemon, 0, true);
    counts(node, 2, 2).await;
    assert_eq!(health(), "Healthy");
}

async fn counts(node: &PoolNode, allocatable: usize, capacity: usize) {
    node.when(POOL, |view| {
        (view.allocatable(), view.capacity()) == (allocatable, capacity)
    })
    .await;
}
