//! `ListAndWatch`: what a list does, what the end of the stream does, and the rules for lists.

mod plugin;

use std::time::Duration;

use sriovdp_fake_kubelet::EventKind;
use sriovdp_proto::deviceplugin::Device;

use plugin::{Plugin, VF, healthy, kubelet, register, register_request, registered, unhealthy};

#[tokio::test]
async fn every_list_replaces_the_one_before() {
    let (kubelet, plugin, _node) = registered().await;

    plugin.list(&[healthy("d0"), unhealthy("d1")]);
    let vf = kubelet.wait_for(VF, |vf| vf.messages == 2).await.unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (1, 2));

    plugin.list(&[healthy("d0")]);
    let vf = kubelet.wait_for(VF, |vf| vf.messages == 3).await.unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (1, 1));
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn the_end_of_the_stream_makes_all_devices_unhealthy_and_is_final() {
    let (kubelet, plugin, _node) = registered().await;

    plugin.end_streams(&[healthy("d0")]);

    let vf = kubelet.wait_for(VF, |vf| !vf.connected).await.unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (0, 2));
    let ended = kubelet.journal().into_iter().rev().nth(1).unwrap();
    assert_eq!(
        ended.kind,
        EventKind::StreamEnded {
            resource: VF.to_owned(),
            endpoint: "vf.sock".to_owned(),
            reason: "EOF".to_owned(),
        }
    );

    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    let vf = kubelet
        .wait_for(VF, |vf| vf.registrations == 2 && vf.messages == 1)
        .await
        .unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (1, 1));
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn devices_are_forgotten_when_the_plugin_stays_away() {
    let (kubelet, _node) =
        kubelet(|config| config.timing.stop_grace = Duration::from_millis(20)).await;
    let plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();

    drop(plugin);

    let vf = kubelet.wait_for(VF, |vf| vf.capacity() == 0).await.unwrap();
    assert!(!vf.connected);
}

#[tokio::test]
async fn an_id_that_is_listed_twice_is_a_violation_and_counted_twice() {
    let (kubelet, plugin, _node) = registered().await;

    plugin.list(&[healthy("d0"), healthy("d1"), unhealthy("d0")]);

    let vf = kubelet.wait_for(VF, |vf| vf.messages == 2).await.unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (2, 3));
    assert_eq!(kubelet.violations(), ["`example.com/vf` lists `d0` twice"]);
}

#[tokio::test]
async fn a_list_that_says_nothing_new_is_a_violation() {
    let (kubelet, plugin, _node) = registered().await;

    plugin.list(&[healthy("d1"), healthy("d0")]);

    kubelet.wait_for(VF, |vf| vf.messages == 2).await.unwrap();
    assert_eq!(
        kubelet.violations(),
        ["`example.com/vf` sent the same list twice in a row"]
    );
}

#[tokio::test]
async fn a_healthy_device_that_leaves_the_list_is_a_violation() {
    let (kubelet, plugin, _node) = registered().await;

    plugin.list(&[healthy("d1")]);

    kubelet.wait_for(VF, |vf| vf.messages == 2).await.unwrap();
    assert_eq!(
        kubelet.violations(),
        ["`example.com/vf` dropped `d0`, which was healthy"]
    );
}

#[tokio::test]
async fn a_list_of_more_than_four_mebibytes_ends_the_stream() {
    let (kubelet, plugin, _node) = registered().await;
    let devices: Vec<Device> = (0..100_000)
        .map(|index| healthy(&format!("0000:00:00.0-and-more-{index}")))
        .collect();

    plugin.list(&devices);

    let vf = kubelet.wait_for(VF, |vf| !vf.connected).await.unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (0, 2));
}

#[tokio::test]
async fn what_does_not_happen_is_reported_with_the_last_state_and_the_journal() {
    let (kubelet, _node) =
        kubelet(|config| config.timing.wait_timeout = Duration::from_millis(200)).await;
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();

    let timeout = kubelet.wait_for(VF, |_| false).await.unwrap_err();

    let report = timeout.to_string();
    for part in [
        "no such state of `example.com/vf` within 200ms",
        "last state: 2/2 connected, 1 registrations, 1 lists, at `vf.sock`: +d0 +d1",
        "kubelet started",
        "`example.com/vf` registered through `Register` at `vf.sock`",
        "`example.com/vf` listed 2 devices, 2 healthy",
    ] {
        assert!(report.contains(part), "{part:?} in {report}");
    }
}
