//! Which devices pods have, by the kubelet's pod resources API and its checkpoint.
//!
//! The device plugin API has no call for it. Device-info files are no replacement: they outlive their pods.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use sriovdp_proto::podresources::pod_resources_lister_client::PodResourcesListerClient;
use sriovdp_proto::podresources::{ListPodResourcesRequest, PodResources};

use super::pod_devices::PodDevices;
use super::{checkpoint, http2};

/// A kubelet that takes longer is starting, or overloaded.
const LIST_TIMEOUT: Duration = Duration::from_secs(2);
/// The size of the response that Multus accepts.
const MAX_RESPONSE: usize = 16 << 20;

/// Why the devices of pods cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PodResourcesError {
    /// The call on the kubelet's socket failed.
    #[error("cannot list the pod resources of the kubelet at `{}`", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: anyhow::Error,
    },
    /// The file exists and cannot be read.
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
    /// Lists the pod resources on the kubelet's `socket`. Reads its `checkpoint` instead where the socket is missing or
    /// unresponsive, or lists no pod: a kubelet that has just started responds before it has read its pods. Where both
    /// are missing, no pod has a device.
    ///
    /// # Errors
    ///
    /// When one of them exists, and neither can be read.
    pub async fn read(socket: &Path, checkpoint: &Path) -> Result<Self, PodResourcesError> {
        let listed = match tokio::time::timeout(LIST_TIMEOUT, list(socket)).await {
            Ok(listed) => listed,
            Err(elapsed) => Err(elapsed.into()),
        };
        let error = match listed {
            Ok(Some(devices)) => return Ok(devices),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        match (checkpoint::read(checkpoint.to_owned()).await, error) {
            (Ok(devices), _) => Ok(devices),
            (Err(source), _) if source.kind() != io::ErrorKind::NotFound => {
                Err(PodResourcesError::Checkpoint {
                    path: checkpoint.to_owned(),
                    source,
                })
            }
            (Err(_), Some(source)) if socket.exists() => Err(PodResourcesError::Socket {
                path: socket.to_owned(),
                source,
            }),
            (Err(_), _) => Ok(Self::default()),
        }
    }

    /// Parses the text of a checkpoint.
    ///
    /// # Errors
    ///
    /// When it is no checkpoint.
    pub fn from_checkpoint(text: impl io::Read) -> io::Result<Self> {
        checkpoint::parse(text)
    }
}

/// The devices of one container under one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContainerDevices {
    /// The namespace of its pod.
    pub namespace: String,
    /// The name of its pod.
    pub pod: String,
    /// Its name.
    pub container: String,
    /// The resource.
    pub resource: String,
    /// The devices.
    pub devices: Vec<String>,
}

impl ContainerDevices {
    /// Lists the devices of all containers, for people; [`PodDevices`] is what a plugin decides by.
    ///
    /// # Errors
    ///
    /// When the kubelet does not answer on its `socket`.
    pub async fn list(socket: &Path) -> Result<Vec<Self>, PodResourcesError> {
        let listed = match tokio::time::timeout(LIST_TIMEOUT, pods(socket)).await {
            Ok(listed) => listed,
            Err(elapsed) => Err(elapsed.into()),
        };
        let pods = listed.map_err(|source| PodResourcesError::Socket {
            path: socket.to_owned(),
            source,
        })?;
        let mut all = Vec::new();
        for pod in pods {
            for container in pod.containers {
                all.extend(container.devices.into_iter().map(|devices| Self {
                    namespace: pod.namespace.clone(),
                    pod: pod.name.clone(),
                    container: container.name.clone(),
                    resource: devices.resource_name,
                    devices: devices.device_ids,
                }));
            }
        }
        Ok(all)
    }
}

/// What the kubelet lists, if it lists any pod.
async fn list(socket: &Path) -> Result<Option<PodDevices>, anyhow::Error> {
    let pods = pods(socket).await?;
    if pods.is_empty() {
        return Ok(None);
    }
    let containers = pods.into_iter().flat_map(|pod| pod.containers);
    let mut listed = PodDevices::default();
    for devices in containers.flat_map(|container| container.devices) {
        listed.add(&devices.resource_name, devices.device_ids);
    }
    Ok(Some(listed.normalized()))
}

async fn pods(socket: &Path) -> Result<Vec<PodResources>, anyhow::Error> {
    let call = http2::connect(socket, |kubelet| async {
        let client = PodResourcesListerClient::with_origin(kubelet, http2::localhost());
        let mut client = client.max_decoding_message_size(MAX_RESPONSE);
        client.list(ListPodResourcesRequest {}).await
    });
    Ok(call.await??.into_inner().pod_resources)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kubelet's directory, without a socket.
    struct Kubelet(tempfile::TempDir);

    impl Kubelet {
        fn with(checkpoint: Option<&str>) -> Self {
            let kubelet = Self(tempfile::tempdir().unwrap());
            if let Some(text) = checkpoint {
                std::fs::write(kubelet.checkpoint(), text).unwrap();
            }
            kubelet
        }

        fn socket(&self) -> PathBuf {
            self.0.path().join("kubelet.sock")
        }

        fn checkpoint(&self) -> PathBuf {
            self.0.path().join("kubelet_internal_checkpoint")
        }

        async fn read(&self) -> Result<PodDevices, PodResourcesError> {
            PodDevices::read(&self.socket(), &self.checkpoint()).await
        }
    }

    #[tokio::test]
    async fn a_checkpoint_as_kubelets_write_it() {
        let kubelet = Kubelet::with(Some(
            r#"{"Data":{"PodDeviceEntries":[
                {"PodUID":"u","ContainerName":"c","ResourceName":"intel.com/a","DeviceIDs":{"-1":["x"],"0":["y"]},"AllocResp":"CgA="},
                {"PodUID":"v","ContainerName":"c","ResourceName":"intel.com/b","DeviceIDs":{"1":["y"]},"AllocResp":""}
            ],"RegisteredDevices":{"intel.com/a":["x","y","z"]}},"Checksum":123456789012345}"#,
        ));
        let devices = kubelet.read().await.unwrap();
        assert!(devices.is_in_use("intel.com/a", "x") && !devices.is_in_use("intel.com/b", "x"));
        assert_eq!(devices.resources_of("y"), ["intel.com/a", "intel.com/b"]);
        assert_eq!(devices.resources_of("z"), [""; 0]);
        let kubelet = Kubelet::with(Some(
            r#"{"Data":{"PodDeviceEntries":null,"RegisteredDevices":{}},"Checksum":1}"#,
        ));
        assert_eq!(kubelet.read().await.unwrap(), PodDevices::default());
    }

    #[tokio::test]
    async fn missing_and_broken_sources() {
        let kubelet = Kubelet::with(None);
        assert_eq!(kubelet.read().await.unwrap(), PodDevices::default());
        let kubelet = Kubelet::with(Some("{\"Data\":"));
        let error = kubelet.read().await.unwrap_err();
        assert!(
            matches!(error, PodResourcesError::Checkpoint { .. }),
            "{error}"
        );
        // A kubelet that was killed leaves its socket behind.
        let kubelet = Kubelet::with(None);
        drop(std::os::unix::net::UnixListener::bind(kubelet.socket()).unwrap());
        let error = kubelet.read().await.unwrap_err();
        assert!(matches!(error, PodResourcesError::Socket { .. }), "{error}");
    }
}
