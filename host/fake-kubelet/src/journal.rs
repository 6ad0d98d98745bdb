//! The record of a fake kubelet: what happened, and which rules a plugin broke.

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

/// Something that happened, and when.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: Instant,
    pub what: Happening,
}

/// What can happen between a kubelet and its plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// The kubelet listens on its socket.
    Started,
    /// The kubelet was killed.
    Killed,
    /// The watcher saw a socket appear.
    SocketAppeared { socket: PathBuf },
    /// The watcher saw a socket's file being removed.
    SocketVanished { socket: PathBuf },
    Registered {
        resource: String,
        endpoint: String,
        way: Way,
    },
    /// A registration failed. In the plugin watcher also: the plugin did not answer as it should.
    Refused {
        /// Empty if the kubelet did not get to know it.
        resource: String,
        endpoint: String,
        way: Way,
        message: String,
    },
    /// A `Register` call is held, as [`never_answer`](crate::FakeKubelet::never_answer) commanded.
    Held { resource: String },
    /// A message of `ListAndWatch`.
    Listed {
        resource: String,
        devices: usize,
        healthy: usize,
    },
    /// A `ListAndWatch` stream ended, for this reason.
    StreamEnded {
        resource: String,
        endpoint: String,
        reason: String,
    },
    /// The kubelet lost the last plugin of a resource, whose devices all count as unhealthy from now on.
    Disconnected { resource: String },
    /// The plugin stayed away for so long that its devices are no longer counted.
    Forgotten { resource: String },
    /// A container was given devices.
    Allocated {
        pod: String,
        resource: String,
        ids: Vec<String>,
    },
    /// A pod was not admitted.
    Rejected { pod: String, message: String },
    /// The checkpoint could not be written.
    NoCheckpoint(String),
}

/// The two ways to register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The plugin called `Register` on the kubelet's socket.
    Register,
    /// The kubelet found the plugin's socket in its registry.
    Watcher,
}

/// Both records, in order.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) events: Vec<Event>,
    pub(crate) violations: Vec<String>,
}

impl Journal {
    pub(crate) fn note(&mut self, what: Happening) {
        let at = Instant::now();
        self.events.push(Event { at, what });
    }

    pub(crate) fn blame(&mut self, violation: String) {
        self.violations.push(violation);
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => write!(f, "kubelet started"),
            Self::Killed => write!(f, "kubelet killed"),
            Self::SocketAppeared { socket } => write!(f, "`{}` appeared", socket.display()),
            Self::SocketVanished { socket } => write!(f, "`{}` vanished", socket.display()),
            Self::Registered {
                resource,
                endpoint,
                way,
            } => write!(f, "`{resource}` registered through {way} at `{endpoint}`"),
            Self::Refused {
                resource,
                endpoint,
                way,
                message,
            } => write!(
                f,
                "`{resource}` refused through {way} at `{endpoint}`: {message}"
            ),
            Self::Held { resource } => write!(f, "`{resource}` is not answered"),
            Self::Listed {
                resource,
                devices,
                healthy,
            } => write!(
                f,
                "`{resource}` listed {devices} devices, {healthy} healthy"
            ),
            Self::StreamEnded {
                resource,
                endpoint,
                reason,
            } => write!(f, "`{resource}` stream of `{endpoint}` ended: {reason}"),
            Self::Disconnected { resource } => write!(f, "`{resource}` disconnected"),
            Self::Forgotten { resource } => write!(f, "`{resource}` forgotten"),
            Self::Allocated { pod, resource, ids } => {
                write!(f, "`{pod}` was given `{resource}`: {}", ids.join(" "))
            }
            Self::Rejected { pod, message } => write!(f, "`{pod}` was rejected: {message}"),
            Self::NoCheckpoint(error) => write!(f, "cannot write the checkpoint: {error}"),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register => "`Register`",
            Self::Watcher => "the plugin watcher",
        })
    }
}
