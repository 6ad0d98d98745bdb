//! Deleted sockets and directories, and those that dead processes leave behind.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::kubelet::pool_node::{
    Kind, MANY, POOL, PoolNode, kill, kubelet_matrix, name, terminates_cleanly,
};
use crate::test_node::RegistrationMode;

kubelet_matrix!(
    deleted_socket_is_recreated,
    sockets_are_deleted_one_after_the_other,
    the_directory_is_wiped_and_made_again,
    the_directory_is_replaced_while_the_kubelet_is_down,
    sockets_of_a_killed_plugin_are_no_obstacle,
    registration_waits_while_the_kubelet_socket_is_dead,
    foreign_socket_at_our_path_delays_serving;
    all_sockets_of_many_pools_are_deleted_at_once,
);

async fn deleted_socket_is_recreated(kind: Kind) {
    let node = PoolNode::with(kind, 2, 2, |_| {}).await;
    let daemon = node.registered_daemon().await;
    node.delete_socket(POOL).unwrap();
    node.registered_again(POOL, 2).await;
    assert!(node.resource(POOL).unwrap().socket.exists());
    let other = node.resource(&name(1)).unwrap();
    assert_eq!(other.registrations, 1, "the other pool is left alone");
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn sockets_are_deleted_one_after_the_other(kind: Kind) {
    let node = PoolNode::with(kind, 3, 1, |_| {}).await;
    let daemon = node.registered_daemon().await;
    for pool in [0, 1, 2, 1, 0] {
        let before = node.resource(&name(pool)).unwrap().registrations;
        node.delete_socket(&name(pool)).unwrap();
        node.registered_again(&name(pool), before + 1).await;
    }
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn all_sockets_of_many_pools_are_deleted_at_once(kind: Kind) {
    let node = PoolNode::with(kind, MANY, 1, |_| {}).await;
    let daemon = node.registered_daemon().await;
    node.delete_all_sockets().unwrap();
    for pool in 0..MANY {
        node.registered_again(&name(pool), 2).await;
    }
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn the_directory_is_wiped_and_made_again(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    for _ in 0..2 {
        // The kubelet does not notice that its directory is another one, so it is restarted, as one has to.
        fs::remove_dir_all(directory(&node, kind)).unwrap();
        fs::create_dir(directory(&node, kind)).unwrap();
        node.restart().await.unwrap();
        node.registered().await;
    }
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn the_directory_is_replaced_while_the_kubelet_is_down(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    node.stop().await;
    let kubelet = node.test_node.root().join("var/lib/kubelet");
    fs::rename(&kubelet, kubelet.with_file_name("old")).unwrap();
    fs::create_dir_all(directory(&node, kind)).unwrap();
    node.start_again().unwrap();
    node.registered_again(POOL, 2).await;
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn sockets_of_a_killed_plugin_are_no_obstacle(kind: Kind) {
    let node = PoolNode::with(kind, 2, 2, |_| {}).await;
    for _ in 0..3 {
        let registrations = |pool| {
            let view = node.resource(&name(pool));
            view.map_or(0, |view| view.registrations)
        };
        let before: Vec<usize> = (0..node.pools).map(registrations).collect();
        let daemon = node.test_node.daemon();
        // The kubelet may still list all devices of the plugin before, so each pool has to be registered again.
        for (pool, before) in before.into_iter().enumerate() {
            node.registered_again(&name(pool), before + 1).await;
        }
        kill(daemon).await;
        let left = node.plugin_sockets().len();
        assert_eq!(left, node.pools, "they are left behind");
    }
    let daemon = node.registered_daemon().await;
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

async fn registration_waits_while_the_kubelet_socket_is_dead(kind: Kind) {
    let node = PoolNode::new(kind).await;
    node.stop().await;
    assert!(node.node().kubelet_socket().exists());
    let mut daemon = node.test_node.daemon();
    if kind.mode == RegistrationMode::Register {
        daemon.logs("registration_failed").await;
    }
    daemon
        .logs("pool_published")
        .with("resource", "intel.com/pool0")
        .await;
    assert!(daemon.is_running());
    node.start_again().unwrap();
    node.registered().await;
    node.assert_no_violations();
    terminates_cleanly(&node.test_node, daemon).await;
}

/// Another process has the name, and is killed later: its file stays, and no event reports the end of its listener.
async fn foreign_socket_at_our_path_delays_serving(kind: Kind) {
    let node = PoolNode::new(kind).await;
    let daemon = node.registered_daemon().await;
    let socket = node.resource(POOL).unwrap().socket;
    let next = socket.with_file_name(".next");
    let successor = UnixListener::bind(&next).unwrap();
    fs::rename(&next, &socket).unwrap();
    daemon.logs("peer_wait").await;
    assert!(socket.exists(), "a living socket is not removed");
    drop(successor);
    node.registered_again(POOL, 2).await;
    terminates_cleanly(&node.test_node, daemon).await;
}

fn directory(node: &PoolNode, kind: Kind) -> PathBuf {
    match kind.mode {
        RegistrationMode::Watcher => node.node().plugins_registry(),
        RegistrationMode::Register => node.node().device_plugins(),
    }
}
