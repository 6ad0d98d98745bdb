//! The selector keys of `auxNetDevice`, and how a subfunction is measured by them.

use sriovdp_sdk::selector::{
    CaseInsensitive, IndexRanges, PcieRoot, one_of_ranges, unmatchable_acpi_indexes,
    unmatchable_drivers, unmatchable_interfaces, unmatchable_link_types,
};
use sriovdp_sdk::vdpa::VdpaType;
use sriovdp_sdk::{Error, Finding, HexId, Mismatch, PciAddress, one_of, selectors};

use crate::scan::Facts;
use crate::subfunction::SF;

/// Which subfunctions belong to a resource. Each key narrows the selection; the entries of one key are alternatives.
#[selectors]
#[derive(Debug)]
#[serde(rename_all = "camelCase")]
pub struct Selectors {
    /// PCI vendor ids of the parent in hexadecimal, as `lspci -n` prints them, also with `0x`: `8086`, `0x15b3`.
    #[schemars(extend("x-go-plugin" = {"spelling": "hhhh"}))]
    pub(crate) vendors: Vec<HexId>,
    /// PCI device ids of the parent, written like `vendors`: `154c`.
    #[schemars(extend("x-go-plugin" = {"spelling": "hhhh"}))]
    pub(crate) devices: Vec<HexId>,
    /// Names of the drivers that are bound to the parent, such as `mlx5_core`, exactly as
    /// `/sys/bus/pci/drivers` has them.
    #[schemars(extend("x-go-plugin" = {}))]
    pub(crate) drivers: Vec<String>,
    /// Needed: the types of auxiliary devices. `sf`, subfunctions, is the only one, so this is always `["sf"]`.
    #[schemars(extend("x-go-plugin" = {}))]
    pub(crate) aux_types: Vec<String>,
    /// PCI addresses of the parent, such as `0000:08:00.0`; without a domain (`08:00.0`), domain 0 is meant. `rootDevices`
    /// are the same, and take numbers of subfunctions as well.
    pub(crate) pci_addresses: Vec<PciAddress>,
    /// Numbers that the firmware gave to the parent (ACPI `_DSM`), as the kernel shows them in `acpi_index`: `"101"`.
    pub(crate) acpi_indexes: Vec<String>,
    /// By a network interface of the parent that is no representor, in any case: all subfunctions (`p0`), or some by the numbers that
    /// `sfnum` gave them (`p0#0,88-95`). If the parent has several interfaces, use the first in alphabetical order, or
    /// the uplink in switchdev mode. A resource that names another one gets only the devices that no resource of the
    /// file selects without it.
    #[schemars(extend("x-go-plugin" = {"ranges": true}))]
    pub(crate) pf_names: Vec<IndexRanges<CaseInsensitive>>,
    /// By the PCI address of the parent: all subfunctions (`0000:08:00.0`), or some by number
    /// (`0000:08:00.0#0,88-95`).
    #[schemars(extend("x-go-plugin" = {"ranges": true, "spelling": "HHHH:HH:HH.H"}))]
    pub(crate) root_devices: Vec<IndexRanges<PciAddress>>,
    /// PCIe roots by their names in `/sys/devices`, such as `pci0000:50`: the subfunctions of the functions below
    /// one of them. `readlink /sys/bus/pci/devices/<address>` shows that of a function.
    pub(crate) pcie_roots: Vec<PcieRoot>,
    /// Kinds of link, in any case: `ether` or `infiniband`. A subfunction without a network interface of its own has the link of
    /// its parent.
    #[schemars(extend("x-go-plugin" = {"lowerCase": true}))]
    pub(crate) link_types: Vec<CaseInsensitive>,
    /// `true`: containers also get `/dev/vhost-net` and `/dev/net/tun`, to put a software device in front of this one.
    /// It selects nothing.
    #[schemars(extend("x-go-plugin" = {}))]
    pub(crate) need_vhost_net: bool,
    /// `true`: the device-info file is written, without a PCI address, for CNI plugins that refuse a device without one, such as
    /// OVN-Kubernetes for a primary network. It selects nothing.
    pub(crate) complete_device_info: bool,
    /// Only subfunctions with a vDPA device that is bound to this driver of the vDPA bus: `vhost` means `vhost_vdpa`, whose
    /// device node containers get, and `virtio` means `virtio_vdpa`, a network interface. Not together with `isRdma`.
    pub(crate) vdpa_type: Option<VdpaType>,
}

impl Selectors {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.aux_types.is_empty() {
            return Err(Error::new("the selector `auxTypes` is missing")
                .at("auxTypes")
                .with_hint(r#"add `"auxTypes": ["sf"]`"#));
        }
        match self.aux_types.iter().position(|kind| kind != SF) {
            None => Ok(()),
            Some(at) => Err(Error::new(format!(
                "`{}` is no auxiliary device that a container could have",
                self.aux_types[at]
            ))
            .at(format!("auxTypes[{at}]"))
            .with_hint(r#"subfunctions are the only ones: write `"auxTypes": ["sf"]`"#)),
        }
    }

    /// Values that no device has.
    pub(crate) fn unmatchable(&self) -> Vec<Error> {
        [
            unmatchable_drivers("drivers", &self.drivers),
            unmatchable_acpi_indexes("acpiIndexes", &self.acpi_indexes),
            unmatchable_interfaces("pfNames", &self.pf_names),
            unmatchable_link_types("linkTypes", &self.link_types),
        ]
        .concat()
    }

    pub(crate) fn matches(&self, facts: &Facts) -> Result<(), Mismatch> {
        let parent = &*facts.parent;
        one_of("vendors", &self.vendors, Some(&parent.vendor))?;
        one_of("devices", &self.devices, Some(&parent.device))?;
        one_of("drivers", &self.drivers, Some(&parent.driver))?;
        one_of("pciAddresses", &self.pci_addresses, Some(&parent.address))?;
        one_of(
            "acpiIndexes",
            &self.acpi_indexes,
            parent.acpi_index.as_ref(),
        )
        .map_err(|mismatch| mismatch.unreadable_if(parent.is_acpi_index_unread))?;
        let number = facts.number;
        let no_name = || format!("its parent {} has no network interface", parent.address);
        one_of_ranges("pfNames", &self.pf_names, &parent.names, number, no_name).map_err(
            |mismatch| mismatch.unreadable_if(parent.names.is_empty() && parent.has_netdev),
        )?;
        one_of_ranges(
            "rootDevices",
            &self.root_devices,
            Some(&parent.address),
            number,
            no_name,
        )?;
        let root = parent.pcie_root.as_ref();
        one_of("pcieRoots", &self.pcie_roots, root)
            .map_err(|mismatch| mismatch.unreadable_if(root.is_none()))?;
        one_of("linkTypes", &self.link_types, facts.link_type())
            .map_err(|mismatch| mismatch.unreadable_if(facts.is_link_type_unread()))?;
        one_of("vdpaType", self.vdpa_type.as_slice(), facts.vdpa.as_ref())
    }

    /// The missing device node of a vDPA device counts only where containers get it.
    pub(crate) fn findings(&self, facts: &Facts) -> Vec<Finding> {
        let missing = facts.vdpa_finding.as_deref();
        let missing = missing.filter(|_| self.vdpa_type == Some(VdpaType::Vhost));
        missing.cloned().into_iter().collect()
    }

    /// Whether `pfNames` has none but further names of the parent.
    pub(crate) fn match_by_alias(&self, facts: &Facts) -> bool {
        let first = facts.parent.names.first();
        one_of_ranges("pfNames", &self.pf_names, first, facts.number, String::new).is_err()
    }
}
