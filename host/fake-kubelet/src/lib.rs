//! A kubelet to test device plugins against: real sockets, real timing, faults on command.
//!
//! [`FakeKubelet`] is the part of a kubelet that a device plugin deals with, over a directory that stands for the
//! node: the device manager with its socket in `device-plugins`, and the plugin watcher over `plugins_registry`. It
//! does what kubelets do, including what one would rather not have them do, and differs with the version in the same
//! way. [`FakeKubelet::run_pod`] admits a pod and keeps book of the devices that it holds, over restarts as well; nothing
//! is executed. [`FakeKubelet::allocate`] asks a plugin directly.
//!
//! A test starts the plugin with its paths below the same root, waits for what it expects, and in the end looks at
//! the rules that the plugin may have broken without consequences so far:
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
//! // What a plugin has to survive: the kubelet dies, all connections break, all sockets are removed.
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
//! one second. [`Timing`] shortens them. Nothing else waits for the clock: [`FakeKubelet::wait_for`] looks again
//! whenever something changes, and when it gives up says what the last state was and everything that happened.
//!
//! # Ownership
//!
//! Tasks and connections belong to one life of the kubelet. [`FakeKubelet::stop`] ends it abruptly, as SIGKILL does;
//! so does dropping the kubelet.
//!
//! # The plugin watcher's `:authority`
//!
//! Kubelets call a registration socket with its percent-encoded path as `:authority`, which a strict HTTP/2 server
//! takes for a protocol error; tonic's is one. By default so does this one, by means of a client of its own in
//! [`raw_grpc`]. [`Authority::Literal`] is for plugins that cannot be helped.
#![forbid(unsafe_code)]

mod kubelet;

mod allocation;
mod fault_commands;
mod pods;

mod config;
mod journal;
mod node;
mod view;

mod device_manager;
pub mod raw_grpc;
mod watcher;

mod error;
mod faults;
mod process;
mod shared;
mod wire;

pub use config::{Authority, Config, KubeletVersion, Timing};
pub use error::Error;
pub use journal::{Event, Happening, Way};
pub use kubelet::FakeKubelet;
pub use node::Node;
pub use pods::{ContainerDevices, DeviceHealth, Phase, PodSpec, PodView};
pub use view::{DeviceView, ResourceView, Timeout};
