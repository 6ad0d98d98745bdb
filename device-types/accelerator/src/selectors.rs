//! The selector keys of `accelerator`.

use sriovdp_sdk::{Deserialize, HexId, JsonSchema, PciAddress, schemars, serde};

/// Which accelerators belong to a resource. Each key narrows the selection; the entries of one key are alternatives.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(crate = "serde", default, rename_all = "camelCase")]
#[schemars(crate = "schemars")]
pub struct Selectors {
    /// PCI vendor ids in hexadecimal, as `lspci -n` prints them.
    pub(crate) vendors: Vec<HexId>,
    /// PCI device ids in hexadecimal, as `lspci -n` prints them.
    pub(crate) devices: Vec<HexId>,
    /// Names of the drivers that are bound, such as `vfio-pci`.
    pub(crate) drivers: Vec<String>,
    /// PCI addresses, such as `0000:17:00.1`.
    pub(crate) pci_addresses: Vec<PciAddress>,
    /// ACPI or SMBIOS instance numbers, as the kernel shows them in `acpi_index`.
    pub(crate) acpi_indexes: Vec<String>,
}
