//! Faults on command: what a plugin sees of each.

mod plugin;

use std::io;
use std::time::Duration;

use sriovdp_fake_kubelet::{Error, EventKind};
use sriovdp_proto::deviceplugin::registration_client::RegistrationClient;
use tokio::net::UnixStream;
use tonic::Code;

use plugin::{Plugin, VF, connect, kubelet, refusal, register, register_request, registered};

#[tokio::test]
async fn a_killed_kubelet_leaves_its_socket_behind_and_breaks_every_stream() {
    let (kubelet, plugin, _node) = registered().await;

    kubelet.stop().await;

    plugin.no_streams().await;
    assert!(plugin.socket.exists());
    let refused = UnixStream::connect(kubelet.node().kubelet_socket())
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(!kubelet.resource(VF).unwrap().connected);
}

#[tokio::test]
async fn a_starting_kubelet_removes_sockets_but_no_other_files() {
    let (kubelet, plugin, _node) = registered().await;
    kubelet.stop().await;
    let directory = kubelet.node().device_plugins();
    let file = directory.join("kubelet_internal_checkpoint");
    std::fs::write(&file, "{}").unwrap();
    std::fs::create_dir(directory.join("below")).unwrap();
    let _below = Plugin::in_device_plugins(&kubelet, "below/vf.sock");

    kubelet.start_again().unwrap();

    assert!(!plugin.socket.exists());
    assert!(file.exists());
    assert!(directory.join("below/vf.sock").exists());
    UnixStream::connect(kubelet.node().kubelet_socket())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_restarted_kubelet_knows_the_resource_but_no_device_until_it_is_registered() {
    let (kubelet, plugin, _node) = registered().await;

    kubelet.restart().await.unwrap();

    let vf = kubelet.resource(VF).unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (0, 0));
    drop(plugin);
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    let vf = kubelet
        .wait_for(VF, |vf| vf.registrations == 2 && vf.messages == 1)
        .await
        .unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (2, 2));
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn a_dropped_kubelet_ends_every_stream() {
    let (kubelet, plugin, _node) = registered().await;

    drop(kubelet);

    plugin.no_streams().await;
}

#[tokio::test]
async fn a_stream_can_be_cancelled_while_the_kubelet_stays() {
    let (kubelet, plugin, _node) = registered().await;

    kubelet.cancel_stream(VF).unwrap();

    plugin.no_streams().await;
    let vf = kubelet.wait_for(VF, |vf| !vf.connected).await.unwrap();
    assert_eq!((vf.allocatable(), vf.capacity()), (0, 2));
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn a_plugins_socket_can_be_deleted_which_the_kubelet_does_not_notice() {
    let (kubelet, plugin, _node) = registered().await;

    kubelet.delete_socket(VF).unwrap();

    assert!(!plugin.socket.exists());
    assert!(kubelet.resource(VF).unwrap().connected);
    kubelet.allocate(VF, &["d0"]).await.unwrap();
    assert!(matches!(
        kubelet.delete_socket("example.com/other"),
        Err(Error::UnknownResource { .. })
    ));
}

#[tokio::test]
async fn all_sockets_of_plugins_can_be_deleted() {
    let (kubelet, _node) = kubelet(|config| config.watcher = true).await;
    let one = Plugin::in_device_plugins(&kubelet, "one.sock");
    let other = Plugin::in_registry(&kubelet, "other.sock");

    kubelet.delete_all_sockets().unwrap();

    assert!(!one.socket.exists());
    assert!(!other.socket.exists());
    assert!(kubelet.node().kubelet_socket().exists());
}

#[tokio::test]
async fn a_registration_can_remain_unanswered() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    kubelet.never_answer(true);
    let channel = connect(&kubelet.node().kubelet_socket()).await.unwrap();
    let mut client = RegistrationClient::new(channel);

    let mut request = tonic::Request::new(register_request("vf.sock"));
    request.set_timeout(Duration::from_millis(100));
    let unanswered = client.register(request).await.unwrap_err();

    assert!(
        matches!(unanswered.code(), Code::Cancelled | Code::DeadlineExceeded),
        "{unanswered:?}"
    );
    kubelet.never_answer(false);
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
}

#[tokio::test]
async fn an_unanswered_registration_fails_when_the_kubelet_is_killed() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    kubelet.never_answer(true);
    let channel = connect(&kubelet.node().kubelet_socket()).await.unwrap();
    let mut client = RegistrationClient::new(channel);

    let (registered, ()) = tokio::join!(client.register(register_request("vf.sock")), async {
        kubelet
            .wait_for_event(|event| matches!(event.kind, EventKind::Held { .. }))
            .await
            .unwrap();
        kubelet.stop().await;
    });

    registered.unwrap_err();
}

#[tokio::test]
async fn a_registration_can_be_refused_in_any_words() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    kubelet.refuse_registration(Some("not today"));

    assert_eq!(
        refusal(&kubelet, register_request("vf.sock")).await,
        "not today"
    );

    kubelet.refuse_registration(None);
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
}

#[tokio::test]
async fn the_kubelet_can_support_another_version() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    kubelet.advertise_version("v1");

    assert_eq!(
        refusal(&kubelet, register_request("vf.sock")).await,
        "requested API version \"v1beta1\" is not supported by kubelet. Supported version is [\"v1\"]"
    );
}

#[tokio::test]
async fn the_lives_of_the_kubelet_are_in_the_journal() {
    let (kubelet, _node) = kubelet(|_| ()).await;

    kubelet.restart().await.unwrap();
    kubelet.start_again().unwrap();

    let journal: Vec<_> = kubelet
        .journal()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(
        journal,
        [EventKind::Started, EventKind::Killed, EventKind::Started]
    );
}
