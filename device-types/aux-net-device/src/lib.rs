//! The device type `auxNetDevice`: auxiliary devices below PCI network functions, which are subfunctions.

#![forbid(unsafe_code)]

mod parent;
mod scan;
mod selectors;
mod subfunction;
#[cfg(test)]
mod tests;

use sriovdp_sdk::userspace::{vhost_net, vhost_net_warnings};
use sriovdp_sdk::vdpa::{VdpaDevices, vdpa_device};
use sriovdp_sdk::{
    Allocation, Device, Discovery, Error, Finding, Manifest, Memory, Mismatch, Node, Provider,
    export_provider,
};

use parent::Known;
use scan::Scan;
use subfunction::Subfunction;

pub use scan::Facts;
pub use selectors::Selectors;

/// The provider.
#[derive(Debug, Default)]
pub struct AuxNetDevice {
    /// Of the last scan, for what cannot be read while a pod has it.
    parents: Memory<Known>,
}

impl Provider for AuxNetDevice {
    type Selectors = Selectors;
    type Facts = Facts;

    fn manifest(&self) -> Manifest {
        Manifest::device_type("auxNetDevice", "Subfunctions of PCI network functions")
            .cdi_class("net-sf")
            .watch_uevents(&["auxiliary", "vdpa", "misc"])
            .incremental()
            .provided_by("isRdma", "mellanox-rdma.so")
            .provided_by("pKeys", "mellanox-rdma.so")
    }

    fn check(&self, selectors: &Selectors) -> Result<(), Error> {
        selectors.check()
    }

    fn unmatchable(&self, selectors: &Selectors) -> Vec<Error> {
        selectors.unmatchable()
    }

    /// The node's default route does not matter here: a subfunction has traffic of its own, and giving it away leaves
    /// the network interface of its parent where it is.
    fn discover(&self, node: &Node) -> Result<Discovery<Facts>, Error> {
        let names = subfunction::names(node)?;
        let vdpa = match names.is_empty() {
            true => VdpaDevices::default(),
            false => VdpaDevices::read(node)?,
        };
        let mut scan = Scan::new(node, self.parents.recall(node), vdpa);
        let mut found = Discovery::default();
        for name in names {
            match scan.device(&name) {
                Ok(Some(device)) => found.add(device),
                Ok(None) => {}
                Err(reason) => found.exclude(name, reason),
            }
        }
        scan.keep();
        Ok(found)
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Facts>) -> Result<(), Mismatch> {
        selectors.matches(&device.facts)
    }

    fn matches_by_alias(&self, selectors: &Selectors, device: &Device<Facts>) -> bool {
        selectors.match_by_alias(&device.facts)
    }

    fn findings(&self, selectors: &Selectors, device: &Device<Facts>) -> Vec<Finding> {
        selectors.findings(&device.facts)
    }

    fn warnings(&self, node: &Node, selectors: &Selectors) -> Vec<Error> {
        match selectors.need_vhost_net {
            true => vhost_net_warnings(node),
            false => Vec::new(),
        }
    }

    /// A subfunction has no device node of its own, and without vDPA no device-info file by default: the Device Information
    /// Specification 1.1.0 has no type for it. Its type `pci` needs the address of the device, and readers such as KubeVirt
    /// give the function with that address away; a subfunction could only name its parent's. CNIs use its id, but
    /// OVN-Kubernetes needs a file to be there, whatever it contains.
    fn allocate(
        &self,
        node: &Node,
        selectors: &Selectors,
        device: &Device<Facts>,
    ) -> Result<Allocation, Error> {
        unchanged(node, device)?;
        let mut allocation = Allocation::default();
        if selectors.need_vhost_net {
            vhost_net(node, &mut allocation)?;
        }
        if let Some(wanted) = selectors.vdpa_type {
            let info = vdpa_device(node, &device.id, wanted, &mut allocation)?;
            allocation
                .device_info("type", "vdpa")
                .device_info("vdpa", info);
        } else if selectors.complete_device_info {
            allocation.device_info("type", "pci");
        }
        Ok(allocation)
    }
}

/// Makes sure that the subfunction is the one that the last scan saw: the kernel gives the name of a deleted one to
/// the next that is made, which may have another number or parent.
fn unchanged(node: &Node, device: &Device<Facts>) -> Result<(), Error> {
    const WAIT: &str =
        "wait until the plugin has seen the change; `devlink port show` lists what there is";
    let id = device.id.as_str();
    let now = Subfunction::of(node, id).map_err(|reason| {
        Error::new(format!("cannot hand out `{id}`: {reason}")).with_hint(WAIT)
    })?;
    let scanned = Subfunction {
        parent: device.pci_function()?,
        number: device.facts.number,
    };
    if now != scanned {
        let message = format!("`{id}` was {scanned} in the last scan, and is {now} by now");
        return Err(Error::new(message).with_hint(WAIT));
    }
    Ok(())
}

export_provider!(AuxNetDevice);
