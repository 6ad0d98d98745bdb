//! What a container needs to put a software network device in front of a real one.

use crate::{Allocation, Error, Node};

/// The in-kernel half of a virtio network device (Linux: `drivers/vhost/net.c`).
pub const VHOST_NET: &str = "/dev/vhost-net";
/// Where virtual network interfaces are made (Linux: `Documentation/networking/tuntap.rst`).
const TUN: &str = "/dev/net/tun";

const NODES: [(&str, &str); 2] = [(VHOST_NET, "vhost_net"), (TUN, "tun")];

/// Adds `/dev/vhost-net` and `/dev/net/tun` as companions of a device, and the section `vhost` of
/// `PCIDEVICE_…_INFO` that names them.
///
/// ```
/// use sriovdp_sdk::userspace::vhost_net;
/// use sriovdp_sdk::{Allocation, Error, Node};
///
/// fn allocate(node: &Node, need_vhost_net: bool) -> Result<Allocation, Error> {
///     let mut allocation = Allocation::default();
///     if need_vhost_net {
///         vhost_net(node, &mut allocation)?;
///     }
///     Ok(allocation)
/// }
/// ```
///
/// # Errors
///
/// When one of the two does not exist on the node.
pub fn vhost_net(node: &Node, allocation: &mut Allocation) -> Result<(), Error> {
    for (path, module) in NODES {
        require_with_module(node, path, module).map_err(|missing| {
            missing.context("cannot give the container the device nodes of `needVhostNet`")
        })?;
        allocation.shared_node(path);
    }
    allocation
        .info("vhost", "net-mount", VHOST_NET)
        .info("vhost", "tun-mount", TUN);
    Ok(())
}

/// For [`Provider::warnings`](crate::Provider::warnings): what [`vhost_net`] will not find on the node.
pub fn vhost_net_warnings(node: &Node) -> Vec<Error> {
    let missing = NODES.map(|(path, module)| require_with_module(node, path, module).err());
    let missing = missing.into_iter().flatten();
    missing
        .map(|missing| missing.context("no pod gets a device, because of `needVhostNet`"))
        .collect()
}

/// Makes sure that the device node of a module exists.
pub(crate) fn require_with_module(node: &Node, path: &str, module: &str) -> Result<(), Error> {
    let found = node.require_device_node(path);
    found.map_err(|missing| missing.with_hint(format!("load the module `{module}` on this node")))
}
