//! The extension for DDP, Dynamic Device Personalization of Intel network cards: `ddpProfiles` for `netDevice`.

#![forbid(unsafe_code)]

mod ddptool;
mod profiles;
#[cfg(test)]
mod tests;

use sriovdp_sdk::selector::unmatchable;
use sriovdp_sdk::{
    Allocation, Device, Discovery, Error, Manifest, Memory, Mismatch, Node, Provider,
    export_provider, one_of, selectors,
};

use ddptool::Ddptool;

/// The provider.
#[derive(Debug, Default)]
pub struct IntelDdp {
    tool: Ddptool,
    /// For functions that the tool has no time for.
    known: Memory<String>,
}

/// Which network functions belong to a resource, by what is loaded into their card.
#[selectors]
#[derive(Debug)]
#[serde(rename_all = "camelCase")]
pub struct Selectors {
    /// Names of DDP packages that are loaded into the card, exactly as `devlink dev info` shows them at `fw.app.name`, or
    /// `ddptool` as the name of the profile: `ICE COMMS Package`.
    #[schemars(extend("x-go-plugin" = {"note": "the Go plugin queries `ddptool` only; here devlink answers, and `ddptool` where the image has it"}))]
    ddp_profiles: Vec<String>,
}

impl Provider for IntelDdp {
    type Selectors = Selectors;
    /// The name of the package that is loaded.
    type Facts = Option<String>;

    fn manifest(&self) -> Manifest {
        Manifest::extension(&["netDevice"], "DDP profiles of Intel network cards").incremental()
    }

    fn unmatchable(&self, selectors: &Selectors) -> Vec<Error> {
        unmatchable("ddpProfiles", &selectors.ddp_profiles, |name| {
            let error = || {
                Error::new(format!(
                    "no device can match: `{name}` is no name of a profile"
                ))
            };
            name.trim().is_empty().then(error)
        })
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Option<String>>, Error> {
        let mut known = self.known.recall(node);
        let before = |function| known.before(function).cloned();
        let profiles = profiles::of_devices(node, &self.tool, &before);
        let devices = node.devices().iter();
        let found = devices
            .map(|device| {
                let profile = device.function.and_then(|at| profiles.get(&at));
                Device::extending(device, profile.cloned())
            })
            .collect();
        for (function, profile) in profiles {
            known.remember(function, profile);
        }
        known.keep();
        Ok(found)
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
