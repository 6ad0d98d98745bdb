//! The device type `nimbusCrypto`: crypto accelerators of the made-up vendor Nimbus.
//!
//! Each card, and each virtual function of one, has a node `/dev/nimbus<N>`, which its driver announces in sysfs; all
//! of a node share `/dev/nimbus_ctl`. A resource can have the vendor's library, which is a mount.

mod card;
mod selectors;
#[cfg(test)]
mod tests;

use sriovdp_sdk::prelude::*;

use card::Card;
use selectors::Selectors;

/// Where the vendor's package puts the library of the node.
const LIBRARY: &str = "/usr/lib/nimbus";
const CONTROL: &str = "/dev/nimbus_ctl";

#[derive(Default)]
struct NimbusCrypto;

impl Provider for NimbusCrypto {
    type Selectors = Selectors;
    type Facts = Card;

    fn manifest(&self) -> Manifest {
        Manifest::device_type("nimbusCrypto", "Nimbus crypto accelerators").cdi_class("crypto")
    }

    fn check(&self, selectors: &Selectors) -> Result<(), Error> {
        selectors.check()
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Card>, Error> {
        let mut found = Discovery::default();
        for function in node.functions().iter().filter(|f| Card::is_one(f)) {
            match Card::read(node, function) {
                // What a scan reads may be half there: a driver is being bound. It costs this card only.
                Err(error) => found.exclude(function.address, error.to_string()),
                Ok(card) => {
                    let finding = card.finding();
                    found.add(Device::of(function, card).with_findings(finding));
                }
            }
        }
        Ok(found)
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Card>) -> Result<(), Mismatch> {
        selectors.matches(&device.facts)
    }

    fn allocate(
        &self,
        node: &Node,
        selectors: &Selectors,
        device: &Device<Card>,
    ) -> Result<Allocation, Error> {
        // The number of a device node changes when the driver is bound again, so it is read now.
        let path = card::device_node(node, device.pci_function()?)?;
        let mut allocation = Allocation::default();
        for path in [path.as_str(), CONTROL] {
            node.require_device_node(path).map_err(|missing| {
                missing.with_hint(
                    "load the module `nimbus`, and read what the kernel has logged about the card",
                )
            })?;
        }
        allocation
            .node(path.as_str())
            .shared_node(CONTROL)
            .info("nimbus", "node", path)
            .info("nimbus", "firmware", device.facts.firmware.to_string());
        if selectors.need_library {
            // The container runtime checks the path: the plugin in its container has a `/usr` of its own.
            allocation.mount_read_only(LIBRARY);
        }
        Ok(allocation)
    }
}

export_provider!(NimbusCrypto);
