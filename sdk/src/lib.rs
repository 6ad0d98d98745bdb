//! Write a device type, or an extension of one, for `sriovdp`, the SR-IOV network device plugin for Kubernetes.
//!
//! A *provider* is one shared library in `/opt/sriovdp/providers`. The host finds the node's PCI functions, groups
//! devices into pools and talks to the kubelet; the provider says which devices there are, which of them a user's
//! selectors describe, and what a container gets. This is a whole one:
//!
//! ```
//! use sriovdp_sdk::*;
//!
//! /// Example accelerators, each with a device node of its own.
//! #[derive(Default)]
//! struct Fpga;
//!
//! #[derive(Default, Deserialize, JsonSchema)]
//! #[serde(crate = "sriovdp_sdk::serde", default)]
//! #[schemars(crate = "sriovdp_sdk::schemars")]
//! struct Selectors {
//!     /// PCI device ids, as `lspci -n` prints them.
//!     devices: Vec<HexId>,
//! }
//!
//! impl Provider for Fpga {
//!     type Selectors = Selectors;
//!     type Facts = HexId;
//!
//!     fn manifest(&self) -> Manifest {
//!         Manifest::device_type("fpga", "Example accelerators")
//!     }
//!
//!     fn discover(&self, node: &Node) -> Result<Discovery<HexId>, Error> {
//!         let mine = node.functions().iter().filter(|f| f.vendor == HexId(0x10ee) && f.base_class() == 0x12);
//!         Ok(mine.map(|f| Device::of(f, f.device)).collect())
//!     }
//!
//!     fn admit(&self, selectors: &Selectors, device: &Device<HexId>) -> Result<(), Refusal> {
//!         one_of("devices", &selectors.devices, Some(&device.facts))
//!     }
//!
//!     fn allocate(&self, node: &Node, _: &Selectors, device: &Device<HexId>) -> Result<Allocation, Error> {
//!         let path = format!("/dev/fpga-{}", device.function);
//!         node.require_device_node(&path)?;
//!         let mut allocation = Allocation::default();
//!         allocation.node(&path).info("fpga", "mount", path);
//!         Ok(allocation)
//!     }
//! }
//!
//! export_provider!(Fpga);
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib`, put the `.so` into the directory, and `"deviceType": "fpga"` works in the configuration:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! sriovdp-sdk = "1"
//! ```
//!
//! An *extension* differs in two places: its manifest names the device types that it extends, and its discovery goes
//! over [`Node::devices`], the devices that their owners found. It is asked about a selector object only when one of
//! its keys in it asks for something, which `false`, an empty text and an empty list do not; and it discovers only while
//! there is such an object.
//!
//! # What you can rely on
//!
//! * A provider built with SDK 1.x loads in every host of the same major version, older and newer.
//! * A panic in one of your methods becomes an error of that call, never the end of the host. Build with
//!   `panic = "unwind"`, the default; a library built with `panic = "abort"` is refused.
//! * What crosses the boundary is hidden: you write plain Rust against this crate alone.
//!
//! # What the host relies on
//!
//! * Everything of the node is read through [`Node`], so that the provider runs against a directory in a test.
//! * [`Provider::admit`] depends on its arguments only.
//! * A call ends within seconds.

#![forbid(missing_docs)]

mod allocation;
mod device;
mod driver;
mod error;
mod health;
pub mod log;
mod manifest;
mod pci;
mod provider;
mod ranged;
mod selector;
mod uplink;
mod userspace;
mod vhost;
mod view;

#[doc(hidden)]
#[allow(missing_docs, reason = "the host's door, no interface for authors")]
pub mod abi;
#[cfg(feature = "testing")]
pub mod testing;

pub use allocation::{Allocation, DeviceNode, Mount};
pub use device::{Device, DeviceId, Discovery, ExtendedDevice};
pub use driver::require_driver;
pub use error::Error;
pub use health::{Cause, Finding, Health};
pub use manifest::{Manifest, Role};
pub use pci::{HexId, PciAddress, PciFunction};
pub use provider::Provider;
pub use ranged::{Ranged, one_of_ranges};
pub use selector::{Name, Refusal, one_of};
pub use uplink::uplink_finding;
pub use userspace::{userspace_finding, userspace_nodes};
pub use vhost::vhost_net;
pub use view::{Devlink, Link, Netdev, Node, PciDir, Root};

pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize};

/// The version of this SDK.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Exports a [`Provider`] from a `cdylib`. Once per library, at the crate's root.
///
/// ```
/// # use sriovdp_sdk::*;
/// # #[derive(Default)]
/// # struct Fpga;
/// # #[derive(Default, Deserialize, JsonSchema)]
/// # #[serde(crate = "sriovdp_sdk::serde")]
/// # #[schemars(crate = "sriovdp_sdk::schemars")]
/// # struct Nothing {}
/// # impl Provider for Fpga {
/// #     type Selectors = Nothing;
/// #     type Facts = ();
/// #     fn manifest(&self) -> Manifest { Manifest::device_type("fpga", "") }
/// #     fn discover(&self, _: &Node) -> Result<Discovery<()>, Error> { Ok(Discovery::default()) }
/// #     fn admit(&self, _: &Nothing, _: &Device<()>) -> Result<(), Refusal> { Ok(()) }
/// #     fn allocate(&self, _: &Node, _: &Nothing, _: &Device<()>) -> Result<Allocation, Error> { Ok(Allocation::default()) }
/// # }
/// export_provider!(Fpga);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_provider {
    ($provider:ty) => {
        const _: () = {
            struct Exported;

            impl $crate::abi::Export for Exported {
                type Provider = $provider;

                const PACKAGE: (&'static str, &'static str) =
                    (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

                fn state() -> &'static $crate::abi::State<$provider> {
                    static STATE: $crate::abi::State<$provider> = $crate::abi::State::new();
                    &STATE
                }
            }

            #[used]
            #[unsafe(link_section = ".note.sriovdp")]
            static NOTE: $crate::abi::Note =
                $crate::abi::Note::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static HEADER: $crate::abi::LibHeader = $crate::abi::header::<Exported>();
        };
    };
}
