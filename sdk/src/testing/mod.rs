//! What the tests of a provider stand on: a node made of text.

pub mod tree;

pub use tree::{TempTree, Tree, TreeError};
