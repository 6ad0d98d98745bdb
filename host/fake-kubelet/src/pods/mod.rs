//! Pods, as far as they concern a device plugin: which devices each container holds, and what becomes of them.

mod admission;
mod lifecycle;
mod resources;
mod table;

use std::collections::BTreeMap;

use sriovdp_proto::deviceplugin::ContainerAllocateResponse;

pub(crate) use resources::serve;
pub(crate) use table::Pods;

/// A pod to run on the node. Its containers are admitted in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodSpec {
    pub(crate) name: String,
    pub(crate) containers: Vec<ContainerSpec>,
    pub(crate) image_is_missing: bool,
}

/// A container and the devices that it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerSpec {
    pub(crate) name: String,
    pub(crate) kind: ContainerKind,
    pub(crate) resource: String,
    pub(crate) count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContainerKind {
    /// Runs to its end before the others start, and leaves them its devices.
    Init,
    /// An init container that is restarted always: it runs beside the others and keeps its devices.
    Sidecar,
    App,
}

/// A pod with its state.
#[derive(Debug, Clone, PartialEq)]
pub struct PodView {
    pub name: String,
    pub phase: Phase,
    /// In the order of the containers. Those of a pod that has ended are still here until the next admission.
    pub devices: Vec<ContainerDevices>,
}

/// Where a pod is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It is admitted, and its containers do not run: an image is missing.
    Pending,
    Running,
    Succeeded,
    /// It was not admitted, which is for ever: a `ReplicaSet` would make another one.
    Failed {
        /// `UnexpectedAdmissionError`.
        reason: &'static str,
        message: String,
    },
}

/// What one container was given.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerDevices {
    pub container: String,
    pub resource: String,
    /// As requested.
    pub ids: Vec<String>,
    /// The plugin's answer, which is used again when the container restarts.
    pub answer: ContainerAllocateResponse,
}

/// The health of each device of a pod, as `allocatedResourcesStatus` of its status shows it.
pub type DeviceHealth = BTreeMap<String, String>;

impl PodSpec {
    /// A pod without containers.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            containers: Vec::new(),
            image_is_missing: false,
        }
    }

    /// A pod with one container of the same name, which wants `count` devices of `resource`.
    pub fn wanting(name: &str, count: usize, resource: &str) -> Self {
        Self::new(name).container(name, count, resource)
    }

    #[must_use]
    pub fn container(self, name: &str, count: usize, resource: &str) -> Self {
        self.with(ContainerKind::App, name, count, resource)
    }

    #[must_use]
    pub fn init_container(self, name: &str, count: usize, resource: &str) -> Self {
        self.with(ContainerKind::Init, name, count, resource)
    }

    /// A restartable init container.
    #[must_use]
    pub fn sidecar(self, name: &str, count: usize, resource: &str) -> Self {
        self.with(ContainerKind::Sidecar, name, count, resource)
    }

    /// Its image cannot be pulled, so it is admitted and never runs.
    #[must_use]
    pub fn without_image(self) -> Self {
        Self {
            image_is_missing: true,
            ..self
        }
    }

    fn with(mut self, kind: ContainerKind, name: &str, count: usize, resource: &str) -> Self {
        self.containers.push(ContainerSpec {
            name: name.to_owned(),
            kind,
            resource: resource.to_owned(),
            count,
        });
        self
    }
}

impl PodView {
    /// The ids of all of its containers, sorted; an id that an init container left to another one is here once.
    pub fn ids(&self) -> Vec<&str> {
        let ids = self.devices.iter().flat_map(|devices| &devices.ids);
        let mut ids: Vec<&str> = ids.map(String::as_str).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// What one of its containers was given.
    pub fn container(&self, name: &str) -> Option<&ContainerDevices> {
        self.devices
            .iter()
            .find(|devices| devices.container == name)
    }

    /// Why it was not admitted.
    pub fn rejection(&self) -> Option<&str> {
        match &self.phase {
            Phase::Failed { message, .. } => Some(message),
            _ => None,
        }
    }
}
