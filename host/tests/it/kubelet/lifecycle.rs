//! The plugin's own life: when it starts, freezes, is killed and ends. Whatever the moment, it ends within two seconds.

use std::fs;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use sriovdp_fake_kubelet::{Config, FakeKubelet, Happening, KubeletVersion};

use crate::kubelet::scene::{
    Kind, MANY, POOL, Scene, config, ends_well, every_kubelet, kill, resources, without_kubelet,
};
use crate::world::{Daemon, Way, World, built};

every_kubelet!(
    it_starts_before_the_kubelet,
    it_starts_with_the_kubelet,
    it_starts_after_the_kubelet,
    it_ends_before_there_is_a_kubelet,
    it_ends_while_the_kubelet_refuses_it,
    it_ends_while_the_kubelet_is_down,
    it_ends_right_after_a_restart_of_the_kubelet,
    it_is_killed_and_started_many_times,
    it_freezes_as_soon_as_its_sockets_exist,
    it_ends_when_it_thaws,
    it_ends_before_there_is_a_directory,
    it_ends_in_front_of_a_dead_kubelet_socket,
    it_ends_during_an_allocation;
    it_ends_with_many_pools_at_any_moment,
);

async fn it_starts_before_the_kubelet(kind: Kind) {
    let world = without_kubelet(kind.way, kind.pools, 2);
    let daemon = without_directory(&world, kind.way).await;
    let change = |config: &mut Config| config.version = kind.version;
    let kubelet = world.kubelet_with(change).await;
    registered(&kubelet).await;
    assert_eq!(kubelet.violations(), [""; 0]);
    ends_well(&world, daemon).await;
}

/// Not even the kubelet's directory is there, which a plugin could take for another way to register.
async fn without_directory(world: &World, way: Way) -> Daemon {
    let way = match way {
        Way::Watcher => "watcher",
        Way::Register => "register",
    };
    fs::remove_dir_all(world.root().join("var/lib/kubelet")).unwrap();
    let daemon = world.daemon_with(&["--registration", way]);
    daemon.says("waiting for the kubelet's").await;
    daemon
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
    let world = without_kubelet(kind.way, kind.pools, 2);
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
    let scene = Scene::with(kind, MANY, 1, |_| {}).await;
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

async fn it_ends_before_there_is_a_directory(kind: Kind) {
    let world = without_kubelet(kind.way, kind.pools, 2);
    let daemon = without_directory(&world, kind.way).await;
    ends_well(&world, daemon).await;
    assert!(!world.root().join("var/lib/kubelet").exists());
}

async fn it_ends_in_front_of_a_dead_kubelet_socket(kind: Kind) {
    let scene = Scene::new(kind).await;
    scene.stop().await;
    assert!(scene.node().kubelet_socket().exists());
    let daemon = scene.world.daemon();
    daemon
        .says(match kind.way {
            Way::Register => "cannot connect to",
            Way::Watcher => "pool resource=intel.com/pool0",
        })
        .await;
    ends_well(&scene.world, daemon).await;
}

/// The kubelet waits for an answer that its plugin does not have yet.
async fn it_ends_during_an_allocation(kind: Kind) {
    let mut scene = Scene::new(kind).await;
    let gate = scene.world.root().join("gate");
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, &gate, FileType::Fifo, mode, 0).unwrap();
    scene.world.environment("FAULTY_PROVIDER", "allocate=wait");
    scene
        .world
        .environment("FAULTY_GATE", gate.to_str().unwrap());
    scene
        .world
        .provide("faulty", &built("sriovdp_faulty_provider"));
    scene
        .world
        .change("pci 0000:7f:00.0 f0f0:0001 class=120000 driver=fpga");
    let mut resources = resources(scene.pools);
    resources.push(r#"{"resourceName": "slow", "deviceType": "faulty"}"#.to_owned());
    scene.world.configure(&config(&resources));
    let daemon = scene.registered_daemon().await;
    let slow = "intel.com/slow";
    scene.when(slow, |view| view.allocatable() == 1).await;
    let end = async {
        // Whoever opens the gate for writing waits until somebody reads there, which is in the middle of the call.
        let writer = move || fs::File::options().write(true).open(gate);
        let writer = tokio::task::spawn_blocking(writer);
        let held = writer.await.unwrap().unwrap();
        ends_well(&scene.world, daemon).await;
        drop(held);
    };
    let (answer, ()) = tokio::join!(scene.allocate(slow, &["0000:7f:00.0"]), end);
    assert!(answer.is_err(), "{answer:?}");
    scene.no_rule_was_broken();
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
    pools: 1,
};
