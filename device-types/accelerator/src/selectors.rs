//! The selector keys of `accelerator`.

use sriovdp_sdk::selector::PcieRoot;
use sriovdp_sdk::{HexId, PciAddress, selectors};

/// Which accelerators belong to a resource. Each key narrows the selection; the entries of one key are alternatives.
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
    /// Names of the drivers that are bound, such as `vfio-pci`, exactly as `/sys/bus/pci/drivers` has them.
    #[schemars(extend("x-go-plugin" = {}))]
    pub(crate) drivers: Vec<String>,
    /// PCI addresses, such as `0000:17:00.1`; without a domain (`17:00.1`), domain 0 is meant.
    #[schemars(extend("x-go-plugin" = {"spelling": "hhhh:hh:hh.h"}))]
    pub(crate) pci_addresses: Vec<PciAddress>,
    /// Numbers that the firmware gave to devices (ACPI `_DSM`), as the kernel shows them in `acpi_index`: `"101"`.
    pub(crate) acpi_indexes: Vec<String>,
    /// PCIe roots by their names in `/sys/devices`, such as `pci0000:50`: the functions below one of them. `readlink
    /// /sys/bus/pci/devices/<address>` shows that of a function.
    pub(crate) pcie_roots: Vec<PcieRoot>,
    /// `true`: containers also get `/dev/iommu`, for programs that open VFIO devices through IOMMUFD. It selects nothing.
    pub(crate) need_iommufd: bool,
    /// `true`: only functions that are bound to VFIO, for virtual machines. Containers also get their addresses in
    /// `PCI_RESOURCE_<PREFIX>_<NAME>`, as KubeVirt needs it for `hostDevices` with `externalResourceProvider`.
    pub(crate) kubevirt_host_device: bool,
}
