//! `auxNetDevice` over small nodes: what is offered, what selectors select, what containers get.

mod allocated;
mod checked;
mod offered;
mod selected;

use crate::AuxNetDevice;
use sriovdp_sdk_testing::{Harness, TempTree, Tree};

/// A node, and the provider after a discovery of it.
fn scan(tree: &str) -> (TempTree, Harness<AuxNetDevice>) {
    let node = Tree::parse(tree).expect("a node").temp();
    let provider = Harness::new(AuxNetDevice::default(), node.path());
    (node, provider)
}

sriovdp_sdk_testing::conformance!(AuxNetDevice);
