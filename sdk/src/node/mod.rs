//! The node as a provider sees it: one scan's facts, and a rooted view for everything else.
//!
//! Nothing in a provider opens `/sys`, `/proc` or `/dev` by itself: it reads through the [`Node`], so that it runs unchanged
//! against a directory in a test.

mod character_devices;
mod default_routes;
mod devlink;
mod directory;
mod kernel;
mod net;
mod pci_dir;
mod root;
pub(crate) mod unread;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use character_devices::CharacterDevices;
use directory::Directory;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use devlink::Devlink;
pub(crate) use net::LINK_TYPES;
pub use net::{LinkState, Netdev};
pub use pci_dir::PciSysfs;
pub use root::{HostRoot, Observer};

use crate::{BaseDevice, Error, PciAddress, PciFunction};
use sriovdp_provider_abi::HostFunctions;

/// The node: what the host's last scan found, and a view of the node's files.
#[derive(Debug)]
pub struct Node {
    root: HostRoot,
    kernel: kernel::Kernel,
    /// Sorted by address.
    functions: Vec<PciFunction>,
    devices: Vec<BaseDevice>,
    /// The functions in scope, if not all are.
    part: Option<BTreeSet<PciAddress>>,
    character_devices: CharacterDevices,
    /// The directory of the function that was queried last.
    last_directory: Mutex<Option<LastDirectory>>,
    /// The driver of the function that was queried last.
    bound_driver: Mutex<Option<BoundDriver>>,
    /// Of the allocation.
    allocation: AllocationContext,
    /// The provider's section of the configuration.
    settings: Option<Value>,
}

/// The directory of a function.
#[derive(Debug)]
struct LastDirectory {
    function: PciAddress,
    directory: Arc<Directory>,
}

/// The driver of a function, if one is bound to it.
#[derive(Debug)]
struct BoundDriver {
    function: PciAddress,
    driver: Option<String>,
}

/// What the host states in an allocation.
#[derive(Debug, Default)]
pub(crate) struct AllocationContext {
    pub(crate) resource: Option<String>,
    pub(crate) replaced: Vec<String>,
}

impl Node {
    pub(crate) fn new(
        root: HostRoot,
        mut functions: Vec<PciFunction>,
        devices: Vec<BaseDevice>,
    ) -> Self {
        functions.sort_by_key(|f| f.address);
        Self {
            kernel: kernel::Kernel::of(&root, None),
            root,
            functions,
            devices,
            part: None,
            character_devices: CharacterDevices::read_once(),
            last_directory: Mutex::default(),
            bound_driver: Mutex::default(),
            allocation: AllocationContext::default(),
            settings: None,
        }
    }

    /// The same node with the provider's section of the configuration.
    pub(crate) fn with_settings(self, settings: Option<Value>) -> Self {
        Self { settings, ..self }
    }

    /// The same node with only some functions in scope.
    pub(crate) fn scoped(self, part: Option<BTreeSet<PciAddress>>) -> Self {
        Self { part, ..self }
    }

    /// The same node, whose kernel is queried through `host`.
    pub(crate) fn with_host(self, host: Option<HostFunctions>) -> Self {
        Self {
            kernel: kernel::Kernel::of(&self.root, host),
            ..self
        }
    }

    /// All functions on the PCI bus as the scan found them, by address; in a discovery of
    /// [some functions](crate::Manifest::incremental), those of them that are there.
    ///
    /// Empty outside of [`Provider::discover`](crate::Provider::discover), where only the present state of the node counts:
    /// see [`pci`](Self::pci).
    pub fn functions(&self) -> &[PciFunction] {
        &self.functions
    }

    /// One function of the last scan.
    pub fn function(&self, address: PciAddress) -> Option<&PciFunction> {
        let at = self
            .functions
            .binary_search_by_key(&address, |f| f.address)
            .ok()?;
        Some(&self.functions[at])
    }

    /// Whether this discovery is about what is on or below the function at `address`, which may not be there any more.
    ///
    /// A discovery is about the whole node, except that of an [incremental](crate::Manifest::incremental) provider.
    /// [`Memory`](crate::Memory) keeps what a discovery was not about.
    pub fn is_in_scope(&self, address: PciAddress) -> bool {
        let part = self.part.as_ref();
        part.is_none_or(|part| part.contains(&address))
    }

    /// Whether only some functions are in scope.
    pub(crate) fn is_partial(&self) -> bool {
        self.part.is_some()
    }

    /// The node without the facts of the scan, which take memory and grow old.
    pub(crate) fn without_scan(self) -> Self {
        Self {
            functions: Vec::new(),
            devices: Vec::new(),
            part: None,
            character_devices: CharacterDevices::default(),
            last_directory: Mutex::default(),
            bound_driver: Mutex::default(),
            ..self
        }
    }

    /// The node of a scan, for warnings: what these read is not kept for the next ones.
    pub(crate) fn for_warnings(&self) -> Self {
        self.for_allocation(AllocationContext::default(), self.settings.clone())
    }

    /// The node of a scan, for an allocation.
    pub(crate) fn for_allocation(
        &self,
        allocation: AllocationContext,
        settings: Option<Value>,
    ) -> Self {
        Self {
            root: self.root.clone(),
            kernel: self.kernel,
            functions: Vec::new(),
            devices: Vec::new(),
            part: None,
            character_devices: CharacterDevices::default(),
            last_directory: Mutex::default(),
            bound_driver: Mutex::default(),
            allocation,
            settings,
        }
    }

