//! The selector `isCxi` for `netDevice`: functions of HPE Slingshot adapters, which programs use through `/dev/cxi<N>`.

#[cfg(test)]
mod tests;

use sriovdp_sdk::prelude::*;
use sriovdp_sdk::{BaseDevice, Finding, FindingKind, PciAddress};

#[derive(Default)]
struct Slingshot;

#[selectors]
#[serde(rename_all = "camelCase")]
struct Selectors {
    /// `true`: only functions with a CXI device, which containers get.
    is_cxi: bool,
}

/// What is kept about a function.
struct Facts {
    is_cxi: bool,
    /// Its device node is missing.
    missing: Option<Finding>,
}

impl Provider for Slingshot {
    type Selectors = Selectors;
    type Facts = Facts;

    fn manifest(&self) -> Manifest {
        Manifest::extension(&["netDevice"], "CXI devices of HPE Slingshot adapters")
            .watch_uevents(&["cxi"])
            .incremental()
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Facts>, Error> {
        let facts = |device: &BaseDevice| {
            let name = device.function.and_then(|function| name(node, function));
            let missing = name.as_deref().and_then(|name| require(node, name).err());
            Facts {
                is_cxi: name.is_some(),
                missing: missing.map(|error| error.to_finding(FindingKind::DeviceNode)),
            }
        };
        let devices = node.devices().iter();
        let found = devices.map(|device| Device::extending(device, facts(device)));
        Ok(found.collect())
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Facts>) -> Result<(), Mismatch> {
        if selectors.is_cxi && !device.facts.is_cxi {
            return Err(Mismatch::new("isCxi", "it has no CXI device"));
        }
        Ok(())
    }

    /// Other resources do not hand out the CXI device, so its node is nothing to them.
    fn findings(&self, selectors: &Selectors, device: &Device<Facts>) -> Vec<Finding> {
        let missing = device.facts.missing.iter();
        missing.filter(|_| selectors.is_cxi).cloned().collect()
    }

    fn allocate(
        &self,
        node: &Node,
        selectors: &Selectors,
        device: &Device<Facts>,
    ) -> Result<Allocation, Error> {
        let mut allocation = Allocation::default();
        if !selectors.is_cxi {
            return Ok(allocation);
        }
        // The number may be another one since the discovery: the driver was bound again.
        let name = name(node, device.pci_function()?).ok_or_else(|| {
            Error::new(format!("`{}` has no CXI device any more", device.id))
                .with_hint("see that the driver `cxi_ss1` is bound to the function")
        })?;
        let path = require(node, &name)?;
        allocation
            .node(path.as_str())
            .info("cxi", "dev-mount", path)
            // libfabric takes the adapters of a process from it, separated by commas.
            .env_list("FI_CXI_DEVICE_NAME", name);
        Ok(allocation)
    }
}

/// The name of the CXI device of a function, `cxi4`: an entry in its directory `cxi`.
fn name(node: &Node, function: PciAddress) -> Option<String> {
    node.pci(function).list("cxi").into_iter().next()
}

/// The path of the device node, which has to be there.
fn require(node: &Node, name: &str) -> Result<String, Error> {
    let path = format!("/dev/{name}");
    node.require_device_node(&path).map_err(|missing| {
        missing
            .context(format!("cannot hand out the CXI device `{name}`"))
            .with_hint("load the module `cxi_user` on this node")
    })?;
    Ok(path)
}

export_provider!(Slingshot);
