//! The device type `netDevice`: network functions on the PCI bus, SR-IOV virtual functions above all.

#![forbid(unsafe_code)]

mod device_info;
mod facts;
mod memory;
mod selectors;
#[cfg(test)]
mod tests;
mod uplink;

use serde_json::json;
use sriovdp_sdk::health::check_userspace_nodes;
use sriovdp_sdk::userspace::{
    VFIO_PART, host_device, iommufd, iommufd_warnings, require_driver, userspace_nodes, vhost_net,
    vhost_net_warnings,
};
use sriovdp_sdk::vdpa::{vdpa_device, vdpa_device_of};
use sriovdp_sdk::{
    Allocation, Device, Discovery, Error, Finding, Manifest, Mismatch, Node, Provider,
    export_provider,
};

use facts::{Division, Scan};
use memory::Memories;

pub use facts::Facts;
pub use selectors::Selectors;

/// PCI base class 0x02 (PCI Code and ID Assignment Specification, section 1.3).
const NETWORK_CONTROLLER: u8 = 0x02;

/// The provider.
#[derive(Debug, Default)]
pub struct NetDevice {
    memories: Memories,
}

impl Provider for NetDevice {
    type Selectors = Selectors;
    type Facts = Facts;

    fn manifest(&self) -> Manifest {
        Manifest::device_type(
            "netDevice",
            "PCI network functions and SR-IOV virtual functions",
        )
        .cdi_class("net-pci")
        .default_device_type()
        .watch_uevents(&["vfio", "uio", "vdpa", "misc"])
        .incremental()
        .replaceable(VFIO_PART)
        .provided_by("isRdma", "mellanox-rdma.so")
        .provided_by("pKeys", "mellanox-rdma.so")
        .provided_by("ddpProfiles", "intel-ddp.so")
    }

    fn unmatchable(&self, selectors: &Selectors) -> Vec<Error> {
        selectors.unmatchable()
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Facts>, Error> {
        let mut scan = Scan::new(node, self.memories.recall(node))?;
        let mut found = Discovery::default();
        for function in node
            .functions()
            .iter()
            .filter(|f| f.base_class() == NETWORK_CONTROLLER)
        {
            match scan.facts(function) {
                Ok(facts) => {
                    let findings = [
                        scan.link_finding(function),
                        check_userspace_nodes(node, function),
                    ];
                    for part in scan.parts(function.address, &facts) {
                        match part {
                            Ok(part) => found.add(
                                part.with_numa_node(function.numa_node)
                                    .with_findings(findings.clone()),
                            ),
                            Err((name, reason)) => found.exclude(name, reason),
                        }
                    }
                    found.add(Device::of(function, facts).with_findings(findings));
                }
                Err(reason) => found.exclude(function.address, reason),
            }
        }
        scan.keep();
        Ok(found)
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Facts>) -> Result<(), Mismatch> {
        selectors.matches(device)
    }

    fn matches_by_alias(&self, selectors: &Selectors, device: &Device<Facts>) -> bool {
        selectors.match_by_alias(&device.facts)
    }

    fn findings(&self, selectors: &Selectors, device: &Device<Facts>) -> Vec<Finding> {
        selectors.findings(&device.facts)
    }

    fn kept_out(&self, selectors: &Selectors, device: &Device<Facts>) -> Option<String> {
        selectors.kept_out(device)
    }

    fn warnings(&self, node: &Node, selectors: &Selectors) -> Vec<Error> {
        let vhost = selectors.need_vhost_net.then(|| vhost_net_warnings(node));
        let iommufd = selectors.need_iommufd.then(|| iommufd_warnings(node));
        vhost.into_iter().chain(iommufd).flatten().collect()
    }

    fn allocate(
        &self,
        node: &Node,
        selectors: &Selectors,
        device: &Device<Facts>,
    ) -> Result<Allocation, Error> {
        require_driver(node, device, &selectors.drivers)?;
        let function = device.pci_function()?;
        let mut allocation = Allocation::default();
        userspace_nodes(node, function, &mut allocation)?;
        if let Some(wanted) = selectors.vdpa_type {
            let mut info = match device.facts.division() {
                Division::Part => {
                    let name = device.id.as_str();
                    vdpa_device_of(node, function, name, wanted, &mut allocation)?
                }
                _ => vdpa_device(node, &device.id, wanted, &mut allocation)?,
            };
            device_info::complete(node, selectors, device, &mut info);
            allocation
                .device_info("type", "vdpa")
                .device_info("vdpa", info);
        } else {
            let mut pci = json!({"pci-address": function.to_string()});
            device_info::complete(node, selectors, device, &mut pci);
            allocation
                .device_info("type", "pci")
                .device_info("pci", pci);
        }
        if selectors.need_vhost_net {
            vhost_net(node, &mut allocation)?;
        }
        if selectors.kubevirt_host_device {
            host_device(node, function, &mut allocation)?;
        }
        if selectors.need_iommufd {
            iommufd(node, &mut allocation)?;
        }
        Ok(allocation)
    }
}

export_provider!(NetDevice);
