//! The device type `acmeFpga`: cards of the made-up vendor Acme, each with a node `/dev/acme<N>`.

use sriovdp_sdk::prelude::*;
use sriovdp_sdk::{FindingKind, PciAddress};

#[derive(Default)]
struct AcmeFpga;

#[selectors]
struct Keys {
    /// PCI device ids, as `lspci -n` prints them.
    devices: Vec<HexId>,
}

impl Provider for AcmeFpga {
    type Selectors = Keys;
    type Facts = HexId;

    fn manifest(&self) -> Manifest {
        Manifest::device_type("acmeFpga", "Acme FPGA cards")
    }

    fn discover(&self, node: &Node) -> Result<Discovery<HexId>, Error> {
        let all = node.functions().iter();
        let cards = all.filter(|f| f.vendor == HexId(0xac3e));
        let device = |card: &PciFunction| {
            let missing = device_node(node, card.address).err();
            let missing = missing.map(|error| error.to_finding(FindingKind::DeviceNode));
            Device::of(card, card.device).with_findings([missing])
        };
        Ok(cards.map(device).collect())
    }

    fn matches(&self, keys: &Keys, card: &Device<HexId>) -> Result<(), Mismatch> {
        one_of("devices", &keys.devices, Some(&card.facts))
    }

    fn allocate(&self, on: &Node, _: &Keys, card: &Device<HexId>) -> Result<Allocation, Error> {
        let mut allocation = Allocation::default();
        allocation.node(device_node(on, card.pci_function()?)?);
        Ok(allocation)
    }
}

/// The device node of a card, which its driver announces in sysfs.
fn device_node(node: &Node, card: PciAddress) -> Result<String, Error> {
    let names = node.pci(card).list("acme");
    let path = format!("/dev/{}", names.first().context("no entry in `acme`")?);
    node.require_device_node(&path)?;
    Ok(path)
}

export_provider!(AcmeFpga);

#[cfg(test)]
const NODE: &str = "pci 0000:17:00.{0-1} ac3e:000{0-1} class=120000 driver=acme
    file @0000:17:00.1/acme/acme7/dev 240:7
    dev /dev/acme7";
#[cfg(test)]
sriovdp_sdk_testing::conformance!(AcmeFpga, NODE);

#[test]
fn a_selected_card_brings_its_node() {
    use sriovdp_sdk_testing::{json, Harness};

    let acme = Harness::on(AcmeFpga, NODE);
    let keys = json!({"devices": ["0001"]});
    assert_eq!(acme.select(keys.clone()), ["0000:17:00.1"]);
    let allocated = acme.allocate(keys, &["0000:17:00.1"]).unwrap();
    assert_eq!(allocated[0].nodes[0].host_path, "/dev/acme7");
}
