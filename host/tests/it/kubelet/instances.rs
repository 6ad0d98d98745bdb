//! Two plugins on one node, as a rolling update has them: one at a time serves, whichever of them ends and however.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sriovdp_fake_kubelet::{Happening, Phase, ResourceView};

use crate::kubelet::scene::{Kind, MANY, POOL, Scene, ends_well, every_kubelet, kill, name};
use crate::world::Daemon;

every_kubelet!(
    an_update_with_surge_hands_over_once,
    an_update_without_surge_hands_over_once,
    the_older_serves_on_when_the_newer_ends,
    the_older_serves_on_when_the_newer_is_killed,
    the_newer_takes_over_when_the_older_is_killed,
    the_newer_takes_over_when_a_frozen_one_is_killed,
    two_that_start_together_agree,
    the_other_takes_over_after_each_restart_of_the_kubelet,
    one_that_waits_ends_as_quickly;
    a_killed_instance_of_many_pools_is_succeeded_in_all_of_them,
);

const WAITS: &str = "another instance of the plugin serves";

/// A second plugin, which has found the first one.
async fn second_daemon(scene: &Scene) -> Daemon {
    let daemon = scene.world.daemon();
    daemon.says(WAITS).await;
    daemon
}

async fn an_update_with_surge_hands_over_once(kind: Kind) {
    let scene = Scene::new(kind).await;
    let older = scene.registered_daemon().await;
    let before = scene.pod("one", 1).await;
    let newer = second_daemon(&scene).await;
    assert_eq!(scene.resource(POOL).unwrap().registrations, 1);
    let sockets = scene.plugin_sockets();
    let mut older = older;
    older.signal(Signal::TERM);
    assert_eq!(older.ended().await.code(), Some(0));
    scene.registered_again(POOL, 2).await;
    assert_eq!(scene.plugin_sockets().len(), sockets.len());
    // The capacity was the same all the time.
    let lists = scene.journal();
    let lists = lists.iter().filter_map(|event| match &event.what {
        Happening::Listed {
            resource, devices, ..
        } => (resource == POOL).then_some(*devices),
        _ => None,
    });
    assert_eq!(lists.collect::<Vec<_>>(), [2, 2]);
    assert_eq!(scene.pod_now("one"), before);
    assert_eq!(scene.pod("two", 1).await.phase, Phase::Running);
    scene.no_rule_was_broken();
    ends_well(&scene.world, newer).await;
}

async fn an_update_without_surge_hands_over_once(kind: Kind) {
    let scene = Scene::new(kind).await;
    for registrations in 1..=3 {
        let daemon = scene.world.daemon();
        scene.registered_again(POOL, registrations).await;
        assert_eq!(scene.resource(POOL).unwrap().registrations, registrations);
        ends_well(&scene.world, daemon).await;
    }
    scene.no_rule_was_broken();
}

async fn the_older_serves_on_when_the_newer_ends(kind: Kind) {
    let scene = Scene::new(kind).await;
    let older = scene.registered_daemon().await;
    let mut newer = second_daemon(&scene).await;
    newer.signal(Signal::TERM);
    assert_eq!(newer.ended().await.code(), Some(0));
    assert_eq!(scene.pod("one", 1).await.phase, Phase::Running);
    assert_eq!(scene.resource(POOL).unwrap().registrations, 1);
    scene.no_rule_was_broken();
    ends_well(&scene.world, older).await;
}

async fn the_older_serves_on_when_the_newer_is_killed(kind: Kind) {
    let scene = Scene::new(kind).await;
    let older = scene.registered_daemon().await;
    let newer = second_daemon(&scene).await;
    kill(newer).await;
    assert_eq!(scene.pod("one", 1).await.phase, Phase::Running);
    // What it left behind is nothing to the next one either.
    let next = second_daemon(&scene).await;
    kill(older).await;
    scene.registered_again(POOL, 2).await;
    scene.no_rule_was_broken();
    ends_well(&scene.world, next).await;
}

async fn the_newer_takes_over_when_the_older_is_killed(kind: Kind) {
    let scene = Scene::new(kind).await;
    let older = scene.registered_daemon().await;
    let before = scene.pod("one", 1).await;
    let newer = second_daemon(&scene).await;
    kill(older).await;
    // Its socket is still there, and nobody listens on it: no event tells of that.
    scene.registered_again(POOL, 2).await;
    let sockets = scene.plugin_sockets().len();
    assert_eq!(sockets, scene.pools, "the dead ones are gone");
    assert_eq!(scene.pod_now("one"), before);
    scene.replica("two", 1).await;
    scene.no_rule_was_broken();
    ends_well(&scene.world, newer).await;
}

/// To whom a frozen process looks as alive as any, for it is.
async fn the_newer_takes_over_when_a_frozen_one_is_killed(kind: Kind) {
    let scene = Scene::new(kind).await;
    let older = scene.registered_daemon().await;
    older.signal(Signal::STOP);
    let newer = second_daemon(&scene).await;
    scene.restart().await.unwrap();
    kill(older).await;
    scene.registered_again(POOL, 2).await;
    ends_well(&scene.world, newer).await;
}

async fn a_killed_instance_of_many_pools_is_succeeded_in_all_of_them(kind: Kind) {
    let scene = Scene::with(kind, MANY, 1, |_| {}).await;
    let older = scene.registered_daemon().await;
    let newer = scene.world.daemon();
    newer.says("pool63.").await;
    kill(older).await;
    for pool in 0..MANY {
        scene.registered_again(&name(pool), 2).await;
    }
    scene.no_rule_was_broken();
    ends_well(&scene.world, newer).await;
}

async fn two_that_start_together_agree(kind: Kind) {
    let scene = Scene::new(kind).await;
    let (one, other) = (scene.world.daemon(), scene.world.daemon());
    one.says(WAITS).await;
    scene.registered().await;
    assert_eq!(scene.plugin_sockets().len(), scene.pools);
    // Nobody knows which of them serves, so each ends once.
    let mut one = one;
    one.signal(Signal::TERM);
    assert_eq!(one.ended().await.code(), Some(0));
    scene.replica("one", 2).await;
    ends_well(&scene.world, other).await;
}

async fn the_other_takes_over_after_each_restart_of_the_kubelet(kind: Kind) {
    let scene = Scene::new(kind).await;
    let older = scene.registered_daemon().await;
    let newer = second_daemon(&scene).await;
    for _ in 0..5 {
        scene.restart().await.unwrap();
        scene.registered().await;
    }
    kill(older).await;
    for pool in 0..scene.pools {
        let lives = |view: &ResourceView| UnixStream::connect(&view.socket).is_ok();
        scene
            .when(&name(pool), |view| view.allocatable() == 2 && lives(view))
            .await;
    }
    ends_well(&scene.world, newer).await;
}

async fn one_that_waits_ends_as_quickly(kind: Kind) {
    let scene = Scene::new(kind).await;
    let older = scene.registered_daemon().await;
    older.signal(Signal::STOP);
    let mut newer = second_daemon(&scene).await;
    let asked = Instant::now();
    newer.signal(Signal::TERM);
    assert_eq!(newer.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert_eq!(
        scene.plugin_sockets().len(),
        scene.pools,
        "the older one's are not its"
    );
    older.signal(Signal::CONT);
    assert_eq!(scene.pod("one", 2).await.phase, Phase::Running);
    ends_well(&scene.world, older).await;
}
