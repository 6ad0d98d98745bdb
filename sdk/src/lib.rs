//! Write a device type, an extension of one, or a health check for `sriovdp`, the SR-IOV network device plugin for
//! Kubernetes.
//!
//! A *provider* is one shared library in `/opt/sriovdp/providers`. The host finds the node's PCI functions, groups
//! devices into pools and talks to the kubelet; the provider says which devices there are, which of them a user's
//! selectors describe, whether they are healthy, and what a container gets. You write plain Rust against this crate
//! alone, in a repository of your own.
//!
//! # A whole provider
//!
//! ```
//! use sriovdp_sdk::*;
//!
//! /// Example accelerators, each with a device node of its own.
//! #[derive(Default)]
//! struct Fpga;
//!
//! /// The keys that a user may write into `selectors`.
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
//!     fn matches(&self, selectors: &Selectors, device: &Device<HexId>) -> Result<(), Mismatch> {
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
//! `Cargo.toml` makes it a library that can be loaded, and adds the test tools:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib"]
//!
//! [dependencies]
//! sriovdp-sdk = "1"
//!
//! [dev-dependencies]
//! serde_json = "1"
//! sriovdp-sdk-testing = "1"
//! ```
//!
//! Where crates.io has no such crates yet, `[patch.crates-io]` names the copies in a checkout:
//! `sriovdp-sdk = { path = "../sriovdp/sdk" }` and `sriovdp-sdk-testing = { path = "../sriovdp/sdk/testing" }`.
//!
//! From there to a node it is four commands. `provider check` says step by step whether a host would load the file, and
//! a running one loads it as soon as it is in the directory:
//!
//! ```console
//! $ cargo test
//! $ cargo build --release
//! $ sriovdp provider check target/release/libfpga.so
//! $ cp target/release/libfpga.so /opt/sriovdp/providers/
//! ```
//!
//! The file must belong to root or to the plugin's user, and nobody else may be able to write to it. Then this is a
//! resource, and `sriovdp explain` says of each device why it is in it or why not:
//!
//! ```json
//! {"resourceList": [{"resourceName": "fpga", "deviceType": "fpga", "selectors": {"devices": ["5001"]}}]}
//! ```
//!
//! `sriovdp provider new NAME` writes such a crate with its tests.
//!
//! # What each part is for
//!
//! * [`Provider::manifest`] is the name tag: a device type of your own, or the ones that you extend.
//! * [`Provider::Selectors`] is a struct with one field for each key. Its doc comments become descriptions in the JSON
//!   schema that configurations are checked against; a key that is in no schema is refused with "did you mean". Every
//!   key may be left out: the default asks for nothing. [`HexId`], [`PciAddress`], [`CaseInsensitive`] and [`IndexRanges`] are values
//!   that compare as users write them, and `#[serde(rename_all = "camelCase")]` makes the usual spelling.
//! * [`Provider::check`] is for what types cannot say: a value that has to be parsed, keys that belong together. What
//!   it refuses costs that resource, and its message is what the user reads.
//! * [`Provider::discover`] finds devices on a [`Node`]: [`functions`](Node::functions) is the PCI bus as the host's
//!   scan found it, [`pci`](Node::pci) the live sysfs directory of one function, [`root`](Node::root) any other file.
//!   What you will need later about a device goes into its [`facts`](Device::facts). Leave out one device rather than
//!   fail: [`Discovery::exclude`] keeps the reason for `sriovdp explain`. The host repeats it after each change; on large
//!   nodes that is cheap for a provider that goes [function by function](Manifest::incremental).
//! * [`Provider::matches`] judges one device by one selector object. [`one_of`] writes most of it, and its refusal too.
//! * [`Provider::allocate`] builds what a container gets, from the node as it is now: device nodes, mounts, values for
//!   `PCIDEVICE_…_INFO` and for the device-info file. [`userspace_nodes`] knows those of VFIO and UIO, [`vhost_net`]
//!   those of vhost. Ask [`Node::require_device_node`] first: a container without its device is worse than none.
//! * [`log`] goes to the host's log, with your package's name.
//!
//! # An extension
//!
//! adds selector keys, health and device nodes to a device type that another provider owns. It differs in two places:
//! its manifest names what it extends, and its discovery goes over [`Node::devices`], what the owners found.
//!
//! ```
//! # use sriovdp_sdk::*;
//! /// The slot that a network card is in, for `netDevice`.
//! #[derive(Default)]
//! struct Slot;
//!
//! #[derive(Default, Deserialize, JsonSchema)]
//! #[serde(crate = "sriovdp_sdk::serde", default)]
//! #[schemars(crate = "sriovdp_sdk::schemars")]
//! struct Selectors {
//!     /// Physical slots, as the labels on the machine name them.
//!     slots: Vec<CaseInsensitive>,
//! }
//!
//! impl Provider for Slot {
//!     type Selectors = Selectors;
//!     type Facts = Option<CaseInsensitive>;
//!
//!     fn manifest(&self) -> Manifest {
//!         Manifest::extension(&["netDevice"], "The slots of network cards")
//!     }
//!
//!     fn discover(&self, node: &Node) -> Result<Discovery<Option<CaseInsensitive>>, Error> {
//!         let slot = |device: &BaseDevice| {
//!             let label = node.pci(device.function).attribute("label")?;
//!             Some(CaseInsensitive::from(label.as_str()))
//!         };
//!         let devices = node.devices().iter();
//!         Ok(devices.map(|device| Device::extending(device, slot(device))).collect())
//!     }
//!
//!     fn matches(&self, selectors: &Selectors, device: &Device<Option<CaseInsensitive>>) -> Result<(), Mismatch> {
//!         one_of("slots", &selectors.slots, device.facts.as_ref())
//!     }
//!
//!     fn allocate(&self, _: &Node, _: &Selectors, _: &Device<Option<CaseInsensitive>>) -> Result<Allocation, Error> {
//!         Ok(Allocation::default())
//!     }
//! }
//!
//! export_provider!(Slot);
//! # fn main() {}
//! ```
//!
//! A user writes its keys beside those of the owner, and a device has to satisfy both:
//! `"selectors": {"vendors": ["8086"], "slots": ["PCIe 3"]}`. An extension is asked about a selector object only when one
//! of its keys in it asks for something, which `false`, an empty text and an empty list do not; and it discovers only
//! while there is such an object.
//!
//! # A health check
//!
//! is a part of discovery, which the host repeats: a device with a [`Finding`] stays in its pool, is given to no new
//! pod, and is left to the pods that have it.
//!
//! ```
//! # use sriovdp_sdk::*;
//! fn state(node: &Node, function: &PciFunction) -> Option<Finding> {
//!     match node.pci(function.address).attribute("acme/state").as_deref() {
//!         Some("ready") => None,
//!         Some(state) => Some(Finding::new(FindingKind::Other, format!("the card says that it is `{state}`"))),
//!         None => Some(Finding::new(FindingKind::Other, "the card does not say how it is")),
//!     }
//! }
//!
//! fn device(node: &Node, function: &PciFunction) -> Device<()> {
//!     let findings = [state(node, function), check_userspace_nodes(node, function)];
//!     Device::of(function, ()).health(Health::of(findings))
//! }
//! ```
//!
//! The reason is a sentence about the device, for the log and for `sriovdp explain`; the [`FindingKind`] is what a resource
//! may leave out by its key `health`. Do not make it depend on something that a pod takes away, as it takes a network
//! interface into its namespace.
//!
//! What speaks against a device only for resources with certain selectors, such as the missing node of something that
//! only they hand out, is [`Provider::findings`]. A selector that the device does not satisfy is no finding: `matches` says
//! so, and with [`Mismatch::unreadable`] that it cannot be read while a pod has the device.
//!
//! # Tests
//!
//! No hardware is needed, no root and no mock: a node is a few lines of text. `sriovdp_sdk_testing::Harness` asks a provider as
//! the host does, and `conformance!` there is one line that tries everything a provider has to keep to: damaged
//! files, functions that vanish between two reads, thousands of devices, stable answers.
//!
//! ```
//! # mod hidden {
//! # use sriovdp_sdk::*;
//! # #[derive(Default)]
//! # pub struct Fpga;
//! # #[derive(Default, Deserialize, JsonSchema)]
//! # #[serde(crate = "sriovdp_sdk::serde", default)]
//! # #[schemars(crate = "sriovdp_sdk::schemars")]
//! # pub struct Selectors { devices: Vec<HexId> }
//! # impl Provider for Fpga {
//! #     type Selectors = Selectors;
//! #     type Facts = HexId;
//! #     fn manifest(&self) -> Manifest { Manifest::device_type("fpga", "Example accelerators") }
//! #     fn discover(&self, node: &Node) -> Result<Discovery<HexId>, Error> {
//! #         Ok(node.functions().iter().map(|f| Device::of(f, f.device)).collect())
//! #     }
//! #     fn matches(&self, selectors: &Selectors, device: &Device<HexId>) -> Result<(), Mismatch> {
//! #         one_of("devices", &selectors.devices, Some(&device.facts))
//! #     }
//! #     fn allocate(&self, node: &Node, _: &Selectors, device: &Device<HexId>) -> Result<Allocation, Error> {
//! #         let path = format!("/dev/fpga-{}", device.function);
//! #         node.require_device_node(&path)?;
//! #         let mut allocation = Allocation::default();
//! #         allocation.node(&path);
//! #         Ok(allocation)
//! #     }
//! # }
//! const NODE: &str = "
//!     pci 0000:17:00.{0-1} 10ee:500{0-1} class=120000 driver=xocl
//!     dev /dev/fpga-0000:17:00.1
//! ";
//!
//! sriovdp_sdk_testing::conformance!(Fpga, NODE);
//!
//! #[test]
//! # fn not_seen_by_a_doctest() {}
//! # pub
//! fn the_node_of_a_card_is_handed_out() {
//!     let fpga = sriovdp_sdk_testing::Harness::on(Fpga, NODE);
//!     let keys = serde_json::json!({"devices": ["5001"]});
//!     assert_eq!(fpga.select(keys.clone()), ["0000:17:00.1"]);
//!     let allocated = fpga.allocate(keys, &["0000:17:00.1"]).unwrap();
//!     assert_eq!(allocated[0].nodes[0].0, "/dev/fpga-0000:17:00.1");
//! }
//! # }
//! # hidden::the_node_of_a_card_is_handed_out();
//! ```
//!
//! # What you can rely on
//!
//! * **A provider built with SDK 1.x loads in every host of the major version 1, older and newer.** What the library
//!   exports is two functions, and their layout never changes within 1.x. Everything else crosses as JSON, where each
//!   side ignores what it does not know, and has a default for what the other side does not say. A newer SDK adds
//!   fields and methods, and an older host does without them.
//! * **A provider that cannot do without something newer says so** with [`Manifest::needs_host`], and an older host
//!   refuses it in one sentence with both versions.
//! * **Your source keeps compiling** with every later SDK 1.x. The oldest Rust that an SDK needs is its `rust-version`,
//!   1.85 for now; a later one is a new minor version of the SDK.
//! * Release and debug builds, optimisation levels, other versions of Rust than the host's and an allocator of your own
//!   make no difference. The C library has to be as old as the node's or older: build on the oldest distribution that
//!   you support.
//! * A panic in one of your methods becomes an error of that call, never the end of the host. Build with
//!   `panic = "unwind"`, the default; a library built with `panic = "abort"` is refused.
//!
//! # What the host relies on
//!
//! * Everything of the node is read through [`Node`], so that the provider runs against a directory in a test.
//! * [`Provider::matches`] depends on its arguments only.
//! * A call ends within seconds, and may come from any thread, several at a time.
//! * The id of a device stays the same when the plugin or the node starts again.

