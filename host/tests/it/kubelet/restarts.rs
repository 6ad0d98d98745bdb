//! Restarts of the kubelet, the plugin, both, and the node: what pods hold, and whether new ones can be admitted.

use rustix::process::Signal;
use sriovdp_fake_kubelet::Phase;

use crate::kubelet::scene::{Kind, MANY, POOL, Scene, ends_well, every_kubelet, kill};

every_kubelet!(
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
    let scene = Scene::new(kind).await;
    let _daemon = scene.registered_daemon().await;
    let before = scene.pod("one", 1).await;
    scene.restart().await.unwrap();
    scene.registered_again(POOL, 2).await;
    assert_eq!(scene.pod_now("one"), before);
    assert_eq!(scene.restart_containers("one").unwrap(), before);
    let second = scene.pod("two", 1).await;
    assert_eq!(second.phase, Phase::Running);
    assert_ne!(second.ids(), before.ids());
    scene.no_rule_was_broken();
}

async fn a_pod_that_has_ended_is_not_admitted_again(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    scene.pod("one", 1).await;
    scene.finish_pod("one").unwrap();
    ends_well(&scene.world, daemon).await;
    scene.restart().await.unwrap();
    assert_eq!(scene.pod_now("one").phase, Phase::Succeeded);
}

async fn pods_keep_their_devices_over_a_restart_of_the_plugin(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    let before = scene.pod("one", 1).await;
    ends_well(&scene.world, daemon).await;
    let view = scene.when(POOL, |view| !view.connected).await;
    assert_eq!((view.allocatable(), view.capacity()), (0, 2));
    assert_eq!(scene.pod_now("one"), before);
    let _daemon = scene.world.daemon();
    scene.registered_again(POOL, 2).await;
    assert_eq!(scene.pod_now("one"), before);
    assert_ne!(scene.pod("two", 1).await.ids(), before.ids());
    scene.no_rule_was_broken();
}

async fn pods_keep_their_devices_when_both_restart(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    let before = scene.pod("one", 1).await;
    scene.stop().await;
    kill(daemon).await;
    let _daemon = scene.world.daemon();
    scene.start_again().unwrap();
    scene.registered_again(POOL, 2).await;
    assert_eq!(scene.pod_now("one"), before);
    assert_eq!(scene.restart_containers("one").unwrap(), before);
    assert_ne!(scene.replica("two", 1).await.ids(), before.ids());
    scene.no_rule_was_broken();
}

async fn devices_of_pods_deleted_meanwhile_are_free(kind: Kind) {
    let scene = Scene::new(kind).await;
    let _daemon = scene.registered_daemon().await;
    scene.pod("one", 1).await;
    scene.pod("two", 1).await;
    scene.stop().await;
    scene.delete_pod("one").unwrap();
    scene.delete_pod("two").unwrap();
    scene.start_again().unwrap();
    scene.registered_again(POOL, 2).await;
    let both = scene.pod("both", 2).await;
    assert_eq!((both.phase.clone(), both.ids().len()), (Phase::Running, 2));
}

async fn after_a_reboot_pods_fail_until_the_plugin_is_there(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    scene.pod("one", 1).await;
    kill(daemon).await;
    scene.reboot_node().await.unwrap();
    let one = scene.pod_now("one");
    let Phase::Failed { reason, message } = &one.phase else {
        panic!("nobody has registered its device: {one:?}");
    };
    assert_eq!(*reason, "UnexpectedAdmissionError");
    assert!(message.contains("no healthy devices present"), "{message}");
    let _daemon = scene.registered_daemon().await;
    // The failed pod holds nothing.
    scene.replica("both", 2).await;
    scene.no_rule_was_broken();
}

async fn a_pod_fails_while_the_plugin_stays_away(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    // A plugin that is frozen is as good as none, and its sockets are there.
    daemon.signal(Signal::STOP);
    scene.restart().await.unwrap();
    let view = scene.resource(POOL).unwrap();
    assert_eq!((view.allocatable(), view.capacity()), (0, 0));
    let early = scene.pod("early", 2).await;
    let rejection = early.rejection().expect("there are no devices");
    assert!(
        rejection.contains("no healthy devices present"),
        "{rejection}"
    );
    daemon.signal(Signal::CONT);
    scene.registered_again(POOL, 2).await;
    scene.replica("late", 2).await;
}

async fn many_pools_return_after_restarts_of_both(kind: Kind) {
    let scene = Scene::with(kind, MANY, 1, |_| {}).await;
    let daemon = scene.registered_daemon().await;
    scene.restart().await.unwrap();
    scene.registered().await;
    ends_well(&scene.world, daemon).await;
    let daemon = scene.registered_daemon().await;
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}
