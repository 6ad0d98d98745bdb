//! Tests for providers of `sriovdp`, without hardware, root rights or mocks.
//!
//! A node is a few lines of text ([`tree`]). [`Harness`] calls a provider as the host does, and [`conformance!`] is one
//! line that tries everything a provider has to keep to: damaged files, functions that vanish between two reads,
//! thousands of devices, stable results, allocations that change nothing.
//!
//! ```
//! # mod hidden {
//! # use sriovdp_sdk::prelude::*;
//! # #[derive(Default)]
//! # pub struct Fpga;
//! # #[selectors]
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
//! #         let path = format!("/dev/fpga-{}", device.id);
//! #         node.require_device_node(&path)?;
//! #         let mut allocation = Allocation::default();
//! #         allocation.node(&path);
//! #         Ok(allocation)
//! #     }
//! # }
//! use sriovdp_sdk_testing::{Harness, conformance, json};
//!
//! const NODE: &str = "
//!     pci 0000:17:00.{0-1} 10ee:500{0-1} class=120000 driver=xocl
//!     dev /dev/fpga-0000:17:00.1
//! ";
//!
//! conformance!(Fpga, NODE);
//!
//! #[test]
//! # fn not_seen_by_a_doctest() {}
//! # pub
//! fn an_allocation_has_the_node_of_the_card() {
//!     let fpga = Harness::on(Fpga, NODE);
//!     let keys = json!({"devices": ["5001"]});
//!     assert_eq!(fpga.select(keys.clone()), ["0000:17:00.1"]);
//!     let allocated = fpga.allocate(keys, &["0000:17:00.1"]).unwrap();
//!     assert_eq!(allocated[0].nodes[0].host_path, "/dev/fpga-0000:17:00.1");
//! }
//! # }
//! # hidden::an_allocation_has_the_node_of_the_card();
//! ```

#![forbid(missing_docs)]
#![allow(
    clippy::test_attr_in_doctest,
    reason = "the page shows a test, and calls it in a hidden line"
)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod harness;
#[doc(hidden)]
pub mod suite;

pub use crate::__sriovdp_conformance as conformance;
pub use harness::{Excluded, FoundDevice, Harness};
pub use sriovdp_sdk::serde_json::json;
pub use sriovdp_tree as tree;
pub use tree::{TempTree, Tree, TreeError};