#![forbid(missing_docs)]
#![allow(
    clippy::test_attr_in_doctest,
    reason = "the page shows a test, and calls it below where nobody sees it"
)]

mod allocation;
mod device;
mod driver;
mod error;
mod export;
mod health;
pub mod log;
#[doc(hidden)]
pub mod lowest_metric;
mod manifest;
mod pci;
mod provider;
mod ranged;
mod selector;
mod unmatchable;
mod uplink;
mod userspace;
mod vhost;
mod view;

#[doc(hidden)]
pub mod regular;
#[doc(hidden)]
pub mod runtime;

pub use allocation::{Allocation, DeviceNode, Mount};
pub use device::{BaseDevice, Device, Discovery};
pub use driver::require_driver;
pub use error::Error;
pub use health::Health;
pub use manifest::{Manifest, Role};
pub use pci::{HexId, PciFunction};
pub use provider::Provider;
pub use ranged::{IndexRanges, one_of_ranges};
pub use selector::{CaseInsensitive, Mismatch, one_of};
pub use unmatchable::{
    unmatchable, unmatchable_acpi_indexes, unmatchable_drivers, unmatchable_interfaces,
    unmatchable_link_types,
};
pub use uplink::check_uplink;
pub use userspace::{check_userspace_nodes, userspace_nodes};
pub use vhost::{vhost_net, vhost_net_warnings};
pub use view::{Devlink, HostRoot, LinkState, Netdev, Node, PciSysfs};

pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize};
pub use sriovdp_provider_abi::{DeviceId, Finding, FindingKind, ParseError, PciAddress};

/// The version of this SDK.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
