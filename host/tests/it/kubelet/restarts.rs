//! Restarts of the kubelet, the plugin, both, and the node: what pods hold, and whether new ones can be admitted.

use rustix::process::Signal;
use sriovdp_fake_kubelet::Phase;

use crate::kubelet::pool_node::{
    Kind, MANY, POOL, PoolNode, kill, kubelet_matrix, terminates_cleanly,
};

kubelet_matrix!(
    pods_keep_their_devices_over_a_restart_of_the_kubelet,
    a_pod_that_has_ended_is_not_admitted_again,
    pods_keep_their_devices_over_a_restart_of_the_plugin,
    pods_keep_their_devices_when_both_restart,
    devices_of_pods_deleted_meanwhile_are_free,
    after_a_reboot_pods_fail_until_the_plugin_is_there,
    a_pod_fails_while_the_plugin_stays_away;
    many_pools_return_after_restarts_of_both,
);

async fn pods_keep_their_devices_over_a_restart_of_the_kubelet(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let _daemon = node.registered_daemon().await;
    let before = node.pod("one", 1).await;
    node.restart().await.unwrap();
    node.registered_again(POOL, 2).await;
    assert_eq!(node.pod_now("one"), before);
    assert_eq!(node.restart_containers("one").unwrap(), before);
    let second = node.pod("two", 1).await;
    assert_eq!(second.phase, Phase::Running);
    assert_ne!(second.ids(), before.ids());
    node.assert_no_violations();
}

async fn a_pod_that_has_ended_is_not_admitted_again(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    node.pod("one", 1).await;
    node.finish_pod("one").unwrap();
    terminates_cleanly(&node.test_node, daemon).await;
    node.restart().await.unwrap();
    assert_eq!(node.pod_now("one").phase, Phase::Succeeded);
}

async fn pods_keep_their_devices_over_a_restart_of_the_plugin(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    let before = node.pod("one", 1).await;
    terminates_cleanly(&node.test_node, daemon).await;
    let view = node.when(POOL, |view| !view.connected).await;
    assert_eq!((view.allocatable(), view.capacity()), (0, 2));
    assert_eq!(node.pod_now("one"), before);
    let _daemon = node.test_node.daemon();
    node.registered_again(POOL, 2).await;
    assert_eq!(node.pod_now("one"), before);
    assert_ne!(node.pod("two", 1).await.ids(), before.ids());
    node.assert_no_violations();
}

async fn pods_keep_their_devices_when_both_restart(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    let before = node.pod("one", 1).await;
    node.stop().await;
    kill(daemon).await;
    let _daemon = node.test_node.daemon();
    node.start_again().unwrap();
    node.registered_again(POOL, 2).await;
    assert_eq!(node.pod_now("one"), before);
    assert_eq!(node.restart_containers("one").unwrap(), before);
    assert_ne!(node.replica("two", 1).await.ids(), before.ids());
    node.assert_no_violations();
}

async fn devices_of_pods_deleted_meanwhile_are_free(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let _daemon = node.registered_daemon().await;
    node.pod("one", 1).await;
    node.pod("two", 1).await;
    node.stop().await;
    node.delete_pod("one").unwrap();
    node.delete_pod("two").unwrap();
    node.start_again().unwrap();
    node.registered_again(POOL, 2).await;
    let both = node.pod("both", 2).await;
    assert_eq!((both.phase.clone(), both.ids().len()), (Phase::Running, 2));
}

async fn after_a_reboot_pods_fail_until_the_plugin_is_there(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    node.pod("one", 1).await;
    kill(daemon).await;
    node.reboot_node().await.unwrap();
    let one = node.pod_now("one");
    let Phase::Failed { reason, message } = &one.phase else {
        panic!("its device is not registered: {one:?}");
    };
    assert_eq!(*reason, "UnexpectedAdmissionError");
    assert!(message.contains("no healthy devices present"), "{message}");
    let _daemon = node.registered_daemon().await;
    // The failed pod holds nothing.
    node.replica("both", 2).await;
    node.assert_no_violations();
}

async fn a_pod_fails_while_the_plugin_stays_away(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    // A plugin that is frozen is as good as none, and its sockets are there.
    daemon.signal(Signal::STOP);
    node.restart().await.unwrap();
    let view = node.resource(POOL).unwrap();
    assert_eq!((view.allocatable(), view.capacity()), (0, 0));
    let early = node.pod("early", 2).await;
    let rejection = early.rejection().expect("there are no devices");
    assert!(
        rejection.contains("no healthy devices present"),
        "{rejection}"
    );
    daemon.signal(Signal::CONT);
    node.registered_again(POOL, 2).await;
    node.replica("late", 2).await;
}

async fn many_pools_return_after_restarts_of_both(kind: Kind) {
    let node = PoolNode::with(kind, MANY, 1, |_| {}).await;
    let daemon = node.registered_daemon().await;
    node.restart().await.unwrap();
    node.registered().await;
    terminates_cleanly(&node.test_node, daemon).await;
    let daemon = node.registered_daemon().await;
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}
