//! The kubelet's map of clients, the part that changed with 1.37, including its bugs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::config::KubeletVersion;

use super::client::{Client, PluginRegistration};

#[derive(Debug)]
pub(crate) enum Clients {
    /// One for each resource; the end of a stream is not attributed to a client.
    ByResource(BTreeMap<String, Client>),
    /// One for each resource and socket path. `connected` are those that may not be registered; it is only ever cleared
    /// together with `clients`.
    ByPath {
        clients: BTreeMap<Key, Client>,
        connected: BTreeSet<Key>,
    },
}

/// A resource and the path of a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(String, PathBuf);

impl Key {
    fn of(registration: &PluginRegistration) -> Self {
        Self(
            registration.resource.clone(),
            registration.socket.name.clone(),
        )
    }
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

    /// Whether a plugin to which the kubelet has connected may register.
    pub(crate) fn admit(&self, registration: &PluginRegistration) -> Result<(), String> {
        let key = Key::of(registration);
        match self {
            Self::ByPath { connected, .. } if connected.contains(&key) => Err(format!(
                "device plugin already connected: {}",
                key.1.display()
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn insert(&mut self, client: Client) {
        match self {
            Self::ByResource(clients) => {
                clients.insert(client.registration.resource.clone(), client);
            }
            Self::ByPath { clients, connected } => {
                let key = Key::of(&client.registration);
                connected.insert(key.clone());
                clients.insert(key, client);
            }
        }
    }

    /// A registration has failed, which removes the previous client as well. From 1.37 on its path stays in `connected`,
    /// and every later registration there is refused.
    pub(crate) fn failed(&mut self, registration: &PluginRegistration) {
        match self {
            Self::ByResource(clients) => clients.remove(&registration.resource),
            Self::ByPath { clients, .. } => clients.remove(&Key::of(registration)),
        };
    }

    /// Removes the client that the end of this stream disconnects, which is not always its own.
    pub(crate) fn take_for_ended(&mut self, ended: &Client) -> Option<Client> {
        match self {
            Self::ByResource(clients) => clients.remove(&ended.registration.resource),
            Self::ByPath { clients, .. } => {
                let client = clients.get(&Key::of(&ended.registration))?;
                if client.id != ended.id {
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
                let key = Key::of(registration);
                let client = clients.remove(&key)?;
                connected.remove(&key);
                Some(client)
            }
        }
    }
}
