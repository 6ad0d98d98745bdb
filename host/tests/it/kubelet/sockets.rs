//! Sockets and directories that somebody deletes, and those that dead processes leave behind.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::kubelet::scene::{Kind, MANY, POOL, Scene, ends_well, every_kubelet, kill, name};
use crate::world::Way;

every_kubelet!(
    a_deleted_socket_is_made_anew,
    sockets_are_deleted_one_after_the_other,
    the_directory_is_wiped_and_made_again,
    the_directory_is_replaced_while_the_kubelet_is_down,
    sockets_of_a_killed_plugin_are_no_obstacle,
    a_dead_kubelet_socket_is_waited_out,
    a_socket_in_place_of_ours_is_waited_out;
    all_sockets_of_many_pools_are_deleted_at_once,
);

async fn a_deleted_socket_is_made_anew(kind: Kind) {
    let scene = Scene::with(kind, 2, 2, |_| {}).await;
    let daemon = scene.registered_daemon().await;
    scene.delete_socket(POOL).unwrap();
    scene.registered_again(POOL, 2).await;
    assert!(scene.resource(POOL).unwrap().socket.exists());
    let other = scene.resource(&name(1)).unwrap();
    assert_eq!(other.registrations, 1, "the other pool is left alone");
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

async fn sockets_are_deleted_one_after_the_other(kind: Kind) {
    let scene = Scene::with(kind, 3, 1, |_| {}).await;
    let daemon = scene.registered_daemon().await;
    for pool in [0, 1, 2, 1, 0] {
        let before = scene.resource(&name(pool)).unwrap().registrations;
        scene.delete_socket(&name(pool)).unwrap();
        scene.registered_again(&name(pool), before + 1).await;
    }
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

async fn all_sockets_of_many_pools_are_deleted_at_once(kind: Kind) {
    let scene = Scene::with(kind, MANY, 1, |_| {}).await;
    let daemon = scene.registered_daemon().await;
    scene.delete_all_sockets().unwrap();
    for pool in 0..MANY {
        scene.registered_again(&name(pool), 2).await;
    }
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

async fn the_directory_is_wiped_and_made_again(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    for _ in 0..2 {
        // The kubelet does not notice that its directory is another one, so it is restarted, as one has to.
        fs::remove_dir_all(directory(&scene, kind)).unwrap();
        fs::create_dir(directory(&scene, kind)).unwrap();
        scene.restart().await.unwrap();
        scene.registered().await;
    }
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

async fn the_directory_is_replaced_while_the_kubelet_is_down(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    scene.stop().await;
    let kubelet = scene.world.root().join("var/lib/kubelet");
    fs::rename(&kubelet, kubelet.with_file_name("old")).unwrap();
    fs::create_dir_all(directory(&scene, kind)).unwrap();
    scene.start_again().unwrap();
    scene.registered_again(POOL, 2).await;
    ends_well(&scene.world, daemon).await;
}

async fn sockets_of_a_killed_plugin_are_no_obstacle(kind: Kind) {
    let scene = Scene::with(kind, 2, 2, |_| {}).await;
    for registrations in 1..=3 {
        let daemon = scene.world.daemon();
        scene.registered_again(POOL, registrations).await;
        scene.registered().await;
        kill(daemon).await;
        let left = scene.plugin_sockets().len();
        assert_eq!(left, scene.pools, "they are left behind");
    }
    let daemon = scene.registered_daemon().await;
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

async fn a_dead_kubelet_socket_is_waited_out(kind: Kind) {
    let scene = Scene::new(kind).await;
    scene.stop().await;
    assert!(scene.node().kubelet_socket().exists());
    let mut daemon = scene.world.daemon();
    if kind.way == Way::Register {
        daemon.says("cannot connect to").await;
    }
    daemon.says("pool resource=intel.com/pool0").await;
    assert!(daemon.is_running());
    scene.start_again().unwrap();
    scene.registered().await;
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

/// Somebody took the name, and is killed later: its file stays, and no event tells that nobody listens any more.
async fn a_socket_in_place_of_ours_is_waited_out(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    let socket = scene.resource(POOL).unwrap().socket;
    let next = socket.with_file_name(".next");
    let successor = UnixListener::bind(&next).unwrap();
    fs::rename(&next, &socket).unwrap();
    daemon.says("another instance of the plugin serves").await;
    assert!(socket.exists(), "a living socket is not removed");
    drop(successor);
    scene.registered_again(POOL, 2).await;
    ends_well(&scene.world, daemon).await;
}

fn directory(scene: &Scene, kind: Kind) -> PathBuf {
    match kind.way {
        Way::Watcher => scene.node().plugins_registry(),
        Way::Register => scene.node().device_plugins(),
    }
}
