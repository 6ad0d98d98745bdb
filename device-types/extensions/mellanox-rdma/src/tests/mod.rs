//! `isRdma` and `pKeys` over small nodes and a captured one: what they select, and what containers get.

mod allocated;
mod cloud;
mod health;
mod selected;

use crate::MellanoxRdma;
use sriovdp_sdk::{BaseDevice, DeviceId, PciAddress};
use sriovdp_sdk_testing::{Harness, TempTree, Tree};

/// A node, and the extension after a discovery of these PCI functions.
fn functions(tree: &str, ids: &[&str]) -> (TempTree, Harness<MellanoxRdma>) {
    scan(tree, netdevices(ids))
}

/// A node, and the extension after a discovery of these subfunctions of `0000:08:00.0`.
fn subfunctions(tree: &str, ids: &[&str]) -> (TempTree, Harness<MellanoxRdma>) {
    scan(
        tree,
        ids.iter()
            .map(|id| device("auxNetDevice", id, "0000:08:00.0"))
            .collect(),
    )
}

fn scan(tree: &str, devices: Vec<BaseDevice>) -> (TempTree, Harness<MellanoxRdma>) {
    let node = Tree::parse(tree).expect("a node").temp();
    let provider = extend(&node, devices);
    (node, provider)
}

/// The extension as it is after the start of the host.
fn extend(node: &TempTree, devices: Vec<BaseDevice>) -> Harness<MellanoxRdma> {
    Harness::extending(MellanoxRdma::default(), node.path(), devices)
}

fn netdevices(ids: &[&str]) -> Vec<BaseDevice> {
    ids.iter().map(|id| device("netDevice", id, id)).collect()
}

fn device(device_type: &str, id: &str, function: &str) -> BaseDevice {
    let id = DeviceId::new(id).expect("an id");
    let function: PciAddress = function.parse().expect("an address");
    BaseDevice::new(device_type, id, function)
}

sriovdp_sdk_testing::conformance!(MellanoxRdma);
