//! The live sysfs directory of one PCI function.

use std::sync::Arc;

use super::HostRoot;
use super::directory::{Directory, Place};
use super::net::Netdev;
use crate::{Error, PciAddress};

/// `/sys/bus/pci/devices/<address>`, read on each call, from the directory that the first read has opened (Linux:
/// `Documentation/ABI/testing/sysfs-bus-pci`).
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
    directory: Arc<Directory>,
}

impl<'a> PciSysfs<'a> {
    /// The directory of the function at `address`, whether it is there or not.
    pub fn at(root: &'a HostRoot, address: PciAddress) -> Self {
        Self::with(root, &Arc::new(Directory::of_function(address)))
    }

    pub(super) fn with(root: &'a HostRoot, directory: &Arc<Directory>) -> Self {
        Self {
            root,
            directory: Arc::clone(directory),
        }
    }

    fn place<'p>(&'p self, name: &'p str) -> Place<'p> {
        Place::In(&self.directory, name)
    }

    /// Whether the function is there now.
    pub fn exists(&self) -> bool {
        self.root.exists(self.directory.path())
    }

    /// The text of an attribute, or nothing when it is absent or cannot be read.
    pub fn attribute(&self, name: &str) -> Option<String> {
        self.root.text(self.place(name)).ok()
    }

    /// Whether an attribute is there, also where it cannot be read.
    pub fn has(&self, name: &str) -> bool {
        self.root.has(self.place(name))
    }

    /// The text of an attribute that never changes: while there is one that cannot be read, the text of `before`.
    pub fn constant_attribute<T: From<String>>(
        &self,
        name: &str,
        before: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        match self.attribute(name) {
            Some(text) => Some(text.into()),
            None => before().filter(|_| self.has(name)),
        }
    }

    /// The last component of a link in the directory: `driver`, `iommu_group`, `physfn`.
    pub fn link_name(&self, name: &str) -> Option<String> {
        self.try_link_name(name).ok()?
    }

    /// The same, where a link that cannot be read now is an error.
    ///
    /// # Errors
    ///
    /// When there is one and it cannot be read, naming the path.
    pub fn try_link_name(&self, name: &str) -> Result<Option<String>, Error> {
        self.root.link_name_of(self.place(name))
    }

    /// The names in a subdirectory, in byte order.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.root.names(self.place(name)).unwrap_or_default()
    }

    /// The function's network interfaces in this network namespace, by name.
    ///
    /// They are below `net`, or one level deeper in `virtioN/net` for virtio functions, whose netdev hangs on the
    /// virtio device.
    pub fn netdevs(&self) -> Vec<Netdev<'a>> {
        let own = self.netdevs_below("net");
        if !own.is_empty() || self.link_name("driver").as_deref() != Some("virtio-pci") {
            return own;
        }
        let virtio = self
            .list("")
            .into_iter()
            .filter(|name| name.starts_with("virtio"));
        virtio
            .flat_map(|name| self.netdevs_below(&format!("{name}/net")))
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
        self.has("net")
            || (self.link_name("driver").as_deref() == Some("virtio-pci")
                && virtio().any(|name| self.has(&format!("{name}/net"))))
    }

    fn netdevs_below(&self, net: &str) -> Vec<Netdev<'a>> {
        let netdev = |name: String| Netdev::new(self.root, &self.directory, net, name);
        self.list(net).into_iter().map(netdev).collect()
    }
}
