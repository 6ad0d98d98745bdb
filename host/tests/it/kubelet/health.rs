//! Health, as nodes and pods show it: devices that fail and recover, and plugins that stop.

use std::time::Duration;

use sriovdp_fake_kubelet::{Phase, PodSpec};

use crate::kubelet::scene::{Kind, POOL, Scene, ends_well, every_kubelet, id, plug};

every_kubelet!(
    a_device_fails_and_recovers,
    a_pod_keeps_a_device_that_fails,
    some_of_four_devices_fail_and_recover,
    a_stopped_plugin_loses_its_devices_in_two_steps,
    the_status_of_a_pod_tells_of_its_devices,
    the_status_of_a_waiting_pod_tells_of_its_devices,
);

async fn a_device_fails_and_recovers(kind: Kind) {
    let scene = Scene::with(kind, 1, 1, |_| {}).await;
    let daemon = scene.registered_daemon().await;
    plug(&scene, &daemon, 0, false);
    counts(&scene, 0, 1).await;
    plug(&scene, &daemon, 0, true);
    counts(&scene, 1, 1).await;
    scene.no_rule_was_broken();
}

async fn a_pod_keeps_a_device_that_fails(kind: Kind) {
    let scene = Scene::with(kind, 1, 1, |_| {}).await;
    let daemon = scene.registered_daemon().await;
    let before = scene.pod("one", 1).await;
    plug(&scene, &daemon, 0, false);
    counts(&scene, 0, 1).await;
    assert_eq!(scene.pod_now("one"), before);
    scene.delete_pod("one").unwrap();
    let second = scene.pod("two", 1).await;
    assert!(second.rejection().is_some(), "nobody gets it now");
    counts(&scene, 0, 1).await;
    plug(&scene, &daemon, 0, true);
    counts(&scene, 1, 1).await;
    assert_eq!(scene.pod("three", 1).await.phase, Phase::Running);
    scene.no_rule_was_broken();
}

async fn some_of_four_devices_fail_and_recover(kind: Kind) {
    let scene = Scene::with(kind, 1, 4, |_| {}).await;
    let daemon = scene.registered_daemon().await;
    for (device, is_there, healthy) in [
        (1, false, 3),
        (1, true, 4),
        (1, false, 3),
        (3, false, 2),
        (1, true, 3),
        (3, true, 4),
    ] {
        plug(&scene, &daemon, device, is_there);
        counts(&scene, healthy, 4).await;
    }
    scene.no_rule_was_broken();
}

async fn a_stopped_plugin_loses_its_devices_in_two_steps(kind: Kind) {
    let scene = Scene::with(kind, 1, 2, |config| {
        config.timing.stop_grace = Duration::from_millis(700);
    })
    .await;
    let daemon = scene.registered_daemon().await;
    ends_well(&scene.world, daemon).await;
    counts(&scene, 0, 2).await;
    counts(&scene, 0, 0).await;
    // The resource is not deleted, and a plugin that returns has its devices again.
    let _daemon = scene.registered_daemon().await;
    counts(&scene, 2, 2).await;
}

async fn the_status_of_a_pod_tells_of_its_devices(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    scene.pod("one", 1).await;
    status_follows_health(&scene, &daemon, Phase::Running).await;
}

async fn the_status_of_a_waiting_pod_tells_of_its_devices(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    let waiting = PodSpec::wanting("one", 1, POOL).without_image();
    scene.run_pod(waiting).await;
    status_follows_health(&scene, &daemon, Phase::Pending).await;
}

async fn status_follows_health(scene: &Scene, daemon: &crate::world::Daemon, phase: Phase) {
    let health = || scene.device_health("one").unwrap()[&id(0)];
    assert_eq!(health(), "Healthy");
    plug(scene, daemon, 0, false);
    counts(scene, 1, 2).await;
    assert_eq!(health(), "Unhealthy");
    assert_eq!(scene.pod_now("one").phase, phase);
    plug(scene, daemon, 0, true);
    counts(scene, 2, 2).await;
    assert_eq!(health(), "Healthy");
}

async fn counts(scene: &Scene, allocatable: usize, capacity: usize) {
    scene
        .when(POOL, |view| {
            (view.allocatable(), view.capacity()) == (allocatable, capacity)
        })
        .await;
}
