//! The selector keys of `netDevice`, and how a device is measured by them.

use sriovdp_sdk::selector::{
    CaseInsensitive, IndexRanges, PcieRoot, one_of_ranges, unmatchable_acpi_indexes,
    unmatchable_drivers, unmatchable_interfaces, unmatchable_link_types,
};
use sriovdp_sdk::userspace::match_host_device;
use sriovdp_sdk::vdpa::VdpaType;
use sriovdp_sdk::{Device, Error, Finding, HexId, Mismatch, PciAddress, one_of, selectors};

use crate::facts::{Division, Facts};

/// Which network functions belong to a resource. Each key narrows the selection; the entries of one key are
/// alternatives.
#[selectors]
#[derive(Debug)]
#[serde(rename_all = "camelCase")]
pub struct Selectors {
    /// PCI vendor ids in hexadecimal, as `lspci -n` prints them, also with `0x`: `8086`, `0x15b3`.
    #[schemars(extend("x-go-plugin" = {"spelling": "hhhh"}))]
    pub(crate) vendors: Vec<HexId>,
    /// PCI device ids, written like `vendors`: `154c`.
    #[schemars(extend("x-go-plugin" = {"spelling": "hhhh"}))]
    pub(crate) devices: Vec<HexId>,
    /// Names of the drivers that are bound, such as `iavf` or `vfio-pci`, exactly as `/sys/bus/pci/drivers` has them.
    #[schemars(extend("x-go-plugin" = {}))]
    pub(crate) drivers: Vec<String>,
    /// PCI addresses, such as `0000:41:10.2`; without a domain (`41:10.2`), domain 0 is meant.
    /// A function that carries the default route of the node is offered only where it is named here.
    #[schemars(extend("x-go-plugin" = {"spelling": "hhhh:hh:hh.h"}))]
    pub(crate) pci_addresses: Vec<PciAddress>,
    /// Numbers that the firmware gave to devices (ACPI `_DSM`), as the kernel shows them in `acpi_index`: `"101"`.
    #[schemars(extend("x-go-plugin" = {}))]
    pub(crate) acpi_indexes: Vec<String>,
    /// Virtual functions by a network interface of their physical function, in any case: all of them (`ens1f0`), or
    /// some by number (`ens1f0#0,2-7`). Never a physical function itself, and never by a representor. If the
    /// physical function has several interfaces, use the first in alphabetical order, or the uplink in switchdev mode.
    /// A resource that names another one gets only the devices that no resource of the file selects without it.
    #[schemars(extend("x-go-plugin" = {"ranges": true}))]
    pub(crate) pf_names: Vec<IndexRanges<CaseInsensitive>>,
    /// Virtual functions by the PCI address of their physical function: all of them (`0000:41:00.0`), or some by
    /// number (`0000:41:00.0#0,2-7`). Never a physical function itself.
    #[schemars(extend("x-go-plugin" = {"ranges": true, "spelling": "HHHH:HH:HH.H"}))]
    pub(crate) root_devices: Vec<IndexRanges<PciAddress>>,
    /// PCIe roots by their names in `/sys/devices`, such as `pci0000:50`: the functions below one of them. `readlink
    /// /sys/bus/pci/devices/<address>` shows that of a function.
    pub(crate) pcie_roots: Vec<PcieRoot>,
    /// Kinds of link, in any case: `ether` or `infiniband`. A function without a network interface of its own has the link of its
    /// physical function.
    #[schemars(extend("x-go-plugin" = {"lowerCase": true}))]
    pub(crate) link_types: Vec<CaseInsensitive>,
    /// `true`: containers also get `/dev/vhost-net` and `/dev/net/tun`, to put a software device in front of this one.
    /// It selects nothing.
    #[schemars(extend("x-go-plugin" = {}))]
    pub(crate) need_vhost_net: bool,
    /// `true`: containers also get `/dev/iommu`, for programs that open VFIO devices through IOMMUFD. It selects nothing.
    pub(crate) need_iommufd: bool,
    /// `true`: only functions that are bound to VFIO, for virtual machines. Containers also get their addresses in
    /// `PCI_RESOURCE_<PREFIX>_<NAME>`, as KubeVirt needs it for `hostDevices` with `externalResourceProvider`.
    pub(crate) kubevirt_host_device: bool,
    /// `true`: the device-info file has all fields of its specification: also the physical function, the representor in switchdev
    /// mode, and `/dev/vhost-net` with `needVhostNet`. It selects nothing.
    pub(crate) complete_device_info: bool,
    /// Only functions with a vDPA device that is bound to this driver of the vDPA bus: `vhost` means `vhost_vdpa`, whose
    /// device node containers get, and `virtio` means `virtio_vdpa`, a network interface. Of a function with several vDPA
    /// devices each is a device. Not together with `isRdma`.
    #[schemars(extend("x-go-plugin" = {}))]
    pub(crate) vdpa_type: Option<VdpaType>,
}

