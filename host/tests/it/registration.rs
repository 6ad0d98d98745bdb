//! Whatever the kubelet does, the pools are registered in the end.

use std::time::Duration;

use rustix::process::Signal;
use sriovdp_fake_kubelet::{Authority, FakeKubelet, Happening, KubeletVersion};

use crate::world::{CAPTURED, Way, World, both_ways};

both_ways!(
    the_kubelet_comes_later,
    a_kubelet_restart_ends_in_a_registered_plugin,
    two_restarts_within_a_second_fifty_times,
    a_deleted_socket_is_made_anew,
    all_sockets_deleted_at_once,
    a_cancelled_stream_ends_in_a_registration,
    a_refused_registration_is_tried_again,
    an_older_kubelet_takes_it_as_well,
    the_end_is_orderly,
);

const POOL: &str = "intel.com/a";
const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}},
    {"resourceName": "b", "selectors": {"pfNames": ["eth3"]}}
]}"#;

fn world(way: Way) -> World {
    World::with_config(CAPTURED, way, CONFIG)
}

/// Both pools are registered, and asked for their devices, for at least the `times`th time.
async fn registered(kubelet: &FakeKubelet, times: usize) {
    for (pool, devices) in [(POOL, 4), ("intel.com/b", 2)] {
        let wanted = kubelet
            .wait_for(pool, |view| {
                view.registrations >= times && view.allocatable() == devices
            })
            .await;
        if let Err(timeout) = wanted {
            panic!("{timeout}");
        }
    }
}

async fn the_kubelet_comes_later(way: Way) {
    let world = world(way);
    let daemon = world.daemon();
    daemon.says("pool resource=intel.com/b").await;
    let kubelet = world.kubelet().await;
    registered(&kubelet, 1).await;
}

async fn a_kubelet_restart_ends_in_a_registered_plugin(way: Way) {
    let world = world(way);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    registered(&kubelet, 1).await;
    kubelet.restart().await.unwrap();
    registered(&kubelet, 2).await;
    kubelet.allocate(POOL, &["0000:41:10.0"]).await.unwrap();
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn two_restarts_within_a_second_fifty_times(way: Way) {
    let world = world(way);
    let kubelet = world.kubelet().await;
    let mut daemon = world.daemon();
    registered(&kubelet, 1).await;
    for _ in 0..50 {
        kubelet.restart().await.unwrap();
        kubelet.restart().await.unwrap();
        registered(&kubelet, 1).await;
    }
    assert!(daemon.is_running());
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn a_deleted_socket_is_made_anew(way: Way) {
    let world = world(way);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    registered(&kubelet, 1).await;
    kubelet.delete_socket(POOL).unwrap();
    let view = kubelet
        .wait_for(POOL, |view| {
            view.registrations == 2 && view.allocatable() == 4
        })
        .await
        .unwrap();
    assert!(view.socket.exists());
    assert_eq!(
        kubelet.resource("intel.com/b").unwrap().registrations,
        1,
        "the other pool is left alone"
    );
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn all_sockets_deleted_at_once(way: Way) {
    let world = world(way);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    registered(&kubelet, 1).await;
    kubelet.delete_all_sockets().unwrap();
    registered(&kubelet, 2).await;
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn a_cancelled_stream_ends_in_a_registration(way: Way) {
    let world = world(way);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    registered(&kubelet, 1).await;
    kubelet.cancel_stream(POOL).unwrap();
    kubelet
        .wait_for(POOL, |view| {
            view.registrations == 2 && view.allocatable() == 4
        })
        .await
        .unwrap();
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn a_refused_registration_is_tried_again(way: Way) {
    let world = world(way);
    let kubelet = world.kubelet().await;
    kubelet.refuse_registration(Some("the kubelet is not in the mood"));
    let daemon = world.daemon();
    daemon.says("the kubelet is not in the mood").await;
    kubelet.refuse_registration(None);
    registered(&kubelet, 1).await;
}

async fn an_older_kubelet_takes_it_as_well(way: Way) {
    let world = world(way);
    let kubelet = world
        .kubelet_with(|config| config.version = KubeletVersion::V1_36)
        .await;
    let _daemon = world.daemon();
    registered(&kubelet, 1).await;
    for _ in 0..3 {
        kubelet.cancel_stream("intel.com/b").unwrap();
        kubelet.restart().await.unwrap();
        registered(&kubelet, 1).await;
    }
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn the_end_is_orderly(way: Way) {
    let world = world(way);
    let kubelet = world.kubelet().await;
    let mut daemon = world.daemon();
    registered(&kubelet, 1).await;
    let sockets: Vec<_> = [POOL, "intel.com/b"]
        .map(|pool| kubelet.resource(pool).unwrap().socket)
        .into();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert!(
        sockets.iter().all(|socket| !socket.exists()),
        "sockets are removed"
    );
    let clean_end = |reason: &str| reason == "EOF";
    let ends = kubelet
        .wait_for(POOL, |view| !view.connected)
        .await
        .map(|_| kubelet.journal())
        .unwrap();
    let reasons = ends.iter().filter_map(|event| match &event.what {
        Happening::StreamEnded { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    for reason in reasons {
        assert!(clean_end(reason), "the stream ended with `{reason}`");
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
            let world = world(Way::Watcher);
            let kubelet = world
                .kubelet_with(|config| config.authority = authority.clone())
                .await;
            kubelet.write_in_chunks(pieces);
            let _daemon = world.daemon();
            registered(&kubelet, 1).await;
        }
    }
}

/// The kubelet looks once a second; what it sees then must not change because it was asked to look twice.
#[tokio::test]
async fn duplicate_events_of_the_watcher() {
    let world = world(Way::Watcher);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon();
    registered(&kubelet, 1).await;
    kubelet.duplicate_watcher_events();
    registered(&kubelet, 2).await;
    kubelet.allocate(POOL, &["0000:41:10.0"]).await.unwrap();
}

/// A kubelet that was killed leaves a socket that refuses, and one that hangs accepts and says nothing.
#[tokio::test]
async fn a_dead_and_a_silent_kubelet() {
    let world = world(Way::Register);
    let kubelet = world.kubelet().await;
    kubelet.stop().await;
    let mut daemon = world.daemon();
    daemon.says("cannot connect to").await;
    kubelet.never_answer(true);
    kubelet.start_again().unwrap();
    daemon.says("pool resource=intel.com/b").await;
    assert!(daemon.is_running());
    // The end is as quick while a registration hangs.
    let asked = std::time::Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(2));
}

/// Both at once would be two registrations of one resource.
#[tokio::test]
async fn a_flag_forces_one_way() {
    let world = world(Way::Watcher);
    let kubelet = world.kubelet().await;
    let _daemon = world.daemon_with(&["--registration", "register"]);
    registered(&kubelet, 1).await;
    let view = kubelet.resource(POOL).unwrap();
    assert_eq!(view.way, sriovdp_fake_kubelet::Way::Register);
}
