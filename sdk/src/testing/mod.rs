//! What the tests of a provider stand on: a node made of text.

mod harness;
pub mod tree;

pub use harness::Harness;
pub use tree::{TempTree, Tree, TreeError};
