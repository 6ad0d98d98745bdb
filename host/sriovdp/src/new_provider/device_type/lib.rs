//! The device type `deviceTypeName`.

#[cfg(test)]
mod tests;

use sriovdp_sdk::health::check_userspace_nodes;
use sriovdp_sdk::prelude::*;
use sriovdp_sdk::userspace::{require_driver, userspace_nodes};

/// The vendor whose functions are devices of this type. Put your own id here, as `lspci -n` prints it in front of the
/// colon.
const VENDOR: HexId = HexId(0x1234);

#[derive(Default)]
struct ProviderName;

/// The keys that a user can write into `selectors`. Each comment becomes the description of its key.
#[selectors]
#[serde(rename_all = "camelCase")]
struct Selectors {
    /// PCI device ids, as `lspci -n` prints them behind the colon.
    devices: Vec<HexId>,
    /// Names of drivers.
    drivers: Vec<String>,
}

/// What is kept about a device from discovery on.
struct Facts {
    device: HexId,
    driver: String,
}

impl Provider for ProviderName {
    type Selectors = Selectors;
    type Facts = Facts;

    fn manifest(&self) -> Manifest {
        Manifest::device_type("deviceTypeName", "One sentence for `sriovdp providers`")
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Facts>, Error> {
        let mut found = Discovery::default();
        for function in node.functions().iter().filter(|f| f.vendor == VENDOR) {
            let Some(driver) = function.driver.clone() else {
                found.exclude(function.address, "no driver is bound to it");
                continue;
            };
            let device = function.device;
            // What `allocate` needs is a finding when it is missing: no pod gets the device until it is there.
            let missing = check_userspace_nodes(node, function);
            found.add(Device::of(function, Facts { device, driver }).with_findings([missing]));
        }
        Ok(found)
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Facts>) -> Result<(), Mismatch> {
        one_of("devices", &selectors.devices, Some(&device.facts.device))?;
        one_of("drivers", &selectors.drivers, Some(&device.facts.driver))
    }

    fn allocate(
        &self,
        node: &Node,
        selectors: &Selectors,
        device: &Device<Facts>,
    ) -> Result<Allocation, Error> {
        require_driver(node, device, &selectors.drivers)?;
        let mut allocation = Allocation::default();
        // The device nodes of a function that is bound to VFIO or UIO. Those of your own driver come here as well: call
        // `node.require_device_node(path)`, then add them by `allocation.node(path)`.
        userspace_nodes(node, device.pci_function()?, &mut allocation)?;
        Ok(allocation)
    }
}

export_provider!(ProviderName);
