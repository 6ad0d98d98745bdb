//! What a container needs to use a VFIO device through IOMMUFD instead of a group.

use crate::vhost::require_with_module;
use crate::{Allocation, Error, Node};

/// Through it a program gives devices an address space (Linux: `Documentation/userspace-api/iommufd.rst`).
const IOMMU: &str = "/dev/iommu";

/// Adds `/dev/iommu` as a companion of a device, and `iommu` in the section `vfio` of `PCIDEVICE_…_INFO`.
///
/// The device's own node is the one that [`userspace_nodes`](crate::userspace::userspace_nodes) adds.
///
/// # Errors
///
/// When it does not exist on the node.
pub fn iommufd(node: &Node, allocation: &mut Allocation) -> Result<(), Error> {
    require(node).map_err(|missing| {
        missing.context("cannot give the container the device node of `needIommufd`")
    })?;
    allocation.shared_node(IOMMU).info("vfio", "iommu", IOMMU);
    Ok(())
}

/// For [`Provider::warnings`](crate::Provider::warnings): what [`iommufd`] will not find on the node.
pub fn iommufd_warnings(node: &Node) -> Vec<Error> {
    let missing = require(node).err();
    let missing =
        missing.map(|missing| missing.context("no pod gets a device, because of `needIommufd`"));
    missing.into_iter().collect()
}

fn require(node: &Node) -> Result<(), Error> {
    require_with_module(node, IOMMU, "iommufd")
}
