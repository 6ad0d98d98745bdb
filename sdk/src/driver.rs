//! The driver that is bound to a device now, against the one that it was selected by.

use crate::{Device, Error, Node, one_of};

/// Makes sure that the driver bound to `device` now is still one of `wanted`, the selector `drivers`; an empty list
/// matches every driver.
///
/// Another driver may be bound since the scan, and a resource must not hand out what its selectors exclude. For
/// [`Provider::allocate`](crate::Provider::allocate).
///
/// ```
/// use sriovdp_sdk::userspace::require_driver;
/// use sriovdp_sdk::{Allocation, Device, Error, Node};
///
/// fn allocate(node: &Node, drivers: &[String], device: &Device<()>) -> Result<Allocation, Error> {
///     require_driver(node, device, drivers)?;
///     Ok(Allocation::default())
/// }
/// ```
///
/// # Errors
///
/// When it is another one, or none, with what was found and the wanted ones.
pub fn require_driver<F>(node: &Node, device: &Device<F>, wanted: &[String]) -> Result<(), Error> {
    let driver = node.bound_driver(device.pci_function()?);
    one_of("drivers", wanted, driver.as_ref()).map_err(|mismatch| {
        Error::new(format!(
            "`{}` no longer matches its resource: {mismatch}",
            device.id
        ))
        .with_hint("bind the driver again, or wait until the plugin has seen the change")
    })
}
