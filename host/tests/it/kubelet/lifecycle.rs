//! The plugin's own life: when it starts, freezes, is killed and ends. Whatever the moment, it ends within two seconds.

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use sriovdp_fake_kubelet::{Config, FakeKubelet, Happening, KubeletVersion};

use crate::kubelet::scene::{Kind, POOL, Scene, ends_well, every_kubelet, kill, without_kubelet};
use crate::world::Way;

every_kubelet!(
    it_starts_before_the_kubelet,
    it_starts_with_the_kubelet,
    it_starts_after_the_kubelet,
    it_ends_before_there_is_a_kubelet,
    it_ends_while_the_kubelet_refuses_it,
    it_ends_while_the_kubelet_is_down,
    it_ends_right_after_a_restart_of_the_kubelet,
    it_ends_with_many_pools_at_any_moment,
    it_is_killed_and_started_many_times,
    it_freezes_as_soon_as_its_sockets_exist,
    it_ends_when_it_thaws,
);

async fn it_starts_before_the_kubelet(kind: Kind) {
    let world = without_kubelet(kind.way, 1, 2);
    // Not even the kubelet's directory is there, which a plugin could take for another way to register.
    let way = match kind.way {
        Way::Watcher => "watcher",
        Way::Register => "register",
    };
    fs::remove_dir_all(world.root().join("var/lib/kubelet")).unwrap();
    let daemon = world.daemon_with(&["--registration", way]);
    daemon.says("waiting for the kubelet's").await;
    let change = |config: &mut Config| config.version = kind.version;
    let kubelet = world.kubelet_with(change).await;
    registered(&kubelet).await;
    assert_eq!(kubelet.violations(), [""; 0]);
    ends_well(&world, daemon).await;
}

async fn it_starts_with_the_kubelet(kind: Kind) {
    let scene = Scene::new(kind).await;
    scene.stop().await;
    let daemon = scene.world.daemon();
    scene.start_again().unwrap();
    scene.registered().await;
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

async fn it_starts_after_the_kubelet(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    let view = scene.resource(POOL).unwrap();
    assert_eq!((view.registrations, view.messages), (1, 1));
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

async fn it_ends_before_there_is_a_kubelet(kind: Kind) {
    let world = without_kubelet(kind.way, 1, 2);
    let daemon = world.daemon();
    daemon.says("pool resource=intel.com/pool0").await;
    ends_well(&world, daemon).await;
}

async fn it_ends_while_the_kubelet_refuses_it(kind: Kind) {
    let scene = Scene::new(kind).await;
    scene.refuse_registration(Some("never"));
    let daemon = scene.world.daemon();
    daemon.says("refuses the registration").await;
    ends_well(&scene.world, daemon).await;
}

async fn it_ends_while_the_kubelet_is_down(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    scene.stop().await;
    ends_well(&scene.world, daemon).await;
}

async fn it_ends_right_after_a_restart_of_the_kubelet(kind: Kind) {
    let scene = Scene::new(kind).await;
    for _ in 0..3 {
        let daemon = scene.registered_daemon().await;
        scene.restart().await.unwrap();
        ends_well(&scene.world, daemon).await;
    }
}

async fn it_ends_with_many_pools_at_any_moment(kind: Kind) {
    let scene = Scene::with(kind, 64, 1, |config| {
        config.timing.get_info = Duration::from_secs(5);
    })
    .await;
    // The first pools are registered, others are about to be, and some may not have begun.
    for moment in [
        "starting",
        "pool resource=intel.com/pool9",
        "registered with the kubelet",
    ] {
        let _ = fs::remove_file(scene.world.root().join("daemon.log"));
        let daemon = scene.world.daemon();
        daemon.says(moment).await;
        ends_well(&scene.world, daemon).await;
    }
}

async fn it_is_killed_and_started_many_times(kind: Kind) {
    let scene = Scene::new(kind).await;
    for start in 0..5 {
        let seen = scene.journal().len();
        let daemon = scene.world.daemon();
        // Killed at another moment each time: before its socket, right after it, when it is registered.
        match start % 3 {
            0 => drop(daemon.says("starting").await),
            1 => drop(scene.events_after(seen).await),
            _ => scene.registered().await,
        }
        kill(daemon).await;
    }
    let daemon = scene.registered_daemon().await;
    scene.replica("pod", 2).await;
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

/// The kernel still lets the kubelet connect, and nobody answers for longer than the kubelet waits.
async fn it_freezes_as_soon_as_its_sockets_exist(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.world.daemon();
    let mut ticks = tokio::time::interval(Duration::from_millis(1));
    while scene.plugin_sockets().is_empty() {
        ticks.tick().await;
    }
    daemon.signal(Signal::STOP);
    // Not a wait for something: this is for how long it is frozen, which is longer than the kubelet's patience.
    let refused =
        |event: &sriovdp_fake_kubelet::Event| matches!(event.what, Happening::Refused { .. });
    let _ = tokio::time::timeout(FROZEN, scene.wait_for_event(refused)).await;
    daemon.signal(Signal::CONT);
    scene.replica("pod", 2).await;
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

async fn it_ends_when_it_thaws(kind: Kind) {
    let scene = Scene::new(kind).await;
    let mut daemon = scene.registered_daemon().await;
    daemon.signal(Signal::STOP);
    daemon.signal(Signal::TERM);
    assert!(daemon.is_running());
    daemon.signal(Signal::CONT);
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert!(scene.plugin_sockets().is_empty());
}

async fn registered(kubelet: &FakeKubelet) {
    kubelet
        .wait_for(POOL, |view| view.allocatable() == 2)
        .await
        .unwrap();
}

/// A kubelet that hangs accepts and says nothing, and the end of the plugin is as quick.
#[tokio::test]
async fn it_ends_while_a_registration_hangs() {
    let scene = Scene::new(REGISTER).await;
    scene.never_answer(true);
    let daemon = scene.world.daemon();
    let held = |event: &sriovdp_fake_kubelet::Event| matches!(event.what, Happening::Held { .. });
    scene.wait_for_event(held).await.unwrap();
    ends_well(&scene.world, daemon).await;
}

/// Both at once would be two registrations of one resource.
#[tokio::test]
async fn a_flag_forces_one_way() {
    let scene = Scene::new(Kind {
        way: Way::Watcher,
        ..REGISTER
    })
    .await;
    let _daemon = scene.world.daemon_with(&["--registration", "register"]);
    scene.registered().await;
    let view = scene.resource(POOL).unwrap();
    assert_eq!(view.way, sriovdp_fake_kubelet::Way::Register);
}

const FROZEN: Duration = Duration::from_millis(1500);

const REGISTER: Kind = Kind {
    way: Way::Register,
    version: KubeletVersion::V1_37,
};
