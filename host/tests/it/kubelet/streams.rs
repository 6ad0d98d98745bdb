//! Registrations and streams that do not go as they should, between a kubelet that lives and a plugin that lives.

use rustix::process::Signal;
use sriovdp_fake_kubelet::{Authority, Happening, KubeletVersion};

use crate::kubelet::scene::{Kind, MANY, POOL, Scene, ends_well, every_kubelet, id, name, plug};
use crate::world::Way;

every_kubelet!(
    a_refused_registration_is_tried_again_and_its_reason_kept,
    a_cancelled_stream_ends_in_a_registration,
    two_restarts_within_a_second_many_times,
    a_device_that_leaves_during_an_allocation_stays_in_the_list,
    a_change_is_one_more_list_on_the_same_stream,
    a_pool_without_devices_has_a_place_for_those_that_come,
    the_streams_of_a_plugin_that_ends_end_in_order;
    every_stream_of_many_pools_is_cancelled,
);

async fn a_refused_registration_is_tried_again_and_its_reason_kept(kind: Kind) {
    let scene = Scene::new(kind).await;
    scene.refuse_registration(Some("the kubelet is not in the mood"));
    let mut daemon = scene.world.daemon();
    let refusals = |event: &sriovdp_fake_kubelet::Event| matches!(&event.what, Happening::Refused { message, .. } if message.contains("mood"));
    let mut seen = 0;
    while scene
        .journal()
        .iter()
        .filter(|event| refusals(event))
        .count()
        < 3
    {
        seen += scene.events_after(seen).await.len();
    }
    assert!(daemon.is_running());
    let log = daemon.says("the kubelet is not in the mood").await;
    let told = log.matches("not in the mood").count();
    assert!(
        told <= scene.pools,
        "the same reason again is no news:\n{log}"
    );
    scene.refuse_registration(None);
    scene.registered().await;
    // A refusal of one life of the kubelet means nothing in the next.
    scene.refuse_registration(Some("out of order"));
    scene.restart().await.unwrap();
    daemon.says("out of order").await;
    ends_well(&scene.world, daemon).await;
}

async fn a_cancelled_stream_ends_in_a_registration(kind: Kind) {
    let scene = Scene::with(kind, 2, 2, |_| {}).await;
    let _daemon = scene.registered_daemon().await;
    scene.cancel_stream(POOL).unwrap();
    scene.registered_again(POOL, 2).await;
    let other = scene.resource(&name(1)).unwrap();
    assert_eq!(other.registrations, 1, "the other pool is left alone");
    scene.no_rule_was_broken();
}

async fn every_stream_of_many_pools_is_cancelled(kind: Kind) {
    let scene = Scene::with(kind, MANY, 1, |_| {}).await;
    let _daemon = scene.registered_daemon().await;
    for pool in 0..MANY {
        scene.cancel_stream(&name(pool)).unwrap();
    }
    for pool in 0..MANY {
        scene.registered_again(&name(pool), 2).await;
    }
    scene.no_rule_was_broken();
}

async fn two_restarts_within_a_second_many_times(kind: Kind) {
    let scene = Scene::new(kind).await;
    let mut daemon = scene.registered_daemon().await;
    for _ in 0..20 {
        scene.restart().await.unwrap();
        scene.restart().await.unwrap();
        scene.registered().await;
    }
    assert!(daemon.is_running());
    scene.no_rule_was_broken();
    ends_well(&scene.world, daemon).await;
}

/// Kubelets from 1.34 on crash when a device leaves the list meanwhile.
async fn a_device_that_leaves_during_an_allocation_stays_in_the_list(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    // A frozen plugin has not answered yet when its device goes; the list comes as soon as it can.
    daemon.signal(Signal::STOP);
    let first = id(0);
    let ids = [first.as_str()];
    let meanwhile = async {
        plug(&scene, &daemon, 0, false);
        daemon.signal(Signal::CONT);
        scene.when(POOL, |view| view.allocatable() == 1).await
    };
    let (_, view) = tokio::join!(scene.allocate(POOL, &ids), meanwhile);
    assert_eq!(view.capacity(), 2);
    scene.no_rule_was_broken();
}

async fn a_change_is_one_more_list_on_the_same_stream(kind: Kind) {
    let scene = Scene::new(kind).await;
    let daemon = scene.registered_daemon().await;
    plug(&scene, &daemon, 0, false);
    let view = scene.when(POOL, |view| view.allocatable() == 1).await;
    assert_eq!((view.messages, view.registrations), (2, 1));
    scene.no_rule_was_broken();
}

async fn a_pool_without_devices_has_a_place_for_those_that_come(kind: Kind) {
    let scene = Scene::with(kind, 1, 0, |_| {}).await;
    let daemon = scene.registered_daemon().await;
    let view = scene.when(POOL, |view| view.messages == 1).await;
    assert_eq!((view.allocatable(), view.capacity()), (0, 0));
    plug(&scene, &daemon, 0, true);
    let view = scene.when(POOL, |view| view.allocatable() == 1).await;
    assert_eq!((view.messages, view.registrations), (2, 1));
    assert_eq!(scene.pod("pod", 1).await.ids(), [&id(0)]);
    scene.no_rule_was_broken();
}

async fn the_streams_of_a_plugin_that_ends_end_in_order(kind: Kind) {
    let scene = Scene::with(kind, 2, 2, |_| {}).await;
    let daemon = scene.registered_daemon().await;
    ends_well(&scene.world, daemon).await;
    for pool in [POOL.to_owned(), name(1)] {
        scene.when(&pool, |view| !view.connected).await;
    }
    let journal = scene.journal();
    let reasons = journal.iter().filter_map(|event| match &event.what {
        Happening::StreamEnded { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    // The plugin watcher may see the file vanish first, and hang up.
    let hangs_up = kind.way == Way::Watcher;
    for reason in reasons {
        let in_order = reason == "EOF" || hangs_up && reason == "closed by the kubelet";
        assert!(in_order, "the stream ended with `{reason}`");
    }
}

/// However the plugin watcher spells its authority, and however its bytes arrive.
#[tokio::test]
async fn any_authority_in_pieces_of_any_size() {
    for authority in [
        Authority::PercentEncodedPath,
        Authority::Literal("/var/lib/kubelet/plugins_registry/intel.com_a.sock".to_owned()),
        Authority::Literal(String::new()),
        Authority::Literal("localhost".to_owned()),
    ] {
        for pieces in [None, Some(1), Some(7)] {
            let scene = Scene::with(WATCHER, 1, 2, |config| {
                config.authority = authority.clone();
            })
            .await;
            scene.write_in_chunks(pieces);
            scene.registered_daemon().await;
        }
    }
}

/// What the kubelet sees when it looks must not change because it was asked to look twice.
#[tokio::test]
async fn duplicate_events_of_the_watcher() {
    let scene = Scene::new(WATCHER).await;
    let _daemon = scene.registered_daemon().await;
    scene.duplicate_watcher_events();
    scene.registered_again(POOL, 2).await;
    scene.allocate(POOL, &[&id(0)]).await.unwrap();
}

const WATCHER: Kind = Kind {
    way: Way::Watcher,
    version: KubeletVersion::V1_37,
    pools: 1,
};
