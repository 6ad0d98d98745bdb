//! What a kubelet makes of plugins that fail, of which the plugin of this repository cannot be an example.

mod plugin;

use std::time::Duration;

use sriovdp_fake_kubelet::{EventKind, FakeKubelet, KubeletVersion};
use tempfile::TempDir;
use tonic::Status;

use plugin::{Answers, Calls, Plugin, VF, healthy, kubelet, refusal, register, register_request};

const VERSIONS: [KubeletVersion; 2] = [KubeletVersion::V1_36, KubeletVersion::V1_37];

#[tokio::test]
async fn a_plugin_without_options_is_refused_and_its_resource_does_not_come_into_being() {
    for version in VERSIONS {
        let (kubelet, plugin, _node) = failing(version, without_options()).await;

        let refused = refusal(&kubelet, register_request("vf.sock")).await;

        assert!(
            refused.contains("failed to get device plugin options"),
            "{refused}"
        );
        let asked_once = Calls {
            options: 1,
            listing: 0,
        };
        assert_eq!(plugin.calls(), asked_once);
        assert_eq!(kubelet.resource(VF), None);
    }
}

#[tokio::test]
async fn a_plugin_that_cannot_list_has_no_devices_and_is_not_asked_again() {
    for version in VERSIONS {
        let listing = Err(Status::unimplemented("not today"));
        let answers = Answers {
            listing,
            ..Answers::default()
        };
        let (kubelet, plugin, _node) = failing(version, answers).await;

        register(&kubelet, register_request("vf.sock"))
            .await
            .unwrap();
        let forgotten =
            |event: &sriovdp_fake_kubelet::Event| matches!(event.kind, EventKind::Forgotten { .. });
        kubelet.wait_for_event(forgotten).await.unwrap();

        let vf = kubelet.resource(VF).expect("it is not deleted");
        assert_eq!((vf.allocatable(), vf.capacity()), (0, 0));
        assert_eq!(plugin.calls().listing, 1);
    }
}

#[tokio::test]
async fn a_plugin_whose_list_fails_keeps_its_capacity_for_the_time_of_grace() {
    for version in VERSIONS {
        let (kubelet, plugin, _node) = failing(version, Answers::default()).await;
        register(&kubelet, register_request("vf.sock"))
            .await
            .unwrap();
        kubelet
            .wait_for(VF, |vf| vf.allocatable() == 2)
            .await
            .unwrap();

        plugin.fail_streams(Status::internal("no more"));

        let vf = kubelet.wait_for(VF, |vf| !vf.connected).await.unwrap();
        assert_eq!((vf.allocatable(), vf.capacity()), (0, 2));
        let vf = kubelet.wait_for(VF, |vf| vf.capacity() == 0).await.unwrap();
        assert_eq!(vf.registrations, 1);
        assert_eq!(plugin.calls().listing, 1, "it is not asked again");
    }
}

#[tokio::test]
async fn a_second_plugin_without_options_does_not_harm_the_first() {
    let (kubelet, first, _node) = failing(KubeletVersion::V1_37, Answers::default()).await;
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    kubelet
        .wait_for(VF, |vf| vf.allocatable() == 2)
        .await
        .unwrap();
    let socket = kubelet.node().device_plugins().join("second.sock");
    let _second = Plugin::serve(&socket, without_options());

    refusal(&kubelet, register_request("second.sock")).await;
    first.list(&[healthy("d0"), healthy("d1"), healthy("d2")]);

    kubelet
        .wait_for(VF, |vf| vf.allocatable() == 3)
        .await
        .unwrap();
    kubelet.allocate(VF, &["d2"]).await.unwrap();
}

fn without_options() -> Answers {
    Answers {
        options: Err(Status::internal("no options")),
        ..Answers::default()
    }
}

async fn failing(version: KubeletVersion, answers: Answers) -> (FakeKubelet, Plugin, TempDir) {
    let (kubelet, node) = kubelet(|config| {
        config.version = version;
        config.timing.stop_grace = Duration::from_millis(300);
    })
    .await;
    let socket = kubelet.node().device_plugins().join("vf.sock");
    let plugin = Plugin::serve(&socket, answers);
    (kubelet, plugin, node)
}
