//! A resource as the kubelet sees it, and what is printed when it does not become what a test waits for.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use sriovdp_proto::deviceplugin::{Device, DevicePluginOptions, HEALTHY};
use thiserror::Error;

use crate::journal::{Event, RegistrationMode};

/// The kubelet's state of one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ResourceView {
    /// In the order of the last list. Of an id that was listed twice only the last is here, but see [`capacity`].
    ///
    /// [`capacity`]: Self::capacity
    pub devices: Vec<DeviceView>,
    /// Whether a plugin is connected. Otherwise all devices are unhealthy.
    pub connected: bool,
    /// How many lists came on the newest stream.
    pub messages: usize,
    /// How often the resource was registered, restarts of the kubelet included.
    pub registrations: usize,
    /// The endpoint as the plugin gave it.
    pub endpoint: String,
    /// How the plugin registered.
    pub mode: RegistrationMode,
    /// The file whose appearance or name made the kubelet connect: the plugin's socket, or its registration socket.
    pub socket: PathBuf,
    /// What the plugin answered to `GetDevicePluginOptions`.
    pub options: DevicePluginOptions,
    healthy: BTreeSet<String>,
    allocatable: usize,
    capacity: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceView {
    pub id: String,
    pub healthy: bool,
    /// The NUMA nodes near it, if the plugin named any.
    pub numa: Vec<i64>,
}

impl ResourceView {
    pub(crate) fn new(mode: RegistrationMode) -> Self {
        Self {
            devices: Vec::new(),
            connected: false,
            messages: 0,
            registrations: 0,
            endpoint: String::new(),
            mode,
            socket: PathBuf::new(),
            options: DevicePluginOptions::default(),
            healthy: BTreeSet::new(),
            allocatable: 0,
            capacity: 0,
        }
    }

    /// What the node reports as allocatable: the healthy devices.
    pub fn allocatable(&self) -> usize {
        self.allocatable
    }

    /// What the node reports as capacity. An id that is listed both healthy and unhealthy counts twice, as it does in
    /// a real kubelet.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn healthy_ids(&self) -> &BTreeSet<String> {
        &self.healthy
    }

    pub fn device(&self, id: &str) -> Option<&DeviceView> {
        self.devices.iter().find(|device| device.id == id)
    }

    pub(crate) fn replace_devices(&mut self, list: &[Device]) {
        let ids = |wanted: bool| -> BTreeSet<String> {
            let chosen = list.iter().filter(|device| is_healthy(device) == wanted);
            chosen.map(|device| device.id.clone()).collect()
        };
        self.healthy = ids(true);
        self.set_counts(self.healthy.len(), self.healthy.len() + ids(false).len());
        let mut seen = BTreeSet::new();
        let last_of_each = list.iter().rev().filter(|device| seen.insert(&device.id));
        self.devices = last_of_each.map(DeviceView::of).collect();
        self.devices.reverse();
    }

    pub(crate) fn set_counts(&mut self, allocatable: usize, capacity: usize) {
        self.allocatable = allocatable;
        self.capacity = capacity;
    }

    pub(crate) fn lose_all_devices(&mut self) {
        self.healthy.clear();
        self.allocatable = 0;
        for device in &mut self.devices {
            device.healthy = false;
        }
    }
}

impl DeviceView {
    fn of(device: &Device) -> Self {
        Self {
            id: device.id.clone(),
            healthy: is_healthy(device),
            numa: numa_nodes(device),
        }
    }
}

pub(crate) fn numa_nodes(device: &Device) -> Vec<i64> {
    let nodes = device.topology.iter().flat_map(|near| &near.nodes);
    nodes.map(|node| node.id).collect()
}

pub(crate) fn is_healthy(device: &Device) -> bool {
    device.health == HEALTHY
}

impl fmt::Display for ResourceView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connected = if self.connected {
            "connected"
        } else {
            "not connected"
        };
        write!(
            f,
            "{}/{} {connected}, {} registrations, {} lists, at `{}`:",
            self.allocatable(),
            self.capacity(),
            self.registrations,
            self.messages,
            self.endpoint,
        )?;
        for device in &self.devices {
            let mark = if device.healthy { "+" } else { "-" };
            write!(f, " {mark}{}", device.id)?;
        }
        Ok(())
    }
}

/// What was waited for did not happen. `unwrap` shows it just as legibly as printing it does.
#[derive(Error)]
pub struct Timeout {
    /// What it was, in words.
    pub awaited: String,
    pub waited: Duration,
    /// The last state of the resource, if it is registered.
    pub last: Option<ResourceView>,
    pub journal: Vec<Event>,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            awaited, waited, ..
        } = self;
        writeln!(f, "no {awaited} within {waited:?}")?;
        if let Some(view) = &self.last {
            writeln!(f, "last state: {view}")?;
        }
        write!(f, "journal:")?;
        let Some(first) = self.journal.first() else {
            return write!(f, " empty");
        };
        for event in &self.journal {
            let after = event.at.duration_since(first.at);
            write!(f, "\n  {:>8.3}s {}", after.as_secs_f64(), event.kind)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, health: &str) -> Device {
        Device {
            id: id.to_owned(),
            health: health.to_owned(),
            topology: None,
        }
    }

    #[test]
    fn an_id_that_is_listed_twice_is_counted_twice() {
        let mut view = ResourceView::new(RegistrationMode::Register);

        view.replace_devices(&[device("d0", "Healthy"), device("d0", "Unhealthy")]);

        assert_eq!((view.allocatable(), view.capacity()), (1, 2));
        assert_eq!(view.devices.len(), 1);
        assert!(!view.devices[0].healthy, "the last one stays");
    }

    #[test]
    fn everything_but_the_exact_word_is_unhealthy() {
        let mut view = ResourceView::new(RegistrationMode::Register);

        view.replace_devices(&[device("d0", "healthy"), device("d1", "")]);

        assert_eq!((view.allocatable(), view.capacity()), (0, 2));
    }
}
