//! What the tests of a provider stand on: a node made of text, a harness that asks as the host does, and the
//! conformance suite.

mod harness;
#[doc(hidden)]
pub mod suite;
pub mod tree;

pub use crate::__sriovdp_conformance as conformance;
pub use harness::Harness;
pub use tree::{TempTree, Tree, TreeError};
