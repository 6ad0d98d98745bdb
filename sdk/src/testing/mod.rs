//! What the tests of a provider stand on: a node made of text, a harness that asks as the host does, and the
//! conformance suite.

#[doc(hidden)]
pub mod conformance;
mod harness;
pub mod tree;

pub use crate::__sriovdp_conformance as conformance;
pub use harness::Harness;
pub use tree::{TempTree, Tree, TreeError};
