//! One resource: its clients, the last list, and violations of rules.

use std::collections::BTreeMap;

use sriovdp_proto::deviceplugin::{Device, DevicePluginOptions};
use tokio_util::sync::CancellationToken;

use crate::config::KubeletVersion;
use crate::journal::{Journal, RegistrationMode};
use crate::view::{ResourceView, is_healthy, numa_nodes};

use super::client::{Client, PluginRegistration};

#[derive(Debug)]
pub(crate) struct Resource {
    name: String,
    pub(crate) view: ResourceView,
    /// The clients that can allocate; the last one is called.
    serving: Vec<Client>,
    /// The clients whose streams have not ended, and how they registered.
    streams: BTreeMap<u64, RegistrationMode>,
    /// The last list, with its client.
    last_list: Option<(u64, Vec<Device>)>,
    /// The ids of pending `Allocate` calls, with repetitions.
    pub(crate) allocating: Vec<String>,
    /// Cancelled when a plugin returns before the devices are forgotten.
    returned: CancellationToken,
}

impl Resource {
    pub(crate) fn new(name: String, mode: RegistrationMode) -> Self {
        Self {
            name,
            view: ResourceView::new(mode),
            serving: Vec::new(),
            streams: BTreeMap::new(),
            last_list: None,
            allocating: Vec::new(),
            returned: CancellationToken::new(),
        }
    }

    /// The client for allocations.
    pub(crate) fn endpoint(&self) -> Option<&Client> {
        self.serving.last()
    }

    pub(crate) fn connect(
        &mut self,
        client: Client,
        version: KubeletVersion,
        journal: &mut Journal,
    ) {
        self.returned.cancel();
        self.registered(client.id, &client.registration, client.options, journal);
        if version.has_a_client_for_each_resource() {
            self.serving.clear();
        }
        self.serving.push(client);
    }

    /// A plugin has registered, and its stream is about to begin.
    pub(crate) fn registered(
        &mut self,
        stream: u64,
        registration: &PluginRegistration,
        options: DevicePluginOptions,
        journal: &mut Journal,
    ) {
        if !self.streams.is_empty() {
            let Self { name, .. } = self;
            journal.blame(format!(
                "`{name}` was registered at `{}` while an earlier stream was open",
                registration.endpoint
            ));
        }
        if self.streams.values().any(|mode| *mode != registration.mode) {
            journal.blame(format!("`{}` is registered both ways at once", self.name));
        }
        self.view.connected = true;
        self.view.messages = 0;
        self.view.registrations += 1;
        self.view.endpoint.clone_from(&registration.endpoint);
        self.view.mode = registration.mode;
        self.view.socket.clone_from(&registration.file);
        self.view.options = options;
        self.streams.insert(stream, registration.mode);
    }

    pub(crate) fn list(&mut self, from: u64, devices: Vec<Device>, journal: &mut Journal) {
        self.check_list(from, &devices, journal);
        self.view.replace_devices(&devices);
        self.view.messages += 1;
        self.last_list = Some((from, devices));
    }

    /// The oldest stream ended, where a kubelet does not show which.
    pub(crate) fn oldest_stream_ended(&mut self) {
        self.streams.pop_first();
    }

    pub(crate) fn stream_ended(&mut self, client: &Client) {
        self.streams.remove(&client.id);
    }

    /// A device of the last list. Of an id that was listed twice only the last is there.
    pub(crate) fn listed(&self, id: &str) -> Option<&Device> {
        let (_, devices) = self.last_list.as_ref()?;
        devices.iter().rfind(|device| device.id == id)
    }

    /// A client is disconnected. After the last one, all devices are unhealthy; the token ends their grace period when a
    /// plugin returns.
    pub(crate) fn disconnect(
        &mut self,
        client: &Client,
        version: KubeletVersion,
    ) -> Option<CancellationToken> {
        client.closed.cancel();
        if version.has_a_client_for_each_resource() {
            self.serving.clear();
        } else {
            self.serving.retain(|other| other.id != client.id);
        }
        if !self.serving.is_empty() {
            return None;
        }
        self.view.connected = false;
        self.view.lose_all_devices();
        self.returned = CancellationToken::new();
        Some(self.returned.clone())
    }

    /// The state after a start of the kubelet: the resource without devices.
    pub(crate) fn restart(&mut self) {
        self.serving.clear();
        self.streams.clear();
        self.allocating.clear();
        self.last_list = None;
        self.view.connected = false;
        self.view.messages = 0;
        self.view.replace_devices(&[]);
    }

    fn check_list(&self, from: u64, devices: &[Device], journal: &mut Journal) {
        let Self { name, .. } = self;
        let mut ids: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
        ids.sort_unstable();
        for pair in ids.windows(2).filter(|pair| pair[0] == pair[1]) {
            journal.blame(format!("`{name}` lists `{}` twice", pair[0]));
        }
        if let Some((last_from, last)) = &self.last_list
            && *last_from == from
            && is_same_list(last, devices)
        {
            journal.blame(format!("`{name}` sent the same list twice in a row"));
        }
        for gone in &self.view.devices {
            if ids.binary_search(&gone.id.as_str()).is_ok() {
                continue;
            }
            let id = &gone.id;
            if gone.healthy {
                journal.blame(format!("`{name}` dropped `{id}`, which was healthy"));
            }
            if self.allocating.contains(id) {
                journal.blame(format!(
                    "`{name}` dropped `{id}` while it was being allocated; a kubelet since 1.34 panics"
                ));
            }
        }
    }
}

/// Whether two lists are equal, regardless of order.
fn is_same_list(one: &[Device], other: &[Device]) -> bool {
    let in_order = |list: &[Device]| {
        let mut devices: Vec<_> = list
            .iter()
            .map(|device| (device.id.clone(), is_healthy(device), numa_nodes(device)))
            .collect();
        devices.sort_unstable();
        devices
    };
    one.len() == other.len() && in_order(one) == in_order(other)
}
