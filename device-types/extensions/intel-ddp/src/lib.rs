//! The extension for DDP, Dynamic Device Personalization of Intel network cards: `ddpProfiles` for `netDevice`.

#![forbid(unsafe_code)]

mod ddptool;
mod survey;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, PoisonError};

use sriovdp_sdk::{
    Allocation, Device, Discovery, Error, Manifest, Mismatch, Node, Provider, export_provider,
    one_of, selectors,
};

use ddptool::Ddptool;
use survey::Profiles;

/// The provider.
#[derive(Debug, Default)]
pub struct IntelDdp {
    tool: Ddptool,
    /// Of the last scan, for functions that the tool does not get round to.
    known: Mutex<Profiles>,
}

/// Which network functions belong to a resource, by what is loaded into their card.
#[selectors]
#[derive(Debug)]
#[serde(rename_all = "camelCase")]
pub struct Selectors {
    /// Names of DDP packages that are loaded into the card, exactly as `devlink dev info` shows them at `fw.app.name`, or
    /// `ddptool` as the name of the profile: `ICE COMMS Package`.
    ddp_profiles: Vec<String>,
}

impl Provider for IntelDdp {
    type Selectors = Selectors;
    /// The name of the package that is loaded.
    type Facts = Option<String>;

    fn manifest(&self) -> Manifest {
        Manifest::extension(&["netDevice"], "DDP profiles of Intel network cards").incremental()
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Option<String>>, Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let profiles = survey::profiles(node, &self.tool, &known);
        known.retain(|&function, _| !node.is_in_scope(function));
        known.extend(profiles);
        let devices = node.devices().iter();
        Ok(devices
            .map(|device| Device::extending(device, known.get(&device.function).cloned()))
            .collect())
    }

    fn matches(
        &self,
        selectors: &Selectors,
        device: &Device<Option<String>>,
    ) -> Result<(), Mismatch> {
        one_of(
            "ddpProfiles",
            &selectors.ddp_profiles,
            device.facts.as_ref(),
        )
    }

    fn allocate(
        &self,
        _: &Node,
        _: &Selectors,
        _: &Device<Option<String>>,
    ) -> Result<Allocation, Error> {
        Ok(Allocation::default())
    }
}

export_provider!(IntelDdp);
