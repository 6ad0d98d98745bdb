//! One resource: who serves it, what was listed last, and which rules its plugins broke.

use std::collections::BTreeMap;

use sriovdp_proto::deviceplugin::Device;
use tokio_util::sync::CancellationToken;

use crate::config::KubeletVersion;
use crate::journal::{Journal, Way};
use crate::view::{ResourceView, is_healthy, numa_nodes};

use super::client::Client;

#[derive(Debug)]
pub(super) struct Resource {
    name: String,
    pub(super) view: ResourceView,
    /// Who can be asked to allocate; the last one is.
    serving: Vec<Client>,
    /// The clients whose streams have not ended, and how they registered.
    streams: BTreeMap<u64, Way>,
    /// The last list, and whose it was.
    last_list: Option<(u64, Vec<Device>)>,
    /// The ids in `Allocate` calls that have not been answered, as often as they are there.
    pub(super) allocating: Vec<String>,
    /// Cancelled when a plugin returns before the devices are forgotten.
    returned: CancellationToken,
}

impl Resource {
    pub(super) fn new(name: String, way: Way) -> Self {
        Self {
            name,
            view: ResourceView::new(way),
            serving: Vec::new(),
            streams: BTreeMap::new(),
            last_list: None,
            allocating: Vec::new(),
            returned: CancellationToken::new(),
        }
    }

    /// What allocations are asked of.
    pub(super) fn endpoint(&self) -> Option<&Client> {
        self.serving.last()
    }

    pub(super) fn connect(
        &mut self,
        client: Client,
        version: KubeletVersion,
        journal: &mut Journal,
    ) {
        let announcement = &client.announcement;
        if !self.streams.is_empty() {
            let Self { name, .. } = self;
            journal.blame(format!(
                "`{name}` was registered at `{}` while an earlier stream was open",
                announcement.endpoint
            ));
        }
        if self.streams.values().any(|way| *way != announcement.way) {
            journal.blame(format!("`{}` is registered both ways at once", self.name));
        }
        self.returned.cancel();
        self.view.connected = true;
        self.view.messages = 0;
        self.view.registrations += 1;
        self.view.endpoint.clone_from(&announcement.endpoint);
        self.view.way = announcement.way;
        self.view.socket.clone_from(&announcement.file);
        self.view.options = client.options;
        self.streams.insert(client.id, announcement.way);
        if version.has_a_client_for_each_resource() {
            self.serving.clear();
        }
        self.serving.push(client);
    }

    pub(super) fn list(&mut self, from: u64, devices: Vec<Device>, journal: &mut Journal) {
        self.check_list(from, &devices, journal);
        self.view.replace_devices(&devices);
        self.view.messages += 1;
        self.last_list = Some((from, devices));
    }

    pub(super) fn stream_ended(&mut self, client: &Client) {
        self.streams.remove(&client.id);
    }

    /// The kubelet gave up on a client. If it was the last one, all devices are unhealthy, and the token is for giving
    /// them up altogether unless a plugin returns.
    pub(super) fn disconnect(
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

    /// What a kubelet that has just started knows: that there was such a resource.
    pub(super) fn restart(&mut self) {
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

/// Whether two lists say the same, in whatever order.
fn is_same_list(one: &[Device], other: &[Device]) -> bool {
    let in_order = |list: &[Device]| {
        let mut said: Vec<_> = list
            .iter()
            .map(|device| (device.id.clone(), is_healthy(device), numa_nodes(device)))
            .collect();
        said.sort_unstable();
        said
    };
    one.len() == other.len() && in_order(one) == in_order(other)
}
