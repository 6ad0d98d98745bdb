//! SIGTERM in the middle of a change: the plugin ends within two seconds, successfully, and takes its sockets with it.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::kubelet::pool_node::{
    Kind, POOL, PoolNode, kill, kubelet_matrix, name, terminates_cleanly,
};
use crate::test_node::RegistrationMode;

kubelet_matrix!(
    it_ends_as_soon_as_its_sockets_exist,
    it_ends_between_two_restarts_of_the_kubelet,
    it_ends_right_after_its_socket_was_deleted,
    it_ends_right_after_all_sockets_were_deleted,
    it_ends_while_the_directory_is_gone,
    it_ends_right_after_its_stream_was_cancelled,
    it_ends_right_after_a_change_of_its_configuration,
    it_ends_at_the_dead_sockets_of_its_predecessor,
    it_ends_while_it_takes_over,
);

/// Before the kubelet has seen any of them, or just when it does.
async fn it_ends_as_soon_as_its_sockets_exist(kind: Kind) {
    let node = PoolNode::with(kind, 3, 1, |_| {}).await;
    for sockets in 1..=3 {
        let mut daemon = node.test_node.daemon();
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        while node.plugin_sockets().len() < sockets {
            assert!(daemon.is_running(), "{}", daemon.log());
            ticks.tick().await;
        }
        terminates_cleanly(&node.test_node, daemon).await;
    }
}

async fn it_ends_between_two_restarts_of_the_kubelet(kind: Kind) {
    let node = PoolNode::new(kind).await;
    for _ in 0..3 {
        let daemon = node.registered_daemon().await;
        node.restart().await.unwrap();
        node.stop().await;
        terminates_cleanly(&node.test_node, daemon).await;
        node.start_again().unwrap();
    }
}

async fn it_ends_right_after_its_socket_was_deleted(kind: Kind) {
    let node = PoolNode::with(kind, 2, 1, |_| {}).await;
    for _ in 0..3 {
        let daemon = node.registered_daemon().await;
        node.delete_socket(POOL).unwrap();
        terminates_cleanly(&node.test_node, daemon).await;
    }
}

async fn it_ends_right_after_all_sockets_were_deleted(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    node.delete_all_sockets().unwrap();
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn it_ends_while_the_directory_is_gone(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    let directory = match kind.mode {
        RegistrationMode::Watcher => node.node().plugins_registry(),
        RegistrationMode::Register => node.node().device_plugins(),
    };
    fs::remove_dir_all(&directory).unwrap();
    terminates_cleanly(&node.test_node, daemon).await;
    assert!(!directory.exists(), "it is the kubelet's to make");
}

async fn it_ends_right_after_its_stream_was_cancelled(kind: Kind) {
    let node = PoolNode::new(kind).await;
    for _ in 0..3 {
        let daemon = node.registered_daemon().await;
        node.cancel_stream(POOL).unwrap();
        terminates_cleanly(&node.test_node, daemon).await;
    }
}

/// One pool is being withdrawn and another one registered.
async fn it_ends_right_after_a_change_of_its_configuration(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    node.test_node.configure(
        r#"{"resourceList": [{"resourceName": "other", "selectors": {"pfNames": ["pf0"]}}]}"#,
    );
    daemon
        .logs("pool_withdrawn")
        .with("resource", name(0))
        .await;
    terminates_cleanly(&node.test_node, daemon).await;
}

/// It has perhaps removed them, and perhaps not yet. Those that are left are dead.
async fn it_ends_at_the_dead_sockets_of_its_predecessor(kind: Kind) {
    let node = PoolNode::new(kind).await;
    for event in ["starting", "pool_published"] {
        let older = node.registered_daemon().await;
        kill(older).await;
        let dead = node.plugin_sockets();
        fs::remove_file(node.test_node.root().join("daemon.log")).unwrap();
        let mut daemon = node.test_node.daemon();
        daemon.logs(event).await;
        let asked = Instant::now();
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.ended().await.code(), Some(0), "{}", daemon.log());
        assert!(asked.elapsed() < Duration::from_secs(2));
        let left = node.plugin_sockets();
        assert!(left.iter().all(|socket| dead.contains(socket)), "{left:?}");
    }
}

async fn it_ends_while_it_takes_over(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let mut older = node.registered_daemon().await;
    let newer = node.test_node.daemon();
    newer.logs("peer_wait").await;
    older.signal(Signal::TERM);
    assert_eq!(older.ended().await.code(), Some(0));
    terminates_cleanly(&node.test_node, newer).await;
}
