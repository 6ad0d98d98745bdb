//! PCI functions that a virtual machine takes whole, as KubeVirt finds them.

use crate::userspace::Framework;
use crate::{Allocation, Error, Mismatch, Node, PciAddress};

/// What the names of KubeVirt's variables begin with (`PCIResourcePrefix` in its API).
const PCI_RESOURCE: &str = "PCI_RESOURCE_";

/// Matches functions that a virtual machine can take: those that are bound to VFIO.
///
/// # Errors
///
/// The mismatch of the selector `key`, with the driver that is bound.
pub fn match_host_device(key: &'static str, driver: &str) -> Result<(), Mismatch> {
    match Framework::of(driver) {
        Some(Framework::Vfio) => Ok(()),
        _ => {
            let reason = format!("it is bound to {driver}, which is no driver of VFIO");
            Err(Mismatch::new(key, reason))
        }
    }
}

/// Adds the address of `function` to `PCI_RESOURCE_<PREFIX>_<NAME>`, from which KubeVirt takes the `hostDevices` of a
/// virtual machine whose resource has an external provider. `/` and `.` become `_`, and letters upper case, as in
/// KubeVirt (`ResourceNameToEnvVar` in `pkg/util/util.go`).
///
/// # Errors
///
/// When no driver of VFIO is bound to the function any more.
pub fn host_device(
    node: &Node,
    function: PciAddress,
    allocation: &mut Allocation,
) -> Result<(), Error> {
    let driver = node.bound_driver(function).unwrap_or_default();
    if Framework::of(&driver) != Some(Framework::Vfio) {
        let message = format!(
            "no virtual machine can take `{function}`, which is not bound to VFIO any more"
        );
        return Err(Error::new(message).with_hint("bind it to `vfio-pci` again"));
    }
    // Older hosts do not pass it.
    if let Some(resource) = node.resource() {
        let name = resource.replace(['/', '.'], "_").to_uppercase();
        allocation.env_list(format!("{PCI_RESOURCE}{name}"), function.to_string());
    }
    Ok(())
}
