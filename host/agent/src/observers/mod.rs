//! What observers of the running daemon query: a socket on the node itself, for the kubelet's probes (`sriovdp health`) and
//! for commands, and an HTTP server for scrapers.
//!
//! A client sends one line of JSON, `{"check":"liveness"}`, and gets one line back. Name of the socket, checks and
//! answers are those of the probes that the Go plugin proposes
//! (k8snetworkplumbingwg/sriov-network-device-plugin#718); the check `registered` is ours.

mod checks;
mod connections;
mod http;
mod local_socket;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use http::MetricsServer;
pub use local_socket::serve_local_socket;

use crate::history::History;
#[cfg(test)]
use crate::metrics::PodSeries;
use crate::metrics::{AllocatedDevices, Recorded};
use crate::status::DaemonStatus;
use crate::status::report::DaemonInfo;
use sriovdp_report::Hint;

/// The file name of the socket.
const SOCKET: &str = "sriovdp.sock";

/// Where the socket is in `directory`.
pub fn socket_path(directory: &Path) -> PathBuf {
    directory.join(SOCKET)
}

/// What a client queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Check {
    /// Whether the daemon works at all; the answer is a [`Liveness`].
    Liveness,
    /// Whether it has a healthy device, as the Go plugin counts readiness; the answer is a [`Readiness`].
    Readiness,
    /// Whether every resource is registered with the kubelet; the answer is a [`RegisteredResources`].
    Registered,
    /// The state of the daemon; the answer is a [`StatusReport`](crate::status::report::StatusReport).
    Status,
    /// The newest events of the log; the answer is that of [`History::to_json`](crate::history::History::to_json).
    Events,
    /// The metrics in the text format of Prometheus; the answer is a [`MetricsPage`].
    Metrics,
}

/// One line of a client.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Request {
    /// What it queries.
    pub check: Check,
    /// The age of the oldest event that it asks for, in seconds; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

impl From<Check> for Request {
    fn from(check: Check) -> Self {
        Self { check, since: None }
    }
}

/// The answer to [`Check::Liveness`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liveness {
    /// `alive`, or `stuck` when one reconcile does not come to its end.
    pub status: String,
}

/// The answer to [`Check::Readiness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// At least one device is healthy.
    pub ready: bool,
    /// The healthy devices of all pools.
    pub healthy_count: usize,
    /// The devices of all pools.
    pub total_count: usize,
    /// The pools with a healthy device.
    pub healthy_servers: usize,
}

/// The answer to [`Check::Registered`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredResources {
    /// A configuration is applied, no resource is unregistered, and not all of them are refused.
    pub ready: bool,
    /// The registered resources.
    pub registered_count: usize,
    /// The resources that the configuration has and that can be offered.
    pub total_count: usize,
    /// The resources that are not registered.
    pub unregistered: Vec<String>,
    /// How many resources of the configuration are refused.
    pub refused_count: usize,
    /// A configuration is applied.
    pub has_configuration: bool,
}

impl RegisteredResources {
    /// The answer in words.
    pub fn summary(&self) -> String {
        let mut counts = format!("{}/{} resources", self.registered_count, self.total_count);
        if self.refused_count > 0 {
            counts += &format!(", {} refused", self.refused_count);
        }
        if self.ready {
            format!("registered ({counts})")
        } else if !self.has_configuration {
            "no configuration is applied".to_owned()
        } else if self.unregistered.is_empty() {
            format!("every resource is refused ({counts})")
        } else {
            format!(
                "not registered: {} ({counts})",
                self.unregistered.join(", ")
            )
        }
    }
}

/// The answer to [`Check::Metrics`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricsPage {
    /// The page.
    pub text: String,
}

/// The answer to a request that is none of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why.
    pub error: String,
}

/// What the daemon answers from.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What it is.
    pub daemon: Arc<DaemonInfo>,
    /// Its state.
    pub status: watch::Receiver<DaemonStatus>,
    /// Its events.
    pub history: Arc<History>,
    /// The devices that pods have.
    pub allocated: Arc<AllocatedDevices>,
    /// Its counters, where it has any.
    pub recorded: Option<Arc<Recorded>>,
}

#[cfg(test)]
impl Sources {
    /// Those of a daemon without events, counters and a kubelet.
    fn of_status(status: watch::Receiver<DaemonStatus>) -> Self {
        let none = PathBuf::from("/none");
        let allocated = AllocatedDevices::new(none.clone(), none, PodSeries::Off);
        Self {
            daemon: DaemonInfo::example(),
            status,
            history: Arc::default(),
            allocated: Arc::new(allocated),
            recorded: None,
        }
    }
}

/// Why the daemon has no local socket.
#[derive(Debug, thiserror::Error)]
pub enum LocalSocketError {
    /// A process listens there.
    #[error("another daemon serves `{}`", .0.display())]
    Occupied(PathBuf),
    /// Removing it could lose data.
    #[error("`{}` is not a socket", .0.display())]
    NotASocket(PathBuf),
    /// The directory or the socket cannot be made.
    #[error("cannot listen on `{}`", .0.display())]
    Listen(PathBuf, #[source] io::Error),
}

impl Hint for LocalSocketError {
    fn hint(&self) -> Option<String> {
        Some("name a writable directory of this daemon alone with `--healthcheck-socket-dir`; pools are served without the socket, and probes fail".to_owned())
    }
}
