//! What the events of the program change in the state that tests read.

use std::path::Path;

use sriovdp_proto::deviceplugin::{
    Device, DevicePluginOptions, HEALTHY, NumaNode, SOCKET_DIR, TopologyInfo, UNHEALTHY,
};

use super::protocol::{Admission, Health, Line, ListedDevice};
use crate::device_manager::PluginRegistration;
use crate::device_manager::resource::Resource;
use crate::journal::{EventKind, RegistrationMode};
use crate::node::Node;
use crate::pods::ContainerDevices;
use crate::state::DeviceManagerState;

impl DeviceManagerState {
    pub(super) fn apply(&mut self, node: &Node, event: Line) {
        match event {
            Line::Answer(_) => {}
            Line::Started {
                version,
                admissions,
                health,
            } => {
                self.program_version = Some(version);
                for admission in admissions {
                    self.admitted(admission);
                }
                self.set_health(&health);
                self.journal.note(EventKind::Started);
            }
            Line::Connected {
                resource,
                socket,
                options,
            } => {
                let registration = registration(node, resource, &socket);
                self.journal.note(EventKind::Registered {
                    resource: registration.resource.clone(),
                    endpoint: registration.endpoint.clone(),
                    mode: registration.mode,
                });
                let name = registration.resource.clone();
                let found = self
                    .resources
                    .entry(name.clone())
                    .or_insert_with(|| Resource::new(name, registration.mode));
                let options = DevicePluginOptions {
                    pre_start_required: options.pre_start,
                    get_preferred_allocation_available: options.preference,
                };
                let stream = found.view.registrations as u64 + 1;
                found.registered(stream, &registration, options, &mut self.journal);
            }
            Line::Listed {
                resource,
                devices,
                counts,
                health,
            } => {
                let devices: Vec<Device> = devices.into_iter().map(Device::from).collect();
                self.journal.listed(&resource, &devices);
                if let Some(found) = self.resources.get_mut(&resource) {
                    let stream = found.view.registrations as u64;
                    found.list(stream, devices, &mut self.journal);
                    let counts = counts.get(&resource).copied().unwrap_or_default();
                    found.view.set_counts(counts.allocatable, counts.capacity);
                }
                self.set_health(&health);
            }
            Line::Disconnected {
                resource,
                counts,
                health,
            } => {
                if let Some(found) = self.resources.get_mut(&resource) {
                    found.view.connected = false;
                    found.view.lose_all_devices();
                    let counts = counts.get(&resource).copied().unwrap_or_default();
                    found.view.set_counts(counts.allocatable, counts.capacity);
                }
                self.journal.note(EventKind::Disconnected { resource });
                self.set_health(&health);
            }
            Line::StreamEnded { resource, error } => {
                let found = self.resources.get_mut(&resource);
                let endpoint = found.map(|found| {
                    found.oldest_stream_ended();
                    found.view.endpoint.clone()
                });
                let endpoint = endpoint.unwrap_or_default();
                self.journal.note(EventKind::StreamEnded {
                    resource,
                    endpoint,
                    reason: error,
                });
            }
            // A kubelet does not log more of it.
            Line::Refused { resource, error } => self.journal.note(EventKind::Refused {
                resource,
                endpoint: String::new(),
                mode: RegistrationMode::Register,
                message: error,
            }),
            Line::Appeared { socket } => {
                let socket = node.locate(&socket);
                self.journal.note(EventKind::SocketAppeared { socket });
            }
            Line::Vanished { socket } => {
                let socket = node.locate(&socket);
                self.journal.note(EventKind::SocketVanished { socket });
            }
            Line::Unreadable { socket } => {
                let path = node.locate(&socket);
                self.journal.note(EventKind::Unreadable { path });
            }
        }
    }

    /// Records the outcome of an admission. Pods whose containers run are admitted again without a change.
    pub(crate) fn admitted(&mut self, admission: Admission) {
        let Some((pod, runs)) = self.pods.by_uid(&admission.uid) else {
            return;
        };
        if let Some(why) = reason(&admission.rejection) {
            self.pods.reject(&pod, why);
            let message = why.to_owned();
            return self.journal.note(EventKind::Rejected { pod, message });
        }
        if runs {
            return;
        }
        for devices in admission.containers {
            let devices = ContainerDevices {
                container: devices.container,
                resource: devices.resource,
                ids: devices.ids,
                answer: devices.answer.map(Into::into).unwrap_or_default(),
            };
            self.journal.note(EventKind::Allocated {
                pod: pod.clone(),
                resource: devices.resource.clone(),
                ids: devices.ids.clone(),
            });
            self.pods.grant(&pod, devices);
        }
        self.pods.admitted(&pod);
    }

    pub(super) fn set_health(&mut self, health: &Health) {
        for (uid, words) in health {
            self.pods.set_health(uid, words);
        }
    }
}

/// Without the words around the reason, which the fake adds itself.
fn reason(rejection: &str) -> Option<&str> {
    let inner = rejection.strip_prefix("Allocate failed due to ");
    let inner = inner.and_then(|rest| rest.strip_suffix(", which is unexpected"));
    Some(inner.unwrap_or(rejection)).filter(|reason| !reason.is_empty())
}

/// The socket shows how a plugin registered, and its endpoint: a name in the directory of those that call `Register`, or
/// else a path.
fn registration(node: &Node, resource: String, path: &Path) -> PluginRegistration {
    let (mode, endpoint) = match path.strip_prefix(SOCKET_DIR) {
        Ok(name) => (RegistrationMode::Register, name),
        Err(_) => (RegistrationMode::Watcher, path),
    };
    let socket = node.socket(path);
    PluginRegistration {
        resource,
        endpoint: endpoint.display().to_string(),
        file: socket.location.clone(),
        socket,
        mode,
    }
}

impl From<ListedDevice> for Device {
    fn from(device: ListedDevice) -> Self {
        let nodes: Vec<_> = device.numa.into_iter().map(|id| NumaNode { id }).collect();
        let health = if device.healthy { HEALTHY } else { UNHEALTHY };
        Self {
            id: device.id,
            health: health.to_owned(),
            topology: (!nodes.is_empty()).then_some(TopologyInfo { nodes }),
        }
    }
}
