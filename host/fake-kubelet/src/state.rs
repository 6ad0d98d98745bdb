//! The state of the device manager: clients, resources, pods and the journal. Only its methods change it.

use std::collections::BTreeMap;

use sriovdp_proto::deviceplugin::device_plugin_client::DevicePluginClient;
use sriovdp_proto::deviceplugin::{Device, DevicePluginOptions};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::config::KubeletVersion;
use crate::journal::{EventKind, Journal};
use crate::pods::Pods;
use crate::view::{ResourceView, is_healthy};

use crate::device_manager::client::{Client, PluginRegistration};
use crate::device_manager::clients::Clients;
use crate::device_manager::resource::Resource;

#[derive(Debug)]
pub(crate) struct DeviceManagerState {
    version: KubeletVersion,
    clients: Clients,
    pub(crate) resources: BTreeMap<String, Resource>,
    pub(crate) pods: Pods,
    pub(crate) journal: Journal,
    pub(crate) pod_resources_calls: usize,
    /// Whether the kubelet has synchronized its pods since its start.
    pub(crate) pods_known: bool,
    /// The version of the device manager's program, if there is one.
    pub(crate) program_version: Option<String>,
    next_client: u64,
}

impl DeviceManagerState {
    pub(crate) fn new(version: KubeletVersion) -> Self {
        Self {
            version,
            clients: Clients::new(version),
            resources: BTreeMap::new(),
            pods: Pods::default(),
            journal: Journal::default(),
            pod_resources_calls: 0,
            pods_known: true,
            program_version: None,
            next_client: 0,
        }
    }

    /// Resources have no devices after a start.
    pub(crate) fn forget_devices(&mut self) {
        for resource in self.resources.values_mut() {
            resource.restart();
        }
    }

    pub(crate) fn started(&mut self) {
        self.forget_devices();
        let Self {
            pods, resources, ..
        } = self;
        pods.readmit(|resource| resources.contains_key(resource));
        self.journal.note(EventKind::Started);
    }

    pub(crate) fn killed(&mut self) {
        self.clients = Clients::new(self.version);
        for resource in self.resources.values_mut() {
            resource.view.connected = false;
        }
        self.journal.note(EventKind::Killed);
    }

    pub(crate) fn view(&self, resource: &str) -> Option<&ResourceView> {
        self.resources.get(resource).map(|resource| &resource.view)
    }

    /// Whether the last list has the device, as an unhealthy one.
    pub(crate) fn is_unhealthy(&self, resource: &str, id: &str) -> bool {
        let listed = self
            .resources
            .get(resource)
            .and_then(|found| found.listed(id));
        listed.is_some_and(|device| !is_healthy(device))
    }

    pub(crate) fn admit(&self, registration: &PluginRegistration) -> Result<(), String> {
        self.clients.admit(registration)
    }

    pub(crate) fn refuse(&mut self, registration: &PluginRegistration, message: &str) {
        self.clients.failed(registration);
        self.journal.note(EventKind::Refused {
            resource: registration.resource.clone(),
            endpoint: registration.endpoint.clone(),
            mode: registration.mode,
            message: message.to_owned(),
        });
    }

    pub(crate) fn connect(
        &mut self,
        registration: PluginRegistration,
        api: DevicePluginClient<Channel>,
        options: DevicePluginOptions,
        closed: CancellationToken,
    ) -> Client {
        self.journal.note(EventKind::Registered {
            resource: registration.resource.clone(),
            endpoint: registration.endpoint.clone(),
            mode: registration.mode,
        });
        self.next_client += 1;
        let client = Client {
            id: self.next_client,
            registration,
            api,
            options,
            closed,
        };
        self.clients.insert(client.clone());
        let name = client.registration.resource.clone();
        let resource = self
            .resources
            .entry(name.clone())
            .or_insert_with(|| Resource::new(name, client.registration.mode));
        resource.connect(client.clone(), self.version, &mut self.journal);
        client
    }

    pub(crate) fn list(&mut self, client: &Client, devices: Vec<Device>) {
        // A list that was sent before the kubelet closed the connection does not restore devices.
        if client.closed.is_cancelled() {
            return;
        }
        let name = &client.registration.resource;
        let Some(resource) = self.resources.get_mut(name) else {
            return;
        };
        self.journal.listed(name, &devices);
        resource.list(client.id, devices, &mut self.journal);
    }

    /// Returns the token of [`Resource::disconnect`] if this disconnects a client.
    pub(crate) fn stream_ended(
        &mut self,
        client: &Client,
        reason: String,
    ) -> Option<CancellationToken> {
        self.journal.note(EventKind::StreamEnded {
            resource: client.registration.resource.clone(),
            endpoint: client.registration.endpoint.clone(),
            reason,
        });
        if let Some(resource) = self.resources.get_mut(&client.registration.resource) {
            resource.stream_ended(client);
        }
        let disconnected = self.clients.take_for_ended(client)?;
        self.disconnect(&disconnected)
    }

    /// A registered socket is removed. Returns the token of [`Resource::disconnect`] if this disconnects a client.
    pub(crate) fn deregister(
        &mut self,
        registration: &PluginRegistration,
    ) -> Option<CancellationToken> {
        let disconnected = self.clients.take(registration)?;
        self.disconnect(&disconnected)
    }

    /// Cancels the newest stream of a resource.
    pub(crate) fn cancel(&mut self, resource: &str) -> bool {
        let endpoint = self.endpoint(resource);
        endpoint.inspect(|client| client.closed.cancel()).is_some()
    }

    pub(crate) fn forget(&mut self, resource: &str) {
        if let Some(found) = self.resources.get_mut(resource) {
            found.view.replace_devices(&[]);
            let resource = resource.to_owned();
            self.journal.note(EventKind::Forgotten { resource });
        }
    }

    /// The client for allocations.
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
        let name = &client.registration.resource;
        let resource = self.resources.get_mut(name)?;
        let stopped = resource.disconnect(client, self.version)?;
        let resource = name.clone();
        self.journal.note(EventKind::Disconnected { resource });
        Some(stopped)
    }
}
