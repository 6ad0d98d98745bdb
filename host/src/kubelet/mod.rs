//! The kubelet's side of a pool: a socket with the device plugin service, and a registration that holds.
//!
//! There are two ways to register. The *plugin watcher* looks at a directory and calls us; in *Register* mode we call
//! `kubelet.sock`. Either way the same [`Server`](server::Server) serves, and one task for each pool keeps it
//! registered through restarts of the kubelet, deleted sockets and cancelled streams: [`Offer::run`].

mod checkpoint;
mod connections;
mod held;
mod http2;
mod in_flight;
mod messages;
mod offer;
mod patience;
mod register;
mod rivals;
mod server;
mod service;
mod services;
mod socket;
mod socket_names;
mod streams;
mod until_cancelled;
mod watcher;

use std::fmt;

pub(crate) use checkpoint::parse as parse_checkpoint;
pub use held::{Held, HeldError};
pub use in_flight::InFlight;
pub use offer::Offer;

use crate::node::NodeTree;

/// How a node's kubelet takes registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It watches `plugins_registry`.
    Watcher,
    /// It serves `Register` on `device-plugins/kubelet.sock`.
    Register,
}

impl Mode {
    /// By what exists, as the Go plugin chooses.
    pub fn detect(tree: &NodeTree) -> Self {
        if tree.real(tree.plugins_registry()).is_dir() {
            Self::Watcher
        } else {
            Self::Register
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watcher => "plugin watcher",
            Self::Register => "kubelet.sock",
        })
    }
}
