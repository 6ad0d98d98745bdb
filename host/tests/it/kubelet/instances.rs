//! Two plugins on one node, as a rolling update has them: one at a time serves, whichever of them ends and however.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sriovdp_fake_kubelet::{EventKind, Phase, ResourceView};

use crate::kubelet::pool_node::{
    Kind, MANY, POOL, PoolNode, kill, kubelet_matrix, name, terminates_cleanly,
};
use crate::test_node::Daemon;

kubelet_matrix!(
    an_update_with_surge_hands_over_once,
    an_update_without_surge_hands_over_once,
    the_older_serves_on_when_the_newer_ends,
    the_older_serves_on_when_the_newer_is_killed,
    the_newer_takes_over_when_the_older_is_killed,
    the_newer_takes_over_when_a_frozen_one_is_killed,
    two_simultaneous_instances_do_not_conflict,
    the_other_takes_over_after_each_restart_of_the_kubelet,
    waiting_instance_terminates_promptly;
    a_killed_instance_of_many_pools_is_succeeded_in_all_of_them,
);

/// A second plugin, which has found the first one.
async fn second_daemon(node: &PoolNode) -> Daemon {
    let daemon = node.test_node.daemon();
    daemon.logs("peer_wait").await;
    daemon
}

async fn an_update_with_surge_hands_over_once(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let older = node.registered_daemon().await;
    let before = node.pod("one", 1).await;
    let newer = second_daemon(&node).await;
    assert_eq!(node.resource(POOL).unwrap().registrations, 1);
    let sockets = node.plugin_sockets();
    let mut older = older;
    older.signal(Signal::TERM);
    assert_eq!(older.ended().await.code(), Some(0));
    node.registered_again(POOL, 2).await;
    assert_eq!(node.plugin_sockets().len(), sockets.len());
    // The capacity was the same all the time.
    let lists = node.journal();
    let lists = lists.iter().filter_map(|event| match &event.kind {
        EventKind::Listed {
            resource, devices, ..
        } => (resource == POOL).then_some(*devices),
        _ => None,
    });
    assert_eq!(lists.collect::<Vec<_>>(), [2, 2]);
    assert_eq!(node.pod_now("one"), before);
    assert_eq!(node.pod("two", 1).await.phase, Phase::Running);
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, newer).await;
}

async fn an_update_without_surge_hands_over_once(kind: Kind) {
    let node = PoolNode::new(kind).await;
    for registrations in 1..=3 {
        let daemon = node.test_node.daemon();
        node.registered_again(POOL, registrations).await;
        assert_eq!(node.resource(POOL).unwrap().registrations, registrations);
        terminates_cleanly(&node.test_node, daemon).await;
    }
    node.assert_no_violations();
}

async fn the_older_serves_on_when_the_newer_ends(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let older = node.registered_daemon().await;
    let mut newer = second_daemon(&node).await;
    newer.signal(Signal::TERM);
    assert_eq!(newer.ended().await.code(), Some(0));
    assert_eq!(node.pod("one", 1).await.phase, Phase::Running);
    assert_eq!(node.resource(POOL).unwrap().registrations, 1);
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, older).await;
}

async fn the_older_serves_on_when_the_newer_is_killed(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let older = node.registered_daemon().await;
    let newer = second_daemon(&node).await;
    kill(newer).await;
    assert_eq!(node.pod("one", 1).await.phase, Phase::Running);
    // What it left behind is nothing to the next one either.
    let next = second_daemon(&node).await;
    kill(older).await;
    node.registered_again(POOL, 2).await;
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, next).await;
}

async fn the_newer_takes_over_when_the_older_is_killed(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let older = node.registered_daemon().await;
    let before = node.pod("one", 1).await;
    let newer = second_daemon(&node).await;
    kill(older).await;
    // Its socket is still there without a listener, which has no event.
    node.registered_again(POOL, 2).await;
    let sockets = node.plugin_sockets().len();
    assert_eq!(sockets, node.pools, "the dead ones are gone");
    assert_eq!(node.pod_now("one"), before);
    node.replica("two", 1).await;
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, newer).await;
}

/// A frozen process is as alive as any other.
async fn the_newer_takes_over_when_a_frozen_one_is_killed(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let older = node.registered_daemon().await;
    older.signal(Signal::STOP);
    let newer = second_daemon(&node).await;
    node.restart().await.unwrap();
    kill(older).await;
    node.registered_again(POOL, 2).await;
    terminates_cleanly(&node.test_node, newer).await;
}

async fn a_killed_instance_of_many_pools_is_succeeded_in_all_of_them(kind: Kind) {
    let node = PoolNode::with(kind, MANY, 1, |_| {}).await;
    let older = node.registered_daemon().await;
    let newer = node.test_node.daemon();
    newer.logs("peer_wait").with("resource", name(63)).await;
    kill(older).await;
    for pool in 0..MANY {
        node.registered_again(&name(pool), 2).await;
    }
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, newer).await;
}

async fn two_simultaneous_instances_do_not_conflict(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let (one, other) = (node.test_node.daemon(), node.test_node.daemon());
    one.logs("peer_wait").await;
    node.registered().await;
    assert_eq!(node.plugin_sockets().len(), node.pools);
    // Either may serve, so each ends once.
    let mut one = one;
    one.signal(Signal::TERM);
    assert_eq!(one.ended().await.code(), Some(0));
    node.replica("one", 2).await;
    terminates_cleanly(&node.test_node, other).await;
}

async fn the_other_takes_over_after_each_restart_of_the_kubelet(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let older = node.registered_daemon().await;
    let newer = second_daemon(&node).await;
    for _ in 0..5 {
        node.restart().await.unwrap();
        node.registered().await;
    }
    kill(older).await;
    for pool in 0..node.pools {
        let lives = |view: &ResourceView| UnixStream::connect(&view.socket).is_ok();
        node.when(&name(pool), |view| view.allocatable() == 2 && lives(view))
            .await;
    }
    terminates_cleanly(&node.test_node, newer).await;
}

async fn waiting_instance_terminates_promptly(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let older = node.registered_daemon().await;
    older.signal(Signal::STOP);
    let mut newer = second_daemon(&node).await;
    let asked = Instant::now();
    newer.signal(Signal::TERM);
    assert_eq!(newer.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert_eq!(
        node.plugin_sockets().len(),
        node.pools,
        "the older one's are not its"
    );
    older.signal(Signal::CONT);
    assert_eq!(node.pod("one", 2).await.phase, Phase::Running);
    terminates_cleanly(&node.test_node, older).await;
}
