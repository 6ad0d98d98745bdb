//! Sockets and directories that somebody deletes, and those that dead processes leave behind.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use crate::kubelet::scene::{Kind, POOL, Scene, ends_well, every_kubelet, kill, name};
use crate::world::Way;

every_kubelet!(
    a_deleted_socket_is_made_anew,
    sockets_are_deleted_one_after_the_other,
    all_sockets_of_many_pools_are_deleted_at_once,
    the_directory_is_wiped_and_made_again,
    the_directory_is_replaced_while_the_kubelet_is_down,
    sockets_of_a_killed_plugin_are_no_obstacle,
    a_dead_kubelet_socket_is_waited_out,
    a_dead_socket_in_place_of_ours_is_replaced,
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
    let scene = Scene::with(kind, 64, 1, |config| {
        config.timing.get_info = std::time::Duration::from_secs(5);
        config.timing.dial = std::time::Duration::from_secs(5);
    })
    .await;
    let daemon = scene.registered_daemon().await;
    scene.delete_all_sockets().unwrap();
    for pool in 0..64 {
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
        assert_eq!(scene.plugin_sockets().len(), 2, "they are left behind");
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

/// A successor that took the name and was killed at once; only the plugin watcher's sockets have names to take.
async fn a_dead_socket_in_place_of_ours_is_replaced(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    let socket = scene.resource(POOL).unwrap().socket;
    let next = socket.with_file_name(".next");
    let successor = UnixListener::bind(&next).unwrap();
    fs::remove_file(&socket).unwrap();
    if fs::rename(&next, &socket).is_ok() {
        drop(successor);
    }
    scene.registered_again(POOL, 2).await;
    ends_well_but_for(&scene, daemon, kind, socket).await;
}

/// In `device-plugins` the foreign socket is nobody's to remove but the kubelet's.
async fn ends_well_but_for(
    scene: &Scene,
    daemon: crate::world::Daemon,
    kind: Kind,
    foreign: PathBuf,
) {
    if kind.way == Way::Register && foreign.exists() {
        fs::remove_file(foreign).unwrap();
    }
    ends_well(&scene.world, daemon).await;
}

fn directory(scene: &Scene, kind: Kind) -> PathBuf {
    match kind.way {
        Way::Watcher => scene.node().plugins_registry(),
        Way::Register => scene.node().device_plugins(),
    }
}
