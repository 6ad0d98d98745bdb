//! All that the kubelet knows of its plugins, and the only place where that changes.

use std::collections::BTreeMap;

use sriovdp_proto::deviceplugin::device_plugin_client::DevicePluginClient;
use sriovdp_proto::deviceplugin::{Device, DevicePluginOptions};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::config::KubeletVersion;
use crate::journal::{Happening, Journal};
use crate::pods::Pods;
use crate::view::{ResourceView, is_healthy};

use super::client::{Announcement, Client};
use super::clients::Clients;
use super::resource::Resource;

#[derive(Debug)]
pub(crate) struct Books {
    version: KubeletVersion,
    clients: Clients,
    resources: BTreeMap<String, Resource>,
    pub(crate) pods: Pods,
    pub(crate) journal: Journal,
    pub(crate) pod_resources_asked: usize,
    /// It has heard since its start which pods it has.
    pub(crate) knows_pods: bool,
    next_client: u64,
}

impl Books {
    pub(crate) fn new(version: KubeletVersion) -> Self {
        Self {
            version,
            clients: Clients::new(version),
            resources: BTreeMap::new(),
            pods: Pods::default(),
            journal: Journal::default(),
            pod_resources_asked: 0,
            knows_pods: true,
            next_client: 0,
        }
    }

    pub(crate) fn started(&mut self) {
        for resource in self.resources.values_mut() {
            resource.restart();
        }
        let Self {
            pods, resources, ..
        } = self;
        pods.readmit(|resource| resources.contains_key(resource));
        self.journal.note(Happening::Started);
    }

    pub(crate) fn killed(&mut self) {
        self.clients = Clients::new(self.version);
        for resource in self.resources.values_mut() {
            resource.view.connected = false;
        }
        self.journal.note(Happening::Killed);
    }

    pub(crate) fn view(&self, resource: &str) -> Option<&ResourceView> {
        self.resources.get(resource).map(|resource| &resource.view)
    }

    pub(super) fn admit(&mut self, announcement: &Announcement) -> Result<(), String> {
        self.clients.admit(announcement)
    }

    pub(super) fn refuse(&mut self, announcement: &Announcement, message: &str) {
        self.clients.failed(announcement);
        self.journal.note(Happening::Refused {
            resource: announcement.resource.clone(),
            endpoint: announcement.endpoint.clone(),
            way: announcement.way,
            message: message.to_owned(),
        });
    }

    pub(super) fn connect(
        &mut self,
        announcement: Announcement,
        api: DevicePluginClient<Channel>,
        options: DevicePluginOptions,
        closed: CancellationToken,
    ) -> Client {
        self.journal.note(Happening::Registered {
            resource: announcement.resource.clone(),
            endpoint: announcement.endpoint.clone(),
            way: announcement.way,
        });
        self.next_client += 1;
        let client = Client {
            id: self.next_client,
            announcement,
            api,
            options,
            closed,
        };
        self.clients.insert(client.clone());
        let name = client.announcement.resource.clone();
        let resource = self
            .resources
            .entry(name.clone())
            .or_insert_with(|| Resource::new(name, client.announcement.way));
        resource.connect(client.clone(), self.version, &mut self.journal);
        client
    }

    pub(super) fn list(&mut self, client: &Client, devices: Vec<Device>) {
        // What a plugin still sent when the kubelet had closed the connection brings no device back.
        if client.closed.is_cancelled() {
            return;
        }
        let name = &client.announcement.resource;
        let Some(resource) = self.resources.get_mut(name) else {
            return;
        };
        self.journal.note(Happening::Listed {
            resource: name.clone(),
            devices: devices.len(),
            healthy: devices.iter().filter(|device| is_healthy(device)).count(),
        });
        resource.list(client.id, devices, &mut self.journal);
    }

    /// Returns what [`Resource::disconnect`] does, if this disconnects anyone.
    pub(super) fn stream_ended(
        &mut self,
        client: &Client,
        reason: String,
    ) -> Option<CancellationToken> {
        self.journal.note(Happening::StreamEnded {
            resource: client.announcement.resource.clone(),
            endpoint: client.announcement.endpoint.clone(),
            reason,
        });
        if let Some(resource) = self.resources.get_mut(&client.announcement.resource) {
            resource.stream_ended(client);
        }
        let disconnected = self.clients.take_for_ended(client)?;
        self.disconnect(&disconnected)
    }

    /// A registered socket is gone. Returns what [`Resource::disconnect`] does, if this disconnects anyone.
    pub(super) fn deregister(&mut self, announcement: &Announcement) -> Option<CancellationToken> {
        let disconnected = self.clients.take(announcement)?;
        self.disconnect(&disconnected)
    }

    /// The kubelet ends the newest stream of a resource by itself.
    pub(crate) fn cancel(&mut self, resource: &str) -> bool {
        let endpoint = self.endpoint(resource);
        endpoint.inspect(|client| client.closed.cancel()).is_some()
    }

    pub(super) fn forget(&mut self, resource: &str) {
        if let Some(known) = self.resources.get_mut(resource) {
            known.view.replace_devices(&[]);
            let resource = resource.to_owned();
            self.journal.note(Happening::Forgotten { resource });
        }
    }

    /// Whom to ask for devices.
    pub(crate) fn endpoint(&self, resource: &str) -> Option<Client> {
        self.resources.get(resource)?.endpoint().cloned()
    }

    pub(crate) fn allocation_began(&mut self, resource: &str, ids: &[String]) {
        if let Some(resource) = self.resources.get_mut(resource) {
            resource.allocating.extend_from_slice(ids);
        }
    }

    pub(crate) fn allocation_ended(&mut self, resource: &str, ids: &[String]) {
        let Some(resource) = self.resources.get_mut(resource) else {
            return;
        };
        for id in ids {
            let mut pending = resource.allocating.iter();
            if let Some(index) = pending.position(|pending| pending == id) {
                resource.allocating.swap_remove(index);
            }
        }
    }

    fn disconnect(&mut self, client: &Client) -> Option<CancellationToken> {
        let name = &client.announcement.resource;
        let resource = self.resources.get_mut(name)?;
        let stopped = resource.disconnect(client, self.version)?;
        let resource = name.clone();
        self.journal.note(Happening::Disconnected { resource });
        Some(stopped)
    }
}
