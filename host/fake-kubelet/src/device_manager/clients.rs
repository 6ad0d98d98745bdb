//! The kubelet's map of clients, the part that changed with 1.37, including its bugs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::config::KubeletVersion;

use super::client::{Client, PluginRegistration};

#[derive(Debug)]
pub(crate) enum Clients {
    /// One for each resource; the end of a stream is not attributed to a client.
    ByResource(BTreeMap<String, Client>),
    /// One for each socket path. `connected` are the paths that may not be registered; it is only ever cleared
    /// together with `clients`.
    ByPath {
        clients: BTreeMap<PathBuf, Client>,
        connected: BTreeSet<PathBuf>,
    },
}

impl Clients {
    pub(crate) fn new(version: KubeletVersion) -> Self {
        if version.has_a_client_for_each_resource() {
            return Self::ByResource(BTreeMap::new());
        }
        Self::ByPath {
            clients: BTreeMap::new(),
            connected: BTreeSet::new(),
        }
    }

    /// Whether a plugin may connect. A refusal drops the client of the path, but the path stays in `connected`: every
    /// later registration there is refused as well.
    pub(crate) fn admit(&mut self, registration: &PluginRegistration) -> Result<(), String> {
        match self {
            Self::ByResource(_) => Ok(()),
            Self::ByPath { clients, connected } => {
                let path = &registration.socket.name;
                if connected.contains(path) {
                    clients.remove(path);
                    return Err(format!(
                        "device plugin already connected: {}",
                        path.display()
                    ));
                }
                Ok(())
            }
        }
    }

    pub(crate) fn insert(&mut self, client: Client) {
        match self {
            Self::ByResource(clients) => {
                clients.insert(client.registration.resource.clone(), client);
            }
            Self::ByPath { clients, connected } => {
                let path = client.registration.socket.name.clone();
                connected.insert(path.clone());
                clients.insert(path, client);
            }
        }
    }

    /// A connect has failed. Up to 1.36, this removes the previous client of the resource.
    pub(crate) fn failed(&mut self, registration: &PluginRegistration) {
        if let Self::ByResource(clients) = self {
            clients.remove(&registration.resource);
        }
    }

    /// Removes the client that the end of this stream disconnects, which is not always its own.
    pub(crate) fn take_for_ended(&mut self, ended: &Client) -> Option<Client> {
        match self {
            Self::ByResource(clients) => clients.remove(&ended.registration.resource),
            Self::ByPath { clients, .. } => {
                let path = &ended.registration.socket.name;
                if clients.get(path)?.id != ended.id {
                    return None;
                }
                self.take(&ended.registration)
            }
        }
    }

    /// Removes the client of the same resource or path.
    pub(crate) fn take(&mut self, registration: &PluginRegistration) -> Option<Client> {
        match self {
            Self::ByResource(clients) => clients.remove(&registration.resource),
            Self::ByPath { clients, connected } => {
                let client = clients.remove(&registration.socket.name)?;
                connected.remove(&registration.socket.name);
                Some(client)
            }
        }
    }
}
