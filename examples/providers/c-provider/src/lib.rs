//! The device type `orbitDsp`: signal processors of the made-up vendor Orbit, whose logic is in C.

mod core;
#[cfg(test)]
mod tests;

use sriovdp_sdk::prelude::*;
use sriovdp_sdk::{Finding, FindingKind, PciAddress};

use crate::core::Card;

#[derive(Default)]
struct OrbitDsp;

#[selectors]
#[serde(rename_all = "camelCase")]
struct Selectors {
    /// Only cards with at least so many working cores.
    min_cores: u32,
}

impl Provider for OrbitDsp {
    type Selectors = Selectors;
    type Facts = Card;

    fn manifest(&self) -> Manifest {
        Manifest::device_type("orbitDsp", "Orbit signal processors").incremental()
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Card>, Error> {
        let mut found = Discovery::default();
        let all = node.functions().iter();
        for function in all.filter(|f| core::is_card(f.vendor.0, f.class)) {
            match read(node, function.address) {
                Err(error) => found.exclude(function.address, error.to_string()),
                Ok(card) => {
                    let problem = core::problem(&card);
                    let finding = problem.map(|text| Finding::new(FindingKind::Other, text));
                    found.add(Device::of(function, card).with_findings(finding));
                }
            }
        }
        Ok(found)
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Card>) -> Result<(), Mismatch> {
        let (has, wanted) = (device.facts.cores, selectors.min_cores);
        match has >= wanted {
            true => Ok(()),
            false => Err(Mismatch::new(
                "minCores",
                format!("it has {has} working cores, fewer than {wanted}"),
            )),
        }
    }

    fn allocate(
        &self,
        node: &Node,
        _: &Selectors,
        device: &Device<Card>,
    ) -> Result<Allocation, Error> {
        let card = read(node, device.pci_function()?)?;
        let path = format!("/dev/orbit{}", card.number);
        node.require_device_node(&path)
            .map_err(|missing| missing.with_hint("load the module `orbit` on this node"))?;
        let mut allocation = Allocation::default();
        allocation
            .node(path.as_str())
            .info("orbit", "mount", path)
            .info("orbit", "cores", card.cores.to_string());
        Ok(allocation)
    }
}

/// The card at `function`, as it reports itself now.
fn read(node: &Node, function: PciAddress) -> Result<Card, Error> {
    let report = node.pci(function).attribute("orbit/report");
    let report = report.with_context(|| format!("`{function}` has no attribute `orbit/report`"))?;
    let card = core::parse_report(&report);
    card.with_context(|| format!("`{}` is no report of a card", report.escape_debug()))
}

export_provider!(OrbitDsp);
