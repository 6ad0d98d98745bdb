//! Write a device type, an extension of one, or a health check for `sriovdp`, the SR-IOV network device plugin for
//! Kubernetes.
//!
//! A *provider* is one shared library in `/opt/sriovdp/providers`. The host scans the PCI bus, assigns devices to pools
//! and serves the kubelet; the provider discovers devices, compares them with selectors, checks their health, and
//! builds what a container gets. A provider is plain Rust in a repository of its own, with this crate as its only
//! dependency.
//!
//! # A whole provider
//!
//! ```
//! use sriovdp_sdk::prelude::*;
//!
//! /// Example accelerators, each with a device node of its own.
//! #[derive(Default)]
//! struct Fpga;
//!
//! /// The keys that a user can write into `selectors`.
//! #[selectors]
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
//!     fn matches(&self, selectors: &Selectors, device: &Device<HexId>) -> Result<(), Mismatch> {
//!         one_of("devices", &selectors.devices, Some(&device.facts))
//!     }
//!
//!     fn allocate(&self, node: &Node, _: &Selectors, device: &Device<HexId>) -> Result<Allocation, Error> {
//!         let path = format!("/dev/fpga-{}", device.id);
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
//! `sriovdp provider new NAME` writes such a crate with its tests: `crate-type = ["cdylib"]`, a dependency on
//! `sriovdp-sdk`, and a development dependency on `sriovdp-sdk-testing`. Where crates.io does not have them yet,
//! `--sdk PATH` takes them from a checkout of the repository. It prints the commands that bring it to a node:
//!
//! ```console
//! $ sriovdp provider new fpga
//! $ cd fpga
//! $ cargo test
//! $ cargo build --release
//! $ sriovdp provider check target/release/libfpga.so
//! $ cp target/release/libfpga.so /opt/sriovdp/providers/
//! ```
//!
//! The file must belong to root or to the user of the plugin, and no other user can be allowed to write to it.
//!
//! # Where to read on
//!
//! * [`guide`]: nested selectors, what a container gets and who wins, files of your own, time limits, other languages.
//! * [`Provider`]: what each method is for, and what the host relies on.
//! * [`Manifest`]: a device type, an [extension](Manifest::extension), an [incremental](Manifest::incremental) provider.
//! * [`Node`] and [`node`]: the PCI bus, sysfs, network interfaces, devlink. [`Memory`] keeps what a pod takes away.
//! * [`selector`]: values that compare as users write them. [`health`]: checks. [`userspace`]: VFIO, UIO and vhost. [`vdpa`].
//! * `sriovdp-sdk-testing`: nodes made of text, a harness, and `conformance!`.
//!
//! # Compatibility
//!
//! A provider that was built for ABI 1 loads in every host with ABI 1, older or newer; `sriovdp-provider-abi` documents
//! the interface. [`Manifest::needs_host`] refuses older hosts. Profiles, allocators and versions of Rust make no
//! difference, but the C library must not be newer than that of the node. A panic in a method is an error of that
//! call; a library built with `panic = "abort"` is refused. The API follows semantic versioning: types that will grow are
//! `#[non_exhaustive]`, and serde 1, serde_json 1 and schemars 1 are parts of it. The oldest Rust is 1.85; a later one
//! is a new minor version.

#![forbid(missing_docs)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod allocation;
mod device;
mod driver;
mod error;
mod export;
pub mod guide;
pub mod health;
mod host_device;
mod iommufd;
pub mod log;
#[doc(hidden)]
pub mod lowest_metric;
mod manifest;
mod matching;
mod memory;
pub mod node;
mod pci;
mod pcie_root;
mod permissions;
pub mod prelude;
mod provider;
mod ranged;
#[doc(hidden)]
pub mod regular;
#[doc(hidden)]
pub mod runtime;
mod unmatchable;
mod uplink;
pub mod userspace;
pub mod vdpa;
mod vhost;

/// What selectors are made of: values that compare as users write them, comparisons, and checks of values that no
/// device can have.
pub mod selector {
    pub use crate::matching::{CaseInsensitive, one_of};
    pub use crate::pcie_root::{PcieRoot, PcieRoots};
    pub use crate::ranged::{IndexRanges, one_of_ranges};
    pub use crate::unmatchable::{
        unmatchable, unmatchable_acpi_indexes, unmatchable_drivers, unmatchable_interfaces,
        unmatchable_link_types,
    };
}

pub use allocation::{Allocation, DeviceNode, Mount};
pub use device::{BaseDevice, Device, Discovery};
pub use error::{Context, Error};
pub use manifest::Manifest;
pub use matching::{Mismatch, one_of};
pub use memory::{Memory, Recall};
pub use node::{HostRoot, Node, PciSysfs};
pub use pci::{HexId, PciFunction};
pub use permissions::Permissions;
pub use provider::Provider;

pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize};
pub use serde_json;
pub use sriovdp_provider_abi::limits;
pub use sriovdp_provider_abi::{Attribute, DeviceId, Finding, FindingKind, ParseError, PciAddress};

/// Makes a struct the selectors of a provider: one field for each key, and each key may be left out.
///
/// It derives `Default`, `Deserialize` and `JsonSchema`, from the versions of serde and schemars that this crate
/// re-exports. Doc comments become descriptions in the schema, and `#[serde(rename_all = "camelCase")]` makes the usual
/// spelling.
///
/// ```
/// use sriovdp_sdk::HexId;
///
/// #[sriovdp_sdk::selectors]
/// #[serde(rename_all = "camelCase")]
/// struct Selectors {
///     /// PCI device ids, as `lspci -n` prints them.
///     device_ids: Vec<HexId>,
/// }
///
/// let selectors: Selectors = sriovdp_sdk::serde_json::from_str(r#"{"deviceIds": ["5001"]}"#)?;
/// assert_eq!(selectors.device_ids, [HexId(0x5001)]);
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
///
/// [`guide`](crate::guide#selectors) has numbers, enums and structs in selectors. These do not compile: an argument, a type
/// that is no struct, and a field whose type has no `Default`, because each key may be left out.
///
/// ```compile_fail
/// #[sriovdp_sdk::selectors(camelCase)]
/// struct Selectors {}
/// ```
///
/// ```compile_fail
/// #[sriovdp_sdk::selectors]
/// enum Selectors { Devices, Drivers }
/// ```
///
/// ```compile_fail
/// #[derive(sriovdp_sdk::Deserialize, sriovdp_sdk::JsonSchema)]
/// #[serde(crate = "sriovdp_sdk::serde")]
/// #[schemars(crate = "sriovdp_sdk::schemars")]
/// enum Mode { Inline, LookAside }
///
/// #[sriovdp_sdk::selectors]
/// struct Selectors { mode: Mode }
/// ```
pub use sriovdp_sdk_macros::selectors;

/// Makes a struct the section of a provider in the configuration, as [`selectors`](macro@crate::selectors) makes one the
/// selectors: each key may be left out. See [`Manifest::settings`].
pub use sriovdp_sdk_macros::selectors as settings;

/// The version of this SDK.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
