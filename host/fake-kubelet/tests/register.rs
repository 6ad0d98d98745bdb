//! `Register`: what the kubelet accepts, what it refuses, and in which words.

mod plugin;

use sriovdp_fake_kubelet::{EventKind, RegistrationMode};
use sriovdp_proto::deviceplugin::RegisterRequest;
use tokio::net::UnixListener;
use tonic::Status;

use plugin::{Answers, Plugin, VF, kubelet, refusal, register, register_request};

#[tokio::test]
async fn a_plugin_that_registers_is_asked_for_its_list() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");

    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();

    let vf = kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();
    assert!(vf.connected);
    assert_eq!((vf.allocatable(), vf.capacity()), (2, 2));
    assert_eq!(vf.device("d1").unwrap().numa, [1]);
    assert_eq!(vf.endpoint, "vf.sock");
    assert_eq!(vf.mode, RegistrationMode::Register);
    assert_eq!(vf.registrations, 1);
    assert!(vf.options.get_preferred_allocation_available);
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn another_version_is_refused() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let request = RegisterRequest {
        version: "v1alpha1".to_owned(),
        ..register_request("vf.sock")
    };

    assert_eq!(
        refusal(&kubelet, request).await,
        "requested API version \"v1alpha1\" is not supported by kubelet. Supported version is [\"v1beta1\"]"
    );
    assert!(kubelet.resource(VF).is_none());
}

#[tokio::test]
async fn a_name_that_is_no_extended_resource_is_refused() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let request = RegisterRequest {
        resource_name: "vf".to_owned(),
        ..register_request("vf.sock")
    };

    let message = refusal(&kubelet, request).await;

    assert_eq!(message, "the ResourceName \"vf\" is invalid");
    let refused = kubelet.journal().pop().unwrap();
    assert_eq!(
        refused.kind,
        EventKind::Refused {
            resource: "vf".to_owned(),
            endpoint: "vf.sock".to_owned(),
            mode: RegistrationMode::Register,
            message,
        }
    );
}

#[tokio::test]
async fn an_endpoint_that_nobody_listens_on_is_refused_after_the_dial_limit() {
    let (kubelet, _node) = kubelet(|_| ()).await;

    assert_eq!(
        refusal(&kubelet, register_request("vf.sock")).await,
        "failed to dial device plugin: context deadline exceeded"
    );
}

#[tokio::test]
async fn a_plugin_that_listens_but_does_not_serve_is_refused_after_the_dial_limit() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _listener = UnixListener::bind(kubelet.node().device_plugins().join("vf.sock")).unwrap();

    assert_eq!(
        refusal(&kubelet, register_request("vf.sock")).await,
        "failed to dial device plugin: context deadline exceeded"
    );
}

#[tokio::test]
async fn an_absolute_endpoint_is_looked_for_below_the_directory() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    let absolute = plugin.socket.to_str().unwrap();

    assert_eq!(
        refusal(&kubelet, register_request(absolute)).await,
        "failed to dial device plugin: context deadline exceeded"
    );
}

#[tokio::test]
async fn a_plugin_without_options_is_refused_and_not_listed() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _plugin = Plugin::serve(
        &kubelet.node().device_plugins().join("vf.sock"),
        Answers {
            options: Err(Status::internal("no options today")),
            ..Answers::default()
        },
    );

    assert_eq!(
        refusal(&kubelet, register_request("vf.sock")).await,
        "failed to get device plugin options: rpc error: code = Internal desc = no options today"
    );
    assert!(kubelet.resource(VF).is_none());
}
