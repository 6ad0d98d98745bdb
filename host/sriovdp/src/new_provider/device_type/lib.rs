//! The device type `deviceTypeName`.

#[cfg(test)]
mod tests;

use sriovdp_sdk::prelude::*;
use sriovdp_sdk::selector::CaseInsensitive;
use sriovdp_sdk::userspace::userspace_nodes;

/// Whose functions are devices of this type. Put your own id here, as `lspci -n` prints it in front of the colon.
const VENDOR: HexId = HexId(0x1234);

#[derive(Default)]
struct ProviderName;

/// What a user may write into `selectors`. Each comment becomes the description of its key.
#[selectors]
#[serde(rename_all = "camelCase")]
struct Selectors {
    /// PCI device ids, as `lspci -n` prints them behind the colon.
    devices: Vec<HexId>,
    /// Names of drivers.
    drivers: Vec<CaseInsensitive>,
}

/// What is kept about a device from discovery on.
struct Facts {
    device: HexId,
    driver: Option<CaseInsensitive>,
}

impl Provider for ProviderName {
    type Selectors = Selectors;
    type Facts = Facts;

    fn manifest(&self) -> Manifest {
        Manifest::device_type("deviceTypeName", "One sentence for `sriovdp providers`")
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Facts>, Error> {
        let mine = node.functions().iter().filter(|f| f.vendor == VENDOR);
        let facts = |function: &PciFunction| Facts {
            device: function.device,
            driver: function.driver.as_deref().map(CaseInsensitive::from),
        };
        Ok(mine.map(|f| Device::of(f, facts(f))).collect())
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Facts>) -> Result<(), Mismatch> {
        one_of("devices", &selectors.devices, Some(&device.facts.device))?;
        one_of("drivers", &selectors.drivers, device.facts.driver.as_ref())
    }

    fn allocate(
        &self,
        node: &Node,
        _: &Selectors,
        device: &Device<Facts>,
    ) -> Result<Allocation, Error> {
        let mut allocation = Allocation::default();
        // The device nodes of a function that is bound to VFIO or UIO. Those of your own driver come here as well: ask
        // `node.require_device_node(path)`, then add them by `allocation.node(path)`.
        userspace_nodes(node, device.function, &mut allocation)?;
        Ok(allocation)
    }
}

export_provider!(ProviderName);
