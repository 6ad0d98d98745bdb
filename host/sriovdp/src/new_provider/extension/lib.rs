//! An extension of `extendedType`.

#[cfg(test)]
mod tests;

use sriovdp_sdk::BaseDevice;
use sriovdp_sdk::prelude::*;
use sriovdp_sdk::selector::CaseInsensitive;

#[derive(Default)]
struct ProviderName;

/// What a user may write into `selectors` beside the keys of `extendedType`. Each comment becomes the description of its
/// key. No other provider of `extendedType` may have a key of the same name.
#[selectors]
#[serde(rename_all = "camelCase")]
struct Selectors {
    /// Labels that the firmware gives to devices.
    labels: Vec<CaseInsensitive>,
}

impl Provider for ProviderName {
    type Selectors = Selectors;
    /// The label of a device, if it has one.
    type Facts = Option<CaseInsensitive>;

    fn manifest(&self) -> Manifest {
        Manifest::extension(&["extendedType"], "One sentence for `sriovdp providers`")
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Option<CaseInsensitive>>, Error> {
        let label = |device: &BaseDevice| {
            let label = node.pci(device.function?).attribute("label")?;
            Some(CaseInsensitive::from(label.as_str()))
        };
        let devices = node.devices().iter();
        Ok(devices
            .map(|device| Device::extending(device, label(device)))
            .collect())
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Option<CaseInsensitive>>) -> Result<(), Mismatch> {
        one_of("labels", &selectors.labels, device.facts.as_ref())
    }

    fn allocate(
        &self,
        _: &Node,
        _: &Selectors,
        _: &Device<Option<CaseInsensitive>>,
    ) -> Result<Allocation, Error> {
        // What a container gets beside what the owner of `extendedType` gives it.
        Ok(Allocation::default())
    }
}

export_provider!(ProviderName);
