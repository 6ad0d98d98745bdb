//! `netDevice` over small nodes and a captured one: what is offered, what selectors select, what containers get.

mod allocated;
mod captured;
mod default_route;
mod health;
mod offered;
mod selected;
mod vdpa;

use crate::NetDevice;
use sriovdp_sdk::Error;
use sriovdp_sdk_testing::{Harness, TempTree, Tree};

use serde_json::Value;

/// A node, and the provider after a discovery of it.
fn scan(tree: &str) -> (TempTree, Harness<NetDevice>) {
    let node = Tree::parse(tree).expect("a node").temp();
    let provider = Harness::new(NetDevice::default(), node.path());
    (node, provider)
}

fn ids(provider: &Harness<NetDevice>) -> Vec<String> {
    let devices = provider.devices().into_iter();
    devices.map(|device| device.id.to_string()).collect()
}

/// What a container gets for one device, as JSON.
#[track_caller]
fn allocate(provider: &Harness<NetDevice>, selectors: Value, id: &str) -> Value {
    provider
        .allocate_json(selectors, id)
        .expect("an allocation")
}

/// The message and causes of an allocation that must fail, as one text.
#[track_caller]
fn refused(provider: &Harness<NetDevice>, selectors: Value, id: &str) -> String {
    let error: Error = provider.allocate(selectors, &[id]).expect_err("a refusal");
    assert!(error.hint().is_some(), "no cure: {error:?}");
    let causes = error.causes().map(|cause| format!(": {cause}"));
    format!("{error}{}", causes.collect::<String>())
}

sriovdp_sdk_testing::conformance!(NetDevice);
