//! The journal of a fake kubelet: events, and violations of rules by plugins.

use std::fmt;
use std::path::PathBuf;
use std::time::Instant;

use sriovdp_proto::deviceplugin::Device;

use crate::view::is_healthy;

/// An event, with its time.
#[derive(Debug, Clone)]
pub struct Event {
    pub at: Instant,
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The kubelet listens on its socket.
    Started,
    /// The kubelet was killed.
    Killed,
    /// The kubelet has ended by itself, as after a panic.
    Crashed,
    /// The watcher saw a socket appear.
    SocketAppeared { socket: PathBuf },
    /// A file was gone when the watcher read it, which a kubelet logs as an error: `stat file ... failed`.
    Unreadable { path: PathBuf },
    /// The watcher saw a socket's file being removed.
    SocketVanished { socket: PathBuf },
    Registered {
        resource: String,
        endpoint: String,
        mode: RegistrationMode,
    },
    /// A registration failed, or a plugin gave the plugin watcher a wrong response.
    Refused {
        /// Empty if the kubelet did not learn it.
        resource: String,
        endpoint: String,
        mode: RegistrationMode,
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
    /// The last plugin of a resource disconnected: all its devices are unhealthy from now on.
    Disconnected { resource: String },
    /// The grace period without a plugin is over: its devices are no longer counted.
    Forgotten { resource: String },
    /// Devices were allocated to a container.
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

/// How a plugin registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationMode {
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
    pub(crate) fn note(&mut self, kind: EventKind) {
        let at = Instant::now();
        self.events.push(Event { at, kind });
    }

    pub(crate) fn listed(&mut self, resource: &str, devices: &[Device]) {
        self.note(EventKind::Listed {
            resource: resource.to_owned(),
            devices: devices.len(),
            healthy: devices.iter().filter(|device| is_healthy(device)).count(),
        });
    }

    pub(crate) fn blame(&mut self, violation: String) {
        self.violations.push(violation);
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => write!(f, "kubelet started"),
            Self::Crashed => write!(f, "kubelet crashed"),
            Self::Killed => write!(f, "kubelet killed"),
            Self::SocketAppeared { socket } => write!(f, "`{}` appeared", socket.display()),
            Self::Unreadable { path } => write!(f, "`{}` cannot be read", path.display()),
            Self::SocketVanished { socket } => write!(f, "`{}` vanished", socket.display()),
            Self::Registered {
                resource,
                endpoint,
                mode,
            } => write!(f, "`{resource}` registered through {mode} at `{endpoint}`"),
            Self::Refused {
                resource,
                endpoint,
                mode,
                message,
            } => write!(
                f,
                "`{resource}` refused through {mode} at `{endpoint}`: {message}"
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
                write!(f, "`{pod}` got `{resource}`: {}", ids.join(" "))
            }
            Self::Rejected { pod, message } => write!(f, "`{pod}` was rejected: {message}"),
            Self::NoCheckpoint(error) => write!(f, "cannot write the checkpoint: {error}"),
        }
    }
}

impl fmt::Display for RegistrationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register => "`Register`",
            Self::Watcher => "the plugin watcher",
        })
    }
}
