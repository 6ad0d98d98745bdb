//! Which devices pods have, by the kubelet's books.
//!
//! The device plugin interface never says so. The kubelet does, on its socket for pod resources, and in the checkpoint
//! that it keeps beside the sockets of the plugins. Device-info files are no answer: they stay when their pod ends.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sriovdp_proto::podresources::ListPodResourcesRequest;
use sriovdp_proto::podresources::pod_resources_lister_client::PodResourcesListerClient;

use super::{checkpoint, http2};
use crate::host_paths::HostPaths;
use sriovdp_providers::blocking;

/// A look waits for the answer. A kubelet that takes longer is starting, or has other troubles.
const PATIENCE: Duration = Duration::from_secs(2);
/// As much as Multus takes of the kubelet's answer.
const LARGEST: usize = 16 << 20;

/// The resources by whose name pods have a device, by the device's id. More than one is possible where a device has
/// changed its pool and a pod of the earlier one has not been forgotten yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodDevices(HashMap<String, Vec<String>>);

/// Why the books cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PodResourcesError {
    /// The kubelet's socket is there and does not answer.
    #[error("cannot ask the kubelet at `{}` which devices are in use", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What it said, or what the connection failed with.
        #[source]
        source: anyhow::Error,
    },
    /// The checkpoint is there and cannot be understood.
    #[error("cannot read the kubelet's checkpoint `{}`", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl sriovdp_report::Hint for PodResourcesError {}

impl PodDevices {
    /// Reads the kubelet's books: its socket for pod resources, and its checkpoint where that is not there, unresponsive, or
    /// does not know of any pod: a kubelet that has just started answers before it has heard which pods it has. A kubelet
    /// without either has given no device to anybody.
    ///
    /// # Errors
    ///
    /// When one of them is there, and neither can be read.
    pub async fn read(tree: &HostPaths) -> Result<Self, PodResourcesError> {
        let socket = tree.real(tree.pod_resources_socket());
        let checkpoint = tree.real(tree.checkpoint());
        let asked = match tokio::time::timeout(PATIENCE, ask(&socket)).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(elapsed.into()),
        };
        let error = match asked {
            Ok(Some(held)) => return Ok(held),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let file = checkpoint.clone();
        match (blocking::run(move || checkpoint::read(&file)).await, error) {
            (Ok(held), _) => Ok(held),
            (Err(source), _) if source.kind() != io::ErrorKind::NotFound => {
                Err(PodResourcesError::Checkpoint {
                    path: checkpoint,
                    source,
                })
            }
            (Err(_), Some(error)) if socket.exists() => Err(PodResourcesError::Socket {
                path: socket,
                source: error,
            }),
            (Err(_), _) => Ok(Self::default()),
        }
    }

    /// Whether no pod has any device.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By the name of which resources pods have the device.
    pub fn holders(&self, id: &str) -> &[String] {
        self.0.get(id).map_or(&[], Vec::as_slice)
    }

    /// Whether a pod has the device by the name of `resource`.
    pub fn holds(&self, resource: &str, id: &str) -> bool {
        self.holders(id).iter().any(|holder| holder == resource)
    }

    /// All devices that pods have, with the names of the resources.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0
            .iter()
            .map(|(id, holders)| (id.as_str(), holders.as_slice()))
    }

    pub(super) fn add(&mut self, resource: &str, ids: impl IntoIterator<Item = String>) {
        for id in ids {
            let holders = self.0.entry(id).or_default();
            if !holders.iter().any(|holder| holder == resource) {
                holders.push(resource.to_owned());
            }
        }
    }
}

/// What the kubelet answers, if it knows of any pod.
async fn ask(socket: &Path) -> Result<Option<PodDevices>, anyhow::Error> {
    let call = http2::dial(socket, |kubelet| async {
        let client = PodResourcesListerClient::with_origin(kubelet, http2::localhost());
        let mut client = client.max_decoding_message_size(LARGEST);
        client.list(ListPodResourcesRequest {}).await
    });
    let pods = call.await??.into_inner().pod_resources;
    if pods.is_empty() {
        return Ok(None);
    }
    let containers = pods.into_iter().flat_map(|pod| pod.containers);
    let mut held = PodDevices::default();
    for devices in containers.flat_map(|container| container.devices) {
        held.add(&devices.resource_name, devices.device_ids);
    }
    Ok(Some(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(checkpoint: Option<&str>) -> (tempfile::TempDir, HostPaths) {
        let dir = tempfile::tempdir().unwrap();
        let tree = HostPaths::new(dir.path(), "/var/lib/kubelet");
        let path = tree.real(tree.checkpoint());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Some(text) = checkpoint {
            std::fs::write(path, text).unwrap();
        }
        (dir, tree)
    }

    #[tokio::test]
    async fn a_checkpoint_as_kubelets_write_it() {
        let (_dir, tree) = node(Some(
            r#"{"Data":{"PodDeviceEntries":[
                {"PodUID":"u","ContainerName":"c","ResourceName":"intel.com/a","DeviceIDs":{"-1":["x"],"0":["y"]},"AllocResp":"CgA="},
                {"PodUID":"v","ContainerName":"c","ResourceName":"intel.com/b","DeviceIDs":{"1":["y"]},"AllocResp":""}
            ],"RegisteredDevices":{"intel.com/a":["x","y","z"]}},"Checksum":123456789012345}"#,
        ));
        let held = PodDevices::read(&tree).await.unwrap();
        assert!(held.holds("intel.com/a", "x") && !held.holds("intel.com/b", "x"));
        assert_eq!(held.holders("y"), ["intel.com/a", "intel.com/b"]);
        assert_eq!(held.holders("z"), [""; 0]);
        let (_dir, tree) = node(Some(
            r#"{"Data":{"PodDeviceEntries":null,"RegisteredDevices":{}},"Checksum":1}"#,
        ));
        assert_eq!(
            PodDevices::read(&tree).await.unwrap(),
            PodDevices::default()
        );
    }

    #[tokio::test]
    async fn no_books_and_broken_ones() {
        let (_dir, tree) = node(None);
        assert_eq!(
            PodDevices::read(&tree).await.unwrap(),
            PodDevices::default()
        );
        let (_dir, tree) = node(Some("{\"Data\":"));
        let error = PodDevices::read(&tree).await.unwrap_err();
        assert!(
            matches!(error, PodResourcesError::Checkpoint { .. }),
            "{error}"
        );
        // A kubelet that was killed leaves its socket behind.
        let (_dir, tree) = node(None);
        let socket = tree.real(tree.pod_resources_socket());
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let error = PodDevices::read(&tree).await.unwrap_err();
        assert!(matches!(error, PodResourcesError::Socket { .. }), "{error}");
    }
}
