//! What the kubelet asks for a pod, and what comes of a list that changes meanwhile.

mod plugin;

use std::sync::Arc;

use sriovdp_proto::deviceplugin::DevicePluginOptions;
use tokio::sync::Semaphore;
use tonic::Code;

use plugin::{Answers, Plugin, VF, healthy, kubelet, register, register_request, unhealthy};

#[tokio::test]
async fn the_ids_are_passed_on_as_they_are() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();

    let container = kubelet.allocate(VF, &["d1", "unknown"]).await.unwrap();

    assert_eq!(container.envs["IDS"], "d1,unknown");
}

#[tokio::test]
async fn what_was_never_registered_cannot_be_allocated() {
    let (kubelet, _node) = kubelet(|_| ()).await;

    let refused = kubelet.allocate(VF, &["d0"]).await.unwrap_err();

    assert_eq!(
        refused.message(),
        "cannot allocate unregistered device example.com/vf"
    );
}

#[tokio::test]
async fn a_preference_is_asked_for_if_the_options_offer_it() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();

    let preferred = kubelet.preferred(VF, &["d0", "d1"], &[], 1).await.unwrap();

    assert_eq!(preferred, ["d1", "d0"]);
}

#[tokio::test]
async fn a_preference_is_not_asked_for_otherwise() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _plugin = Plugin::serve(
        &kubelet.node().device_plugins().join("vf.sock"),
        Answers {
            options: Ok(DevicePluginOptions::default()),
            ..Answers::default()
        },
    );
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();

    let refused = kubelet.preferred(VF, &["d0"], &[], 1).await.unwrap_err();

    assert_eq!(refused.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_device_that_leaves_the_list_during_its_allocation_is_a_violation() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let allocations = Arc::new(Semaphore::new(0));
    let plugin = Plugin::serve(
        &kubelet.node().device_plugins().join("vf.sock"),
        Answers {
            allocations: Arc::clone(&allocations),
            ..Answers::default()
        },
    );
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    kubelet.wait_for(VF, |vf| vf.messages == 1).await.unwrap();

    let meanwhile = async {
        plugin.list(&[unhealthy("d0"), healthy("d1")]);
        kubelet.wait_for(VF, |vf| vf.messages == 2).await.unwrap();
        plugin.list(&[healthy("d1")]);
        kubelet.wait_for(VF, |vf| vf.messages == 3).await.unwrap();
        allocations.add_permits(1);
    };
    let (allocated, ()) = tokio::join!(kubelet.allocate(VF, &["d0"]), meanwhile);

    allocated.unwrap();
    assert_eq!(
        kubelet.violations(),
        ["`example.com/vf` dropped `d0` while it was being allocated; a kubelet since 1.34 panics"]
    );
}
