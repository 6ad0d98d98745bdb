//! Devices of pods on the pod resources socket and in the checkpoint.

mod plugin;

use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use sriovdp_fake_kubelet::FakeKubelet;
use sriovdp_proto::podresources::pod_resources_lister_client::PodResourcesListerClient;
use sriovdp_proto::podresources::{ContainerDevices, ListPodResourcesRequest, SOCKET};
use tonic::transport::Endpoint;
use tower::service_fn;

use plugin::{Plugin, VF, kubelet, register, register_request};

/// Pod, resource and devices.
async fn pods(kubelet: &FakeKubelet) -> Vec<(String, String, Vec<String>)> {
    let path: PathBuf = kubelet.node().locate(Path::new(SOCKET));
    let connect = service_fn(move |_| {
        let path = path.clone();
        async move {
            tokio::net::UnixStream::connect(path)
                .await
                .map(TokioIo::new)
        }
    });
    let channel = Endpoint::from_static("http://localhost");
    let channel = channel
        .connect_with_connector(connect)
        .await
        .expect("a connection");
    let mut client = PodResourcesListerClient::new(channel);
    let answer = client
        .list(ListPodResourcesRequest {})
        .await
        .expect("an answer");
    let pods = answer.into_inner().pod_resources.into_iter();
    // Pods without devices are listed as well.
    pods.flat_map(|pod| {
        let containers = pod.containers.into_iter();
        let devices = containers.flat_map(|container| container.devices);
        let with_name = move |devices: ContainerDevices| {
            (pod.name.clone(), devices.resource_name, devices.device_ids)
        };
        devices.map(with_name)
    })
    .collect()
}

#[tokio::test]
async fn a_pod_has_its_devices_until_it_ends() {
    let (kubelet, _node) = kubelet(|_| ()).await;
    let _plugin = Plugin::in_device_plugins(&kubelet, "vf.sock");
    register(&kubelet, register_request("vf.sock"))
        .await
        .unwrap();
    assert_eq!(pods(&kubelet).await, []);

    kubelet
        .run_pod_with("pod", VF, &["d0", "d1"])
        .await
        .unwrap();

    let of_pod = ["d0", "d1"].map(|id| ("pod".to_owned(), VF.to_owned(), vec![id.to_owned()]));
    assert_eq!(pods(&kubelet).await, of_pod);
    let checkpoint = kubelet.node().device_plugins();
    let checkpoint = checkpoint.join("kubelet_internal_checkpoint");
    let written = std::fs::read_to_string(&checkpoint).unwrap();
    assert!(
        written.contains(r#""DeviceIDs":{"-1":["d0","d1"]}"#),
        "{written}"
    );

    kubelet.restart().await.unwrap();
    assert_eq!(pods(&kubelet).await, of_pod, "its pods run on");
    assert!(checkpoint.exists());

    kubelet.forget_pod("pod").unwrap();
    assert_eq!(pods(&kubelet).await, []);
    let written = std::fs::read_to_string(&checkpoint).unwrap();
    assert!(written.contains(r#""PodDeviceEntries":[]"#), "{written}");
}
