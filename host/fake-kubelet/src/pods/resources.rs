//! The two sources of the devices of pods: the kubelet's pod resources socket, and its checkpoint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use sriovdp_proto::podresources as pr;
use sriovdp_proto::podresources::pod_resources_lister_server::{
    PodResourcesLister, PodResourcesListerServer,
};
use tokio::net::UnixListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::connection::Connection;
use crate::error::Error;
use crate::node;
use crate::node::CHECKPOINT;
use crate::process::Process;
use crate::shared::Shared;

/// The pod that the plugin is in.
const PLUGIN: &str = "device-plugin";

/// Writes what a kubelet that starts again reads.
pub(super) fn write_checkpoint(shared: &Shared) -> std::io::Result<()> {
    let state = shared.state();
    let entries = state.pods.holding().map(|(pod, devices)| {
        json!({
            "PodUID": pod,
            "ContainerName": devices.container,
            "ResourceName": devices.resource,
            "DeviceIDs": {"-1": devices.ids},
            "AllocResp": "",
        })
    });
    let entries: Vec<_> = entries.collect();
    let checkpoint = json!({
        "Data": {"PodDeviceEntries": entries, "RegisteredDevices": {}},
        "Checksum": 0,
    });
    let path = shared.node.device_plugins().join(CHECKPOINT);
    std::fs::write(path, checkpoint.to_string())
}

/// Serves the pod resources of this kubelet's life.
pub(crate) fn serve(shared: Arc<Shared>, process: &Process) -> Result<(), Error> {
    let path = shared.node.locate(Path::new(pr::SOCKET));
    if let Some(directory) = path.parent() {
        node::create_directory(directory)?;
    }
    node::remove_socket(&path)?;
    let listener = UnixListener::bind(&path).map_err(|source| Error::Listen { path, source })?;
    let of_process = process.clone();
    let connections = UnixListenerStream::new(listener)
        .map(move |accepted| accepted.map(|stream| Connection::accepted(&of_process, stream)));
    process.spawn(async move {
        let lister = PodResourcesListerServer::new(Lister(shared));
        // Ends with the process; a listener's failures are its clients' to notice.
        let _ = Server::builder()
            .serve_with_incoming(lister, connections)
            .await;
    });
    Ok(())
}

struct Lister(Arc<Shared>);

#[tonic::async_trait]
impl PodResourcesLister for Lister {
    async fn list(
        &self,
        _: Request<pr::ListPodResourcesRequest>,
    ) -> Result<Response<pr::ListPodResourcesResponse>, Status> {
        self.0.update(|state| state.pod_resources_calls += 1);
        let state = self.0.state();
        // An entry for each device, and none of init containers, which have ended.
        let containers = state.pods.running_devices().map(|(pod, devices)| {
            let of_device = |id: &String| pr::ContainerDevices {
                resource_name: devices.resource.clone(),
                device_ids: vec![id.clone()],
                topology: None,
            };
            let container = pr::ContainerResources {
                name: devices.container.clone(),
                devices: devices.ids.iter().map(of_device).collect(),
                ..Default::default()
            };
            (pod, container)
        });
        if !state.pods_known {
            return Ok(Response::new(pr::ListPodResourcesResponse::default()));
        }
        // Pods without devices are listed as well, and the plugin is in one.
        let mut by_pod = BTreeMap::from([(PLUGIN, Vec::new())]);
        for (pod, container) in containers {
            by_pod.entry(pod).or_default().push(container);
        }
        let pods = by_pod
            .into_iter()
            .map(|(pod, containers)| pr::PodResources {
                name: pod.to_owned(),
                namespace: "default".to_owned(),
                containers,
            });
        let pod_resources = pods.collect();
        Ok(Response::new(pr::ListPodResourcesResponse {
            pod_resources,
        }))
    }

    async fn get_allocatable_resources(
        &self,
        _: Request<pr::AllocatableResourcesRequest>,
    ) -> Result<Response<pr::AllocatableResourcesResponse>, Status> {
        Err(Status::unimplemented("plugins do not call this"))
    }

    async fn get(
        &self,
        _: Request<pr::GetPodResourcesRequest>,
    ) -> Result<Response<pr::GetPodResourcesResponse>, Status> {
        Err(Status::unimplemented("plugins do not call this"))
    }
}
