//! The lines of `kubelet/device-manager`: pods and commands to it, events and answers from it.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sriovdp_proto::deviceplugin::{CdiDevice, ContainerAllocateResponse, DeviceSpec, Mount};

use crate::pods::{ContainerKind, PodSpec};

/// The first line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Boot {
    pub(crate) pods: Vec<Pod>,
    pub(crate) watcher: bool,
    pub(crate) pod_resources: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct Pod {
    name: String,
    uid: String,
    running: bool,
    containers: Vec<Container>,
}

#[derive(Debug, Serialize)]
struct Container {
    name: String,
    kind: &'static str,
    resource: String,
    count: usize,
}

impl Pod {
    pub(crate) fn new(spec: &PodSpec, uid: &str, running: bool) -> Self {
        let containers = spec.containers.iter().map(|container| Container {
            name: container.name.clone(),
            kind: match container.kind {
                ContainerKind::Init => "init",
                ContainerKind::Sidecar => "sidecar",
                ContainerKind::App => "app",
            },
            resource: container.resource.clone(),
            count: container.count,
        });
        Self {
            name: spec.name.clone(),
            uid: uid.to_owned(),
            running,
            containers: containers.collect(),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Command {
    Admit(Pod),
    /// The id of a pod.
    Ended(String),
    Allocate {
        resource: String,
        ids: Vec<String>,
    },
    /// A resource.
    Disconnect(String),
}

#[derive(Debug, Serialize)]
pub(super) struct Numbered {
    id: u64,
    #[serde(flatten)]
    command: Command,
}

impl Command {
    pub(super) fn line(self, id: u64) -> Numbered {
        Numbered { id, command: self }
    }
}

/// A line of the program's output.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(super) enum Line {
    Answer(Answer),
    Started {
        version: String,
        #[serde(default)]
        admissions: Vec<Admission>,
        #[serde(default)]
        health: Health,
    },
    Connected {
        resource: String,
        socket: PathBuf,
        options: Options,
    },
    Listed {
        resource: String,
        #[serde(default)]
        devices: Vec<ListedDevice>,
        #[serde(default)]
        counts: BTreeMap<String, Counts>,
        #[serde(default)]
        health: Health,
    },
    Disconnected {
        resource: String,
        #[serde(default)]
        counts: BTreeMap<String, Counts>,
        #[serde(default)]
        health: Health,
    },
    StreamEnded {
        resource: String,
        error: String,
    },
    Refused {
        #[serde(default)]
        resource: String,
        error: String,
    },
    Appeared {
        socket: PathBuf,
    },
    Vanished {
        socket: PathBuf,
    },
    Unreadable {
        socket: PathBuf,
    },
}

#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(super) id: u64,
    pub(crate) admission: Option<Admission>,
    pub(crate) container: Option<Response>,
    #[serde(default)]
    pub(crate) error: String,
    #[serde(default)]
    pub(super) health: Health,
}

/// The words of each pod's status, by device.
pub(crate) type Health = BTreeMap<String, BTreeMap<String, String>>;

/// The outcome for one pod.
#[derive(Debug, Deserialize)]
pub(crate) struct Admission {
    pub(crate) uid: String,
    /// Empty for a pod that is admitted.
    pub(crate) rejection: String,
    pub(crate) containers: Vec<AdmittedContainer>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AdmittedContainer {
    pub(crate) container: String,
    pub(crate) resource: String,
    pub(crate) ids: Vec<String>,
    pub(crate) answer: Option<Response>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Options {
    #[serde(rename = "preStart")]
    pub(super) pre_start: bool,
    pub(super) preference: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListedDevice {
    pub(super) id: String,
    pub(super) healthy: bool,
    pub(super) numa: Vec<i64>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(super) struct Counts {
    pub(super) allocatable: usize,
    pub(super) capacity: usize,
}

/// The plugin's answer for one container.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Response {
    envs: HashMap<String, String>,
    mounts: Vec<MountSpec>,
    devices: Vec<NodeSpec>,
    annotations: HashMap<String, String>,
    cdi_devices: Vec<CdiName>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MountSpec {
    container_path: String,
    host_path: String,
    read_only: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    container_path: String,
    host_path: String,
    permissions: String,
}

#[derive(Debug, Deserialize)]
struct CdiName {
    name: String,
}

impl From<Response> for ContainerAllocateResponse {
    fn from(response: Response) -> Self {
        let mounts = response.mounts.into_iter().map(|mount| Mount {
            container_path: mount.container_path,
            host_path: mount.host_path,
            read_only: mount.read_only,
        });
        let devices = response.devices.into_iter().map(|node| DeviceSpec {
            container_path: node.container_path,
            host_path: node.host_path,
            permissions: node.permissions,
        });
        let names = response.cdi_devices.into_iter();
        Self {
            envs: response.envs,
            mounts: mounts.collect(),
            devices: devices.collect(),
            annotations: response.annotations,
            cdi_devices: names.map(|CdiName { name }| CdiDevice { name }).collect(),
        }
    }
}
