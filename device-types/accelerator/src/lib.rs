//! The device type `accelerator`: processing accelerators on the PCI bus, such as FPGAs and FEC cards.

#![forbid(unsafe_code)]

mod selectors;
#[cfg(test)]
mod tests;

use sriovdp_sdk::health::check_userspace_nodes;
use sriovdp_sdk::selector::{PcieRoot, PcieRoots, unmatchable_acpi_indexes, unmatchable_drivers};
use sriovdp_sdk::userspace::{
    VFIO_PART, host_device, iommufd, iommufd_warnings, match_host_device, require_driver,
    userspace_nodes,
};
use sriovdp_sdk::{
    Allocation, Device, Discovery, Error, HexId, Manifest, Memory, Mismatch, Node, Provider,
    export_provider, one_of,
};

pub use selectors::Selectors;

/// PCI base class 0x12 (PCI Code and ID Assignment Specification, section 1.19).
const PROCESSING_ACCELERATOR: u8 = 0x12;

/// The provider. A physical function is offered whether it has virtual functions or not: unlike a network card it does
/// not carry their traffic.
#[derive(Debug, Default)]
pub struct Accelerator {
    /// The firmware gives a function its number once, and a read of it can fail.
    acpi_indexes: Memory<String>,
}

/// What selectors are compared with.
#[derive(Debug)]
pub struct Facts {
    vendor: HexId,
    device: HexId,
    pcie_root: Option<PcieRoot>,
    driver: String,
    acpi_index: Option<String>,
    /// There is one, and it cannot be read now.
    is_acpi_index_unread: bool,
}

impl Provider for Accelerator {
    type Selectors = Selectors;
    type Facts = Facts;

    fn manifest(&self) -> Manifest {
        Manifest::device_type("accelerator", "PCI processing accelerators")
            .cdi_class("net-accel")
            .watch_uevents(&["vfio", "uio"])
            .incremental()
            .replaceable(VFIO_PART)
    }

    fn unmatchable(&self, selectors: &Selectors) -> Vec<Error> {
        [
            unmatchable_drivers("drivers", &selectors.drivers),
            unmatchable_acpi_indexes("acpiIndexes", &selectors.acpi_indexes),
        ]
        .concat()
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Facts>, Error> {
        let mut known = self.acpi_indexes.recall(node);
        let mut roots = PcieRoots::new(node);
        let mut found = Discovery::default();
        for function in node
            .functions()
            .iter()
            .filter(|f| f.base_class() == PROCESSING_ACCELERATOR)
        {
            let Some(driver) = function.driver.clone() else {
                found.exclude(function.address, "no driver is bound to it");
                continue;
            };
            let before = || known.before(function.address).cloned();
            let directory = node.pci(function.address);
            let acpi_index = directory.constant_attribute("acpi_index", before);
            if let Some(index) = &acpi_index {
                known.remember(function.address, index.clone());
            }
            let facts = Facts {
                vendor: function.vendor,
                device: function.device,
                pcie_root: roots.of(function.address),
                driver,
                is_acpi_index_unread: acpi_index.is_none() && directory.has("acpi_index"),
                acpi_index,
            };
            let finding = check_userspace_nodes(node, function);
            found.add(Device::of(function, facts).with_findings(finding));
        }
        known.keep();
        Ok(found)
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Facts>) -> Result<(), Mismatch> {
        let facts = &device.facts;
        one_of("vendors", &selectors.vendors, Some(&facts.vendor))?;
        one_of("devices", &selectors.devices, Some(&facts.device))?;
        one_of("drivers", &selectors.drivers, Some(&facts.driver))?;
        if selectors.kubevirt_host_device {
            match_host_device("kubevirtHostDevice", &facts.driver)?;
        }
        one_of(
            "pciAddresses",
            &selectors.pci_addresses,
            device.function.as_ref(),
        )?;
        one_of(
            "acpiIndexes",
            &selectors.acpi_indexes,
            facts.acpi_index.as_ref(),
        )
        .map_err(|mismatch| mismatch.unreadable_if(facts.is_acpi_index_unread))?;
        let root = facts.pcie_root.as_ref();
        one_of("pcieRoots", &selectors.pcie_roots, root)
            .map_err(|mismatch| mismatch.unreadable_if(root.is_none()))
    }

    fn warnings(&self, node: &Node, selectors: &Selectors) -> Vec<Error> {
        match selectors.need_iommufd {
            true => iommufd_warnings(node),
            false => Vec::new(),
        }
    }

    fn allocate(
        &self,
        node: &Node,
        selectors: &Selectors,
        device: &Device<Facts>,
    ) -> Result<Allocation, Error> {
        require_driver(node, device, &selectors.drivers)?;
        let mut allocation = Allocation::default();
        let function = device.pci_function()?;
        userspace_nodes(node, function, &mut allocation)?;
        if selectors.kubevirt_host_device {
            host_device(node, function, &mut allocation)?;
        }
        if selectors.need_iommufd {
            iommufd(node, &mut allocation)?;
        }
        Ok(allocation)
    }
}

export_provider!(Accelerator);
