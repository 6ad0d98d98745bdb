//! What a container needs for a PCI function that a userspace driver framework holds: VFIO or UIO.

pub use crate::driver::require_driver;
pub use crate::host_device::{host_device, match_host_device};
pub use crate::iommufd::{iommufd, iommufd_warnings};
pub use crate::vhost::{VHOST_NET, vhost_net, vhost_net_warnings};

use crate::{Allocation, Error, Finding, FindingKind, Node, PciAddress, PciFunction};

/// What [`userspace_nodes`] adds for VFIO, as a part that an owner declares [replaceable](crate::Manifest::replaceable):
/// where an extension [replaces](crate::Manifest::replaces) it, [`userspace_nodes`] leaves it out, and its findings do not
/// count.
pub const VFIO_PART: &str = "vfio";

/// The file by which every VFIO user opens its container (Linux: `Documentation/driver-api/vfio.rst`).
const VFIO_CONTAINER: &str = "/dev/vfio/vfio";

/// The device class of VFIO groups (Linux: `vfio_group_init` in `drivers/vfio/group.c`).
const GROUP_CLASS: &str = "/sys/class/vfio";

/// What the kernel calls the groups that it makes up where there is no IOMMU (Linux: `drivers/vfio/group.c`).
const NO_IOMMU: &str = "vfio-noiommu";

/// Adds the device nodes of `function`, and the values of `PCIDEVICE_…_INFO` that name them, by the driver that is
/// bound to it now.
///
/// | driver | device nodes | `_INFO` |
/// | --- | --- | --- |
/// | `vfio-pci` and the variants of vendors, such as `mlx5_vfio_pci` | `/dev/vfio/vfio`, `/dev/vfio/<group>` | `vfio`: `mount`, `dev-mount` |
/// | the same, on a kernel with `CONFIG_VFIO_DEVICE_CDEV` | also `/dev/vfio/devices/vfioN` | `vfio`: `cdev` |
/// | `uio`, `igb_uio`, `uio_pci_generic` | `/dev/uioN` | `uio`: `mount` |
/// | any other | none: its devices are netdevs and the like | none |
///
/// Without an IOMMU the node of a group is `/dev/vfio/noiommu-<group>`; the container sees it as
/// `/dev/vfio/<group>`. A kernel without VFIO groups has the node of the device only.
///
/// ```
/// use sriovdp_sdk::userspace::userspace_nodes;
/// use sriovdp_sdk::{Allocation, Error, Node, PciAddress};
///
/// fn allocate(node: &Node, function: PciAddress) -> Result<Allocation, Error> {
///     let mut allocation = Allocation::default();
///     userspace_nodes(node, function, &mut allocation)?;
///     Ok(allocation)
/// }
/// ```
///
/// # Errors
///
/// When no driver is bound, or when the driver's group, entry or device node is missing.
pub fn userspace_nodes(
    node: &Node,
    function: PciAddress,
    allocation: &mut Allocation,
) -> Result<(), Error> {
    let driver = node.bound_driver(function).ok_or_else(|| {
        Error::new(format!("no driver is bound to `{function}`"))
            .with_hint("bind one, or wait until that is done")
    })?;
    of_driver(node, function, &driver, allocation).map_err(|missing| match missing {
        Missing::Entry(error) | Missing::Node(error) => error,
    })
}

/// The finding about `function`, as the last scan found it, when a device node is missing, so that [`userspace_nodes`]
/// would fail. For [`Provider::discover`](crate::Provider::discover).
///
/// A function without the group or entry from which the name of its node follows has no finding: its driver may be about
/// to finish, and an allocation before that fails with the reason.
///
/// ```
/// use sriovdp_sdk::health::check_userspace_nodes;
/// use sriovdp_sdk::prelude::*;
///
/// fn device(node: &Node, function: &PciFunction) -> Device<()> {
///     Device::of(function, ()).with_findings([check_userspace_nodes(node, function)])
/// }
/// ```
pub fn check_userspace_nodes(node: &Node, function: &PciFunction) -> Option<Finding> {
    let driver = function.driver.as_deref()?;
    let refused = of_driver(node, function.address, driver, &mut Allocation::default());
    let Err(Missing::Node(missing)) = refused else {
        return None;
    };
    let finding = missing.to_finding(FindingKind::DeviceNode);
    Some(match Framework::of(driver) {
        Some(Framework::Vfio) => finding.about(VFIO_PART),
        _ => finding,
    })
}

/// What a function lacks to be handed out.
enum Missing {
    /// The kernel names no device node for it.
    Entry(Error),
    /// The kernel names one, and it is not there.
    Node(Error),
}

