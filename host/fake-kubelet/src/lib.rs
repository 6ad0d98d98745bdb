//! A kubelet to test device plugins against: real sockets, real timing, faults on command.
//!
//! [`FakeKubelet`] is the part of a kubelet that a device plugin deals with, over a directory that stands for the
//! node: the device manager with its socket in `device-plugins`, and the plugin watcher over `plugins_registry`. It
//! does what kubelets do, including their bugs, and its behaviour depends on the version in the same way.
//! [`FakeKubelet::run_pod`] admits a pod and records its devices, also over restarts; nothing is executed.
//! [`FakeKubelet::allocate`] calls a plugin directly.
//!
//! A test starts the plugin with its paths below the same root, waits for what it expects, and in the end checks the
//! violations of rules, which may have had no consequence so far:
//!
//! ```no_run
//! use sriovdp_fake_kubelet::{Config, FakeKubelet};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = tempfile::tempdir()?;
//! let kubelet = FakeKubelet::start(Config::new(node.path())).await?;
//!
//! // Here the plugin starts, listens below `kubelet.node().device_plugins()` and calls `Register`.
//!
//! let vf = kubelet
//!     .wait_for("example.com/vf", |vf| vf.allocatable() == 2)
//!     .await?;
//! assert_eq!(vf.endpoint, "vf.sock");
//!
//! let container = kubelet
//!     .allocate("example.com/vf", &["0000:3b:02.0"])
//!     .await?;
//! assert_eq!(container.envs["PCIDEVICE_EXAMPLE_COM_VF"], "0000:3b:02.0");
//!
//! // A restart of the kubelet: all connections break, and all sockets are removed.
//! kubelet.restart().await?;
//! kubelet
//!     .wait_for("example.com/vf", |vf| vf.registrations == 2 && vf.allocatable() == 2)
//!     .await?;
//!
//! assert_eq!(kubelet.violations(), [""; 0]);
//! # Ok(())
//! # }
//! ```
//!
//! # Time
//!
//! The kubelet's own limits apply, from ten seconds for connecting to a plugin down to the plugin watcher's tick of
//! one second. [`Timing`] shortens them. Nothing else waits for the clock: [`FakeKubelet::wait_for`] is
//! evaluated after each change, and its error has the last state and all events.
//!
//! # A real device manager
//!
//! With [`Config::device_manager`], a program takes the place of the device manager and of the plugin watcher: those of
//! a real kubelet, which `make kubelet` builds. Views, events, pods and the rules for plugins stay the same; the faults
//! on command are the fake's alone, but for [`FakeKubelet::cancel_stream`]. The same test with and without the program
//! shows where the fake differs from a real kubelet.
//!
//! # Ownership
//!
//! Tasks and connections belong to one life of the kubelet. [`FakeKubelet::stop`] ends it abruptly, as SIGKILL does;
//! so does dropping the kubelet.
//!
//! # The plugin watcher's `:authority`
//!
//! Kubelets call a registration socket with its percent-encoded path as `:authority`, which strict HTTP/2
//! servers, such as tonic's, treat as a protocol error. By default so does this one, by means of a client of its own in
//! [`raw_grpc`]. [`Authority::Literal`] is for plugins that do not support it.
#![forbid(unsafe_code)]

mod kubelet;

mod allocation;
mod fault_commands;
mod pods;

mod config;
mod connection;
mod journal;
mod node;
mod view;

mod device_manager;
mod program;
pub mod raw_grpc;
mod watcher;

mod error;
mod faults;
mod process;
mod shared;
mod state;

pub use config::{Authority, Config, KubeletVersion, Timing};
pub use error::Error;
pub use journal::{Event, EventKind, RegistrationMode};
pub use kubelet::FakeKubelet;
pub use node::Node;
pub use pods::{ContainerDevices, DeviceHealth, Phase, PodSpec, PodView};
pub use view::{DeviceView, ResourceView, Timeout};