impl Selectors {
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

    pub(crate) fn matches(&self, device: &Device<Facts>) -> Result<(), Mismatch> {
        let facts = &device.facts;
        let pf = facts.pf.as_deref();
        let rare = facts.rare.as_deref();
        let vf_index = facts.vf_index.map(u32::from);
        one_of("vendors", &self.vendors, Some(&facts.vendor))?;
        one_of("devices", &self.devices, Some(&facts.device))?;
        one_of("drivers", &self.drivers, Some(&*facts.driver))?;
        if self.kubevirt_host_device {
            match_host_device("kubevirtHostDevice", &facts.driver)?;
        }
        one_of(
            "pciAddresses",
            &self.pci_addresses,
            device.function.as_ref(),
        )?;
        one_of(
            "acpiIndexes",
            &self.acpi_indexes,
            rare.and_then(|rare| rare.acpi_index.as_deref()),
        )
        .map_err(|mismatch| mismatch.unreadable_if(facts.is_acpi_index_unread))?;
        let names = pf.map_or(&[][..], |pf| &pf.names);
        let no_pf = || match pf {
            None => "it has no physical function here".to_owned(),
            Some(pf) => format!(
                "its physical function {} has no network interface",
                pf.address
            ),
        };
        let pf_names = one_of_ranges("pfNames", &self.pf_names, names, vf_index, no_pf);
        pf_names.map_err(|mismatch| {
            mismatch.unreadable_if(names.is_empty() && pf.is_some_and(|pf| pf.has_netdev))
        })?;
        let address = pf.map(|pf| &pf.address);
        one_of_ranges("rootDevices", &self.root_devices, address, vf_index, no_pf)?;
        let root = facts.pcie_root.as_ref();
        one_of("pcieRoots", &self.pcie_roots, root)
            .map_err(|mismatch| mismatch.unreadable_if(root.is_none()))?;
        one_of("linkTypes", &self.link_types, facts.link_type.as_deref())
            .map_err(|mismatch| mismatch.unreadable_if(facts.is_link_type_unread))?;
        self.match_division(facts.division(), device)?;
        let vdpa_type = self.vdpa_type.as_slice();
        one_of("vdpaType", vdpa_type, facts.vdpa.as_ref())
    }

    /// With `vdpaType` a resource gets the vDPA devices of a function that has several, and without it the function.
    fn match_division(&self, division: &Division, device: &Device<Facts>) -> Result<(), Mismatch> {
        let reason = match (division, self.vdpa_type) {
            (Division::Whole(parts), Some(_)) => {
                format!(
                    "its vDPA devices are devices of their own: {}",
                    parts.join(", ")
                )
            }
            (Division::Part, None) => {
                let function = device.function.map(|at| at.to_string());
                format!(
                    "it is a vDPA device of {}, and without `vdpaType` a resource gets the function",
                    function.unwrap_or_default()
                )
            }
            _ => return Ok(()),
        };
        Err(Mismatch::new("vdpaType", reason))
    }

    /// Whether `pfNames` has none but further names of the physical function.
    pub(crate) fn match_by_alias(&self, facts: &Facts) -> bool {
        let first = facts.pf.as_ref().and_then(|pf| pf.names.first());
        let vf_index = facts.vf_index.map(u32::from);
        one_of_ranges("pfNames", &self.pf_names, first, vf_index, String::new).is_err()
    }

    /// Why a resource does not get a device that matches: the node itself needs it, and no address names it.
    pub(crate) fn kept_out(&self, device: &Device<Facts>) -> Option<String> {
        let netdev = device.facts.rare.as_ref()?.default_route.as_deref()?;
        let is_named = device
            .function
            .is_some_and(|at| self.pci_addresses.contains(&at));
        (!is_named).then(|| {
            format!(
                "its network interface `{netdev}` carries the default route of the node, and `pciAddresses` does not \
                 name it"
            )
        })
    }

    /// The missing device node of a vDPA device counts only where containers get it.
    pub(crate) fn findings(&self, facts: &Facts) -> Vec<Finding> {
        let missing = facts.rare.as_ref();
        let missing = missing.and_then(|rare| rare.vdpa_finding.as_ref());
        let missing = missing.filter(|_| self.vdpa_type == Some(VdpaType::Vhost));
        missing.cloned().into_iter().collect()
    }
}
