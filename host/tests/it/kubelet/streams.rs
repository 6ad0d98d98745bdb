//! Registrations and streams that do not go as they should, between a kubelet that lives and a plugin that lives.

use rustix::process::Signal;
use sriovdp_fake_kubelet::{Authority, EventKind, KubeletVersion};

use crate::kubelet::pool_node::{
    Kind, MANY, POOL, PoolNode, id, kubelet_matrix, name, plug, terminates_cleanly,
};
use crate::test_node::RegistrationMode;

kubelet_matrix!(
    refused_registration_is_retried_and_logged_once,
    a_cancelled_stream_ends_in_a_registration,
    two_restarts_within_a_second_many_times,
    device_removed_during_allocate_stays_listed,
    change_sends_one_list_on_the_same_stream,
    empty_pool_is_registered_and_accepts_devices,
    the_streams_of_a_plugin_that_ends_end_in_order;
    every_stream_of_many_pools_is_cancelled,
);

async fn refused_registration_is_retried_and_logged_once(kind: Kind) {
    let node = PoolNode::new(kind).await;
    node.refuse_registration(Some("the kubelet is not in the mood"));
    let mut daemon = node.test_node.daemon();
    let refusals = |event: &sriovdp_fake_kubelet::Event| matches!(&event.kind, EventKind::Refused { message, .. } if message.contains("mood"));
    let mut seen = 0;
    while node
        .journal()
        .iter()
        .filter(|event| refusals(event))
        .count()
        < 3
    {
        seen += node.events_after(seen).await.len();
    }
    assert!(daemon.is_running());
    daemon
        .logs("registration_refused")
        .containing("error", "not in the mood")
        .await;
    let logged = daemon.logs("registration_refused").now().len();
    assert!(
        logged <= node.pools,
        "the same reason is logged once:\n{}",
        daemon.log()
    );
    node.refuse_registration(None);
    node.registered().await;
    // A refusal of one life of the kubelet means nothing in the next.
    node.refuse_registration(Some("out of order"));
    node.restart().await.unwrap();
    daemon
        .logs("registration_refused")
        .containing("error", "out of order")
        .await;
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn a_cancelled_stream_ends_in_a_registration(kind: Kind) {
    let node = PoolNode::with(kind, 2, 2, |_| {}).await;
    let _daemon = node.registered_daemon().await;
    node.cancel_stream(POOL).unwrap();
    node.registered_again(POOL, 2).await;
    let other = node.resource(&name(1)).unwrap();
    assert_eq!(other.registrations, 1, "the other pool is left alone");
    node.assert_no_violations();
}

async fn every_stream_of_many_pools_is_cancelled(kind: Kind) {
    let node = PoolNode::with(kind, MANY, 1, |_| {}).await;
    let _daemon = node.registered_daemon().await;
    for pool in 0..MANY {
        node.cancel_stream(&name(pool)).unwrap();
    }
    for pool in 0..MANY {
        node.registered_again(&name(pool), 2).await;
    }
    node.assert_no_violations();
}

async fn two_restarts_within_a_second_many_times(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let mut daemon = node.registered_daemon().await;
    for _ in 0..20 {
        node.restart().await.unwrap();
        node.restart().await.unwrap();
        node.registered().await;
    }
    assert!(daemon.is_running());
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

/// Kubelets from 1.34 on crash when a device leaves the list meanwhile.
async fn device_removed_during_allocate_stays_listed(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    // A frozen plugin has not answered yet when its device goes; the list comes as soon as it can.
    daemon.signal(Signal::STOP);
    let first = id(0);
    let ids = [first.as_str()];
    let meanwhile = async {
        plug(&node, &daemon, 0, false);
        daemon.signal(Signal::CONT);
        node.when(POOL, |view| view.allocatable() == 1).await
    };
    let (_, view) = tokio::join!(node.allocate(POOL, &ids), meanwhile);
    assert_eq!(view.capacity(), 2);
    node.assert_no_violations();
}

async fn change_sends_one_list_on_the_same_stream(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    plug(&node, &daemon, 0, false);
    let view = node.when(POOL, |view| view.allocatable() == 1).await;
    assert_eq!((view.messages, view.registrations), (2, 1));
    node.assert_no_violations();
}

async fn empty_pool_is_registered_and_accepts_devices(kind: Kind) {
    let node = PoolNode::with(kind, 1, 0, |_| {}).await;
    let daemon = node.registered_daemon().await;
    let view = node.when(POOL, |view| view.messages == 1).await;
    assert_eq!((view.allocatable(), view.capacity()), (0, 0));
    plug(&node, &daemon, 0, true);
    let view = node.when(POOL, |view| view.allocatable() == 1).await;
    assert_eq!((view.messages, view.registrations), (2, 1));
    assert_eq!(node.pod("pod", 1).await.ids(), [&id(0)]);
    node.assert_no_violations();
}

async fn the_streams_of_a_plugin_that_ends_end_in_order(kind: Kind) {
    let node = PoolNode::with(kind, 2, 2, |_| {}).await;
    let daemon = node.registered_daemon().await;
    terminates_cleanly(&node.test_node, daemon).await;
    for pool in [POOL.to_owned(), name(1)] {
        node.when(&pool, |view| !view.connected).await;
    }
    let journal = node.journal();
    let reasons = journal.iter().filter_map(|event| match &event.kind {
        EventKind::StreamEnded { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    // The plugin watcher may see the file vanish first, and hang up.
    let hangs_up = kind.mode == RegistrationMode::Watcher;
    for reason in reasons {
        let in_order = reason == "EOF" || hangs_up && reason == "closed by the kubelet";
        assert!(in_order, "the stream ended with `{reason}`");
    }
}

/// However the plugin watcher spells its authority, and however its bytes arrive.
#[tokio::test]
async fn fragmented_authorities_are_accepted() {
    for authority in [
        Authority::PercentEncodedPath,
        Authority::Literal("/var/lib/kubelet/plugins_registry/intel.com_a.sock".to_owned()),
        Authority::Literal(String::new()),
        Authority::Literal("localhost".to_owned()),
    ] {
        for pieces in [None, Some(1), Some(7)] {
            let node = PoolNode::with(WATCHER, 1, 2, |config| {
                config.authority = authority.clone();
            })
            .await;
            node.write_in_chunks(pieces);
            node.registered_daemon().await;
        }
    }
}

/// Two scans of the kubelet have the same result as one.
#[tokio::test]
async fn duplicate_events_of_the_watcher() {
    let node = PoolNode::new(WATCHER).await;
    let _daemon = node.registered_daemon().await;
    node.duplicate_watcher_events();
    node.registered_again(POOL, 2).await;
    node.allocate(POOL, &[&id(0)]).await.unwrap();
}

const WATCHER: Kind = Kind {
    mode: RegistrationMode::Watcher,
    version: KubeletVersion::V1_37,
    pools: 1,
};