    /// In [`Provider::allocate`](crate::Provider::allocate), the resource whose device is allocated, such as
    /// `example.com/fpga`. Older hosts do not pass it.
    pub fn resource(&self) -> Option<&str> {
        self.allocation.resource.as_deref()
    }

    /// In [`Provider::allocate`](crate::Provider::allocate) of the owner of a device type, whether an extension
    /// [replaces](crate::Manifest::replaces) `part` of what it hands out for this device.
    pub fn is_replaced(&self, part: &str) -> bool {
        let replaced = &self.allocation.replaced;
        replaced.iter().any(|replaced| replaced == part)
    }

    /// The provider's section of the configuration, whose keys the [`Manifest`](crate::Manifest::settings) declares.
    /// Without a section, `T` has its defaults.
    ///
    /// # Errors
    ///
    /// When `T` is another type than that of the manifest.
    pub fn settings<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let settings = self.settings.clone();
        let settings = settings.unwrap_or_else(|| Value::Object(Map::new()));
        Ok(serde_json::from_value(settings)?)
    }

    /// For an extension: the devices of the device types that it extends. Empty for the owner of a device type, and outside of
    /// [`Provider::discover`](crate::Provider::discover).
    pub fn devices(&self) -> &[BaseDevice] {
        &self.devices
    }

    /// The files of the node, below its root.
    pub fn root(&self) -> &HostRoot {
        &self.root
    }

    /// The live sysfs directory of a PCI function, for facts that the scan does not have and for fresh ones.
    pub fn pci(&self, address: PciAddress) -> PciSysfs<'_> {
        let last = self.last_directory.lock();
        let mut last = last.unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|known| known.function == address) {
            return PciSysfs::with(&self.root, &known.directory);
        }
        let directory = Arc::new(Directory::of_function(address));
        let live = PciSysfs::with(&self.root, &directory);
        *last = Some(LastDirectory {
            function: address,
            directory,
        });
        live
    }

    /// The driver that is bound to a function: read once in an allocation, so that all of it is about one driver.
    pub(crate) fn bound_driver(&self, function: PciAddress) -> Option<String> {
        let last = self.bound_driver.lock();
        let mut last = last.unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.as_ref().filter(|known| known.function == function) {
            return known.driver.clone();
        }
        let driver = self.pci(function).link_name("driver");
        *last = Some(BoundDriver {
            function,
            driver: driver.clone(),
        });
        driver
    }

    /// Makes sure that a device node exists, before a container is promised it.
    ///
    /// The plugin may see a `/dev` of its own: that of a privileged container has the nodes that there were when it
    /// was made, and that of others nearly none. So a node that is not there exists as well when sysfs has it.
    ///
    /// # Errors
    ///
    /// When it does not, naming the path.
    pub fn require_device_node(&self, path: &str) -> Result<(), Error> {
        if path.strip_prefix("/dev/").is_some_and(|name| {
            self.root.exists(path) || self.character_devices.have(&self.root, name)
        }) {
            return Ok(());
        }
        Err(Error::new(format!(
            "the device node `{path}` does not exist on this node"
        )))
    }

    /// The network interfaces of a PF itself, each of which is a name of it for users: every one but representors. The first is
    /// an uplink where there is one, else the first by name; the others are aliases.
    ///
    /// Most PFs have one. A card may have one for each port, or InfiniBand children; and in switchdev mode the
    /// representors of VFs and subfunctions are interfaces of the PF as well (Linux:
    /// `Documentation/networking/switchdev.rst`).
    pub fn pf_netdevs(&self, address: PciAddress) -> Vec<Netdev<'_>> {
        let mut netdevs = self.pci(address).netdevs();
        netdevs.retain(|netdev| !netdev.is_representor());
        netdevs.sort_by_key(|netdev| !netdev.is_uplink());
        netdevs
    }

    /// The handles of the devices in devlink, such as `pci/0000:5e:00.0`; empty where it cannot be queried.
    ///
    /// One query for the whole node: make it once in a discovery, and [`devlink`](Self::devlink) only about those.
    pub fn devlink_devices(&self) -> BTreeSet<String> {
        devlink::devices(self.kernel, &self.root)
    }

    /// What devlink reports about the device `device` on `bus`, `pci` or `auxiliary`.
    ///
    /// Each query goes to the kernel, and may wait for a device that is busy with new firmware. Make it in a discovery,
    /// at most once for each device.
    pub fn devlink(&self, bus: &str, device: &str) -> Devlink<'_> {
        Devlink::new(self, bus, device)
    }

    /// The netdevs that the node's default route needs, and everything below them: the members of a bond or bridge, the
    /// parent of a VLAN, and for a bridge of Open vSwitch the members of all its bridges. Taking one of them away cuts
    /// the node off.
    ///
    /// Of several default routes those with the lowest metric count, with all their next hops. Routes of IPv6 count on a
    /// node without one of IPv4, because router advertisements make them on any interface.
    ///
    /// The host queries the kernel of its own machine. For another root, and where there is no answer, the tables in
    /// `/proc/net` count: that of IPv4 has the first next hop of each route only, and that of IPv6 mixes the
    /// main table with others.
    pub fn default_route_netdevs(&self) -> BTreeSet<String> {
        default_routes::default_route_netdevs(&self.root, self.kernel)
    }
}
