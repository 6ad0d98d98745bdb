//! The live sysfs directory of one PCI function.

use super::HostRoot;
use super::net::Netdev;
use crate::{Error, PciAddress};

/// `/sys/bus/pci/devices/<address>`, read on each call (Linux: `Documentation/ABI/testing/sysfs-bus-pci`).
///
/// ```
/// use sriovdp_sdk::{Context, Error, Node, PciAddress};
///
/// /// The device node that the driver announces as a subdirectory, `acme/acme7`.
/// fn device_node(node: &Node, function: PciAddress) -> Result<String, Error> {
///     let directory = node.pci(function);
///     let names = directory.list("acme");
///     let name = names.first().context("its driver has announced no device node")?;
///     match directory.attribute(&format!("acme/{name}/state")).as_deref() {
///         Some("ready") => Ok(format!("/dev/{name}")),
///         state => Err(Error::new(format!("its state is {}", state.unwrap_or("unknown")))),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct PciSysfs<'a> {
    root: &'a HostRoot,
    path: String,
}

impl<'a> PciSysfs<'a> {
    /// The directory of the function at `address`, whether it is there or not.
    pub fn at(root: &'a HostRoot, address: PciAddress) -> Self {
        Self {
            root,
            path: format!("/sys/bus/pci/devices/{address}"),
        }
    }

    /// Whether the function is there now.
    pub fn exists(&self) -> bool {
        self.root.exists(&self.path)
    }

    /// The text of an attribute, or nothing when it is absent or cannot be read.
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.root.read(&format!("{}/{name}", self.path))
    }

    /// Whether an attribute is there, also where it cannot be read.
    pub fn has(&self, name: &str) -> bool {
        self.root.exists(&format!("{}/{name}", self.path))
    }

    /// The text of an attribute that never changes: while there is one that cannot be read, the text of `before`.
    pub fn constant_attribute<T: From<String>>(
        &self,
        name: &str,
        before: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        let path = format!("{}/{name}", self.path);
        match self.root.read(&path) {
            Some(text) => Some(text.into()),
            None => before().filter(|_| self.root.exists(&path)),
        }
    }

    /// The last component of a link in the directory: `driver`, `iommu_group`, `physfn`.
    pub fn link_name(&self, name: &str) -> Option<String> {
        self.root.link_name(&format!("{}/{name}", self.path))
    }

    /// The same, where a link that cannot be read now is an error.
    ///
    /// # Errors
    ///
    /// When there is one and it cannot be read, naming the path.
    pub fn try_link_name(&self, name: &str) -> Result<Option<String>, Error> {
        self.root.try_link_name(&format!("{}/{name}", self.path))
    }

    /// The names in a subdirectory, in byte order.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.root.list(&format!("{}/{name}", self.path))
    }

    /// The function's network interfaces in this network namespace, by name.
    ///
    /// They are below `net`, or one level deeper in `virtioN/net` for virtio functions, whose netdev hangs on the
    /// virtio device.
    pub fn netdevs(&self) -> Vec<Netdev<'a>> {
        let own = self.netdevs_below(&format!("{}/net", self.path));
        if !own.is_empty() || self.link_name("driver").as_deref() != Some("virtio-pci") {
            return own;
        }
        let virtio = self
            .list("")
            .into_iter()
            .filter(|name| name.starts_with("virtio"));
        virtio
            .flat_map(|name| self.netdevs_below(&format!("{}/{name}/net", self.path)))
            .collect()
    }

    /// Whether the function has a network interface, in whichever network namespace.
    ///
    /// While a pod has its interface, [`netdevs`](Self::netdevs) does not show it, and the directory `net` is still
    /// there: the kernel keeps it for as long as an interface is in it (Linux: `get_device_parent` in
    /// `drivers/base/core.c`). A function without one is bound to a driver that makes none.
    pub fn has_netdev(&self) -> bool {
        let virtio = || {
            let entries = self.list("").into_iter();
            entries.filter(|name| name.starts_with("virtio"))
        };
        self.root.exists(&format!("{}/net", self.path))
            || (self.link_name("driver").as_deref() == Some("virtio-pci")
                && virtio().any(|name| self.root.exists(&format!("{}/{name}/net", self.path))))
    }

    fn netdevs_below(&self, directory: &str) -> Vec<Netdev<'a>> {
        let names = self.root.list(directory);
        names
            .iter()
            .map(|name| Netdev::new(self.root, directory, name))
            .collect()
    }
}