fn of_driver(
    node: &Node,
    function: PciAddress,
    driver: &str,
    allocation: &mut Allocation,
) -> Result<(), Missing> {
    match Framework::of(driver) {
        Some(Framework::Vfio) if node.is_replaced(VFIO_PART) => Ok(()),
        Some(Framework::Vfio) => vfio(node, function, driver, allocation),
        Some(Framework::Uio) => uio(node, function, driver, allocation),
        None => Ok(()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framework {
    Vfio,
    Uio,
}

impl Framework {
    /// Variant drivers are named after their device, with the ending of the driver that they build on:
    /// `mlx5_vfio_pci`, `nvgrace-gpu-vfio-pci` (Linux: `drivers/vfio/pci`).
    pub(crate) fn of(driver: &str) -> Option<Self> {
        match driver {
            "uio" | "igb_uio" | "uio_pci_generic" => Some(Self::Uio),
            "vfio-pci" => Some(Self::Vfio),
            _ if driver.ends_with("-vfio-pci") || driver.ends_with("_vfio_pci") => Some(Self::Vfio),
            _ => None,
        }
    }
}

/// Both ways to open the function, through its group and by itself: programs choose.
fn vfio(
    node: &Node,
    function: PciAddress,
    driver: &str,
    allocation: &mut Allocation,
) -> Result<(), Missing> {
    let cdev = cdev(node, function);
    match group(node, function, driver) {
        Ok(Group {
            on_node,
            in_container,
        }) => {
            allocation
                .node(VFIO_CONTAINER)
                .node_as(on_node, in_container.clone())
                .info("vfio", "mount", VFIO_CONTAINER)
                .info("vfio", "dev-mount", in_container);
        }
        // A kernel without groups has no such class.
        Err(_) if cdev.is_some() && !node.root().exists(GROUP_CLASS) => {}
        Err(missing) => return Err(missing),
    }
    if let Some(path) = cdev {
        require(node, &path, function, driver).map_err(Missing::Node)?;
        allocation.node(path.as_str()).info("vfio", "cdev", path);
    }
    Ok(())
}

/// The device nodes of a VFIO group.
struct Group {
    on_node: String,
    in_container: String,
}

fn group(node: &Node, function: PciAddress, driver: &str) -> Result<Group, Missing> {
    let group = node.pci(function).link_name("iommu_group").ok_or_else(|| {
        Missing::Entry(Error::new(format!("`{function}` is bound to `{driver}` and has no IOMMU group")).with_hint(
            "switch the IOMMU on in the firmware and on the kernel's command line, or let the module `vfio` work \
             without one: `enable_unsafe_noiommu_mode=1`",
        ))
    })?;
    let name = node
        .root()
        .read(&format!("/sys/kernel/iommu_groups/{group}/name"));
    let in_container = format!("/dev/vfio/{group}");
    let on_node = match name.as_deref() {
        Some(NO_IOMMU) => format!("/dev/vfio/noiommu-{group}"),
        _ => in_container.clone(),
    };
    for path in [VFIO_CONTAINER, on_node.as_str()] {
        require(node, path, function, driver).map_err(Missing::Node)?;
    }
    Ok(Group {
        on_node,
        in_container,
    })
}

/// The device node of the function itself, for IOMMUFD. Kernels without `CONFIG_VFIO_DEVICE_CDEV` have the entry
/// `vfio-dev/vfioN` as well, but neither the number of a character device in it nor a node (Linux:
/// `drivers/vfio/device_cdev.c`).
fn cdev(node: &Node, function: PciAddress) -> Option<String> {
    let directory = node.pci(function);
    let entry = directory.list("vfio-dev").into_iter().next()?;
    let path = format!("/dev/vfio/devices/{entry}");
    let is_there = directory.has(&format!("vfio-dev/{entry}/dev")) || node.root().exists(&path);
    is_there.then_some(path)
}

/// A UIO device appears in the directory `uio` of its parent, under the name of its device node (Linux:
/// `Documentation/driver-api/uio-howto.rst`).
fn uio(
    node: &Node,
    function: PciAddress,
    driver: &str,
    allocation: &mut Allocation,
) -> Result<(), Missing> {
    let entries = node.pci(function).list("uio");
    let entry = entries.first().ok_or_else(|| {
        Missing::Entry(
            Error::new(format!(
                "`{function}` is bound to `{driver}` and has no entry in its directory `uio`"
            ))
            .with_hint("the driver has not finished binding, or it failed: see the kernel's log"),
        )
    })?;
    let path = format!("/dev/{entry}");
    require(node, &path, function, driver).map_err(Missing::Node)?;
    allocation.node(path.as_str()).info("uio", "mount", path);
    Ok(())
}

fn require(node: &Node, path: &str, function: PciAddress, driver: &str) -> Result<(), Error> {
    node.require_device_node(path).map_err(|missing| {
        missing
            .context(format!("cannot hand out `{function}`, which is bound to `{driver}`"))
            .with_hint("see that the driver's modules are loaded, and that the plugin sees the `/dev` of the node")
    })
}
