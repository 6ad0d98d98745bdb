//! Which clients the kubelet believes that it has: the part of it that changed with 1.37, peculiarities included.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::config::KubeletVersion;

use super::client::{Announcement, Client};

#[derive(Debug)]
pub(super) enum Clients {
    /// One for each resource, and no telling whose stream ended.
    ByResource(BTreeMap<String, Client>),
    /// One for each socket path. `connected` are the paths that may not be registered; it is only ever cleared
    /// together with `clients`.
    ByPath {
        clients: BTreeMap<PathBuf, Client>,
        connected: BTreeSet<PathBuf>,
    },
}

impl Clients {
    pub(super) fn new(version: KubeletVersion) -> Self {
        if version.has_a_client_for_each_resource() {
            return Self::ByResource(BTreeMap::new());
        }
        Self::ByPath {
            clients: BTreeMap::new(),
            connected: BTreeSet::new(),
        }
    }

    /// Whether a plugin may connect. A refusal drops the client that is in its way, but not the memory of it: nothing
    /// can be registered at that path any more.
    pub(super) fn admit(&mut self, announcement: &Announcement) -> Result<(), String> {
        match self {
            Self::ByResource(_) => Ok(()),
            Self::ByPath { clients, connected } => {
                let path = &announcement.socket.name;
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

    pub(super) fn insert(&mut self, client: Client) {
        match self {
            Self::ByResource(clients) => {
                clients.insert(client.announcement.resource.clone(), client);
            }
            Self::ByPath { clients, connected } => {
                let path = client.announcement.socket.name.clone();
                connected.insert(path.clone());
                clients.insert(path, client);
            }
        }
    }

    /// A plugin could not be connected to. Up to 1.36 that takes an older one of the resource out of the books.
    pub(super) fn failed(&mut self, announcement: &Announcement) {
        if let Self::ByResource(clients) = self {
            clients.remove(&announcement.resource);
        }
    }

    /// Takes out the client that is disconnected because this one's stream ended: not always the same one.
    pub(super) fn take_for_ended(&mut self, ended: &Client) -> Option<Client> {
        match self {
            Self::ByResource(clients) => clients.remove(&ended.announcement.resource),
            Self::ByPath { clients, .. } => {
                let path = &ended.announcement.socket.name;
                if clients.get(path)?.id != ended.id {
                    return None;
                }
                self.take(&ended.announcement)
            }
        }
    }

    /// Takes out the client that goes by the same resource or path.
    pub(super) fn take(&mut self, announcement: &Announcement) -> Option<Client> {
        match self {
            Self::ByResource(clients) => clients.remove(&announcement.resource),
            Self::ByPath { clients, connected } => {
                let client = clients.remove(&announcement.socket.name)?;
                connected.remove(&announcement.socket.name);
                Some(client)
            }
        }
    }
}
