//! The pods that have devices, and the two places where a kubelet tells so: its socket for pod resources, and its
//! checkpoint.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use sriovdp_proto::deviceplugin::ContainerAllocateResponse;
use sriovdp_proto::podresources as pr;
use sriovdp_proto::podresources::pod_resources_lister_server::{
    PodResourcesLister, PodResourcesListerServer,
};
use tokio::net::UnixListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::error::Error;
use crate::kubelet::FakeKubelet;
use crate::node;
use crate::process::Process;
use crate::shared::Shared;
use crate::wire::Wire;

/// By the pod's name: the resource and the devices of its one container.
pub(crate) type Pods = BTreeMap<String, (String, Vec<String>)>;

const CHECKPOINT: &str = "kubelet_internal_checkpoint";

impl FakeKubelet {
    /// Admits a pod with one container: asks the plugin for the devices, and notes that the pod has them until
    /// [`end_pod`](Self::end_pod). Restarts of the kubelet do not change that.
    pub async fn admit(
        &self,
        pod: &str,
        resource: &str,
        ids: &[&str],
    ) -> Result<ContainerAllocateResponse, Status> {
        let container = self.allocate(resource, ids).await?;
        let ids = ids.iter().map(|&id| id.to_owned()).collect();
        let devices = (resource.to_owned(), ids);
        self.shared
            .update(|books| books.pods.insert(pod.to_owned(), devices));
        self.write_checkpoint()?;
        Ok(container)
    }

    /// The pod has ended, and its devices are free. The plugin is not told.
    pub fn end_pod(&self, pod: &str) -> Result<(), Status> {
        self.shared.update(|books| books.pods.remove(pod));
        self.write_checkpoint()
    }

    fn write_checkpoint(&self) -> Result<(), Status> {
        let books = self.shared.books();
        let entries = books.pods.iter().map(|(pod, (resource, ids))| {
            json!({
                "PodUID": pod,
                "ContainerName": "main",
                "ResourceName": resource,
                "DeviceIDs": {"-1": ids},
                "AllocResp": "",
            })
        });
        let entries: Vec<_> = entries.collect();
        let checkpoint = json!({
            "Data": {"PodDeviceEntries": entries, "RegisteredDevices": {}},
            "Checksum": 0,
        });
        let path = self.shared.node.device_plugins().join(CHECKPOINT);
        std::fs::write(path, checkpoint.to_string())?;
        Ok(())
    }
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
        .map(move |accepted| accepted.map(|stream| Wire::accepted(&of_process, stream)));
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
        self.0.update(|books| books.pod_resources_asked += 1);
        let books = self.0.books();
        let pods = books.pods.iter().map(|(pod, (resource, ids))| {
            let devices = pr::ContainerDevices {
                resource_name: resource.clone(),
                device_ids: ids.clone(),
                topology: None,
            };
            let container = pr::ContainerResources {
                name: "main".to_owned(),
                devices: vec![devices],
                ..Default::default()
            };
            pr::PodResources {
                name: pod.clone(),
                namespace: "default".to_owned(),
                containers: vec![container],
            }
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
        Err(Status::unimplemented("plugins do not ask for this"))
    }

    async fn get(
        &self,
        _: Request<pr::GetPodResourcesRequest>,
    ) -> Result<Response<pr::GetPodResourcesResponse>, Status> {
        Err(Status::unimplemented("plugins do not ask for this"))
    }
}
