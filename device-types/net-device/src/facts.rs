//! What is kept about each network function. There may be thousands, so what many share is stored once.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sriovdp_sdk::health::check_uplink;
use sriovdp_sdk::node::Netdev;
use sriovdp_sdk::selector::{CaseInsensitive, PcieRoot, PcieRoots};
use sriovdp_sdk::vdpa::{VdpaDevice, VdpaDevices, VdpaType};
use sriovdp_sdk::{Device, DeviceId, Error, Finding, HexId, Node, PciAddress, PciFunction};

use crate::memory::Recalls;
use crate::uplink::Uplink;

/// What selectors are compared with.
#[derive(Clone, Debug)]
pub struct Facts {
    pub(crate) vendor: HexId,
    pub(crate) device: HexId,
    /// A physical function has at most 65,535 virtual ones.
    pub(crate) vf_index: Option<u16>,
    pub(crate) pcie_root: Option<PcieRoot>,
    pub(crate) vdpa: Option<VdpaType>,
    /// There is one, and it cannot be read now.
    pub(crate) is_acpi_index_unread: bool,
    /// It has a link, whose type cannot be read now.
    pub(crate) is_link_type_unread: bool,
    /// What few functions have; it takes a pointer here, as does the index.
    pub(crate) rare: Option<Box<Rare>>,
    pub(crate) driver: Arc<String>,
    pub(crate) link_type: Option<Arc<CaseInsensitive>>,
    /// For a virtual function, its physical function.
    pub(crate) pf: Option<Arc<Uplink>>,
}

/// Facts that few functions have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rare {
    /// The number that the firmware gave it, mostly to physical functions.
    pub(crate) acpi_index: Option<Arc<String>>,
    /// Why no new pod may get its vDPA device.
    pub(crate) vdpa_finding: Option<Finding>,
    /// Its network interface that carries the default route of the node.
    pub(crate) default_route: Option<String>,
    pub(crate) division: Division,
}

/// How a function with several vDPA devices is divided, which are devices of their own then.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Division {
    /// It is not.
    #[default]
    None,
    /// This is the function, with the names of its vDPA devices.
    Whole(Vec<String>),
    /// This is one of its vDPA devices.
    Part,
}

impl Facts {
    pub(crate) fn division(&self) -> &Division {
        self.rare
            .as_ref()
            .map_or(&Division::None, |rare| &rare.division)
    }
}

/// One scan: what is read once for all functions, and what they share.
pub(crate) struct Scan<'a> {
    node: &'a Node,
    default_routes: BTreeSet<String>,
    pcie_roots: PcieRoots<'a>,
    vdpa: VdpaDevices,
    memories: Recalls<'a>,
    links: HashMap<PciAddress, Option<Finding>>,
    drivers: Shared<String>,
    link_types: Shared<CaseInsensitive>,
}

impl<'a> Scan<'a> {
    /// Begins a scan.
    ///
    /// # Errors
    ///
    /// When something is there and cannot be read that is about all functions.
    pub(crate) fn new(node: &'a Node, memories: Recalls<'a>) -> Result<Self, Error> {
        Ok(Self {
            node,
            default_routes: node.default_route_netdevs(),
            pcie_roots: PcieRoots::new(node),
            vdpa: VdpaDevices::read(node)?,
            memories,
            links: HashMap::new(),
            drivers: Shared::default(),
            link_types: Shared::default(),
        })
    }

    /// The facts about `function`, or the reason why it is not offered.
    pub(crate) fn facts(&mut self, function: &PciFunction) -> Result<Facts, String> {
        let driver = function
            .driver
            .as_deref()
            .ok_or("no driver is bound to it")?;
        if function.vf_count > 0 {
            // For its virtual functions, which may be outside the scope of this discovery.
            self.uplink(function.address);
            // Without their number, which would make another reason in each scan while they come and go.
            return Err("it is a physical function with virtual ones".to_owned());
        }
        let directory = self.node.pci(function.address);
        let netdevs = directory.netdevs();
        let default_route = self.default_route(function, &netdevs);
        let own_link = netdevs.first().and_then(|netdev| netdev.link_type());
        let uplink = self.uplink(function.physical_function.unwrap_or(function.address));
        let acpi_index = self.acpi_index(function.address);
        let division = self.division(function.address);
        let vdpa = self.vdpa.of_function(function.address);
        let vdpa = vdpa.filter(|_| division == Division::None);
        let is_acpi_index_unread = acpi_index.is_none() && directory.has("acpi_index");
        let rare = Rare {
            acpi_index,
            vdpa_finding: vdpa.and_then(|device| device.finding(self.node)),
            default_route,
            division,
        };
        let link_type = match own_link {
            Some(link_type) => Some(self.link_types.of(&link_type)),
            None => uplink.link_type.clone(),
        };
        Ok(Facts {
            vendor: function.vendor,
            device: function.device,
            vf_index: function.vf_index.and_then(|index| index.try_into().ok()),
            pcie_root: self.pcie_roots.of(function.address),
            vdpa: vdpa.and_then(VdpaDevice::bound_to),
            rare: (rare != Rare::default()).then(|| Box::new(rare)),
            driver: self.drivers.of(driver),
            is_acpi_index_unread,
            is_link_type_unread: link_type.is_none()
                && (directory.has_netdev() || uplink.has_netdev),
            link_type,
            pf: function.physical_function.map(|_| uplink),
        })
    }

    fn division(&mut self, function: PciAddress) -> Division {
        let devices = self.vdpa.all_of_function(function);
        let divided = &mut self.memories.divided;
        if devices.is_empty() || (devices.len() == 1 && divided.before(function).is_none()) {
            return Division::None;
        }
        divided.remember(function, ());
        let names = devices.iter().map(|device| device.name().to_owned());
        Division::Whole(names.collect())
    }

    /// The vDPA devices of `function` that are devices of their own, with what `whole` has in common with them, each or the
    /// name and reason of one that is not offered.
    pub(crate) fn parts(
        &self,
        function: PciAddress,
        whole: &Facts,
    ) -> Vec<Result<Device<Facts>, (String, String)>> {
        if !matches!(whole.division(), Division::Whole(_)) {
            return Vec::new();
        }
        let part = |device: &VdpaDevice| {
            let name = device.name();
            // Another function may have it as its id.
            let id = match name.parse::<PciAddress>() {
                Ok(_) => Err("the name of this vDPA device is a PCI address".to_owned()),
                Err(_) => DeviceId::new(name).map_err(|error| error.to_string()),
            };
            let id = id.map_err(|reason| (name.to_owned(), reason))?;
            let rare = Rare {
                vdpa_finding: device.finding(self.node),
                division: Division::Part,
                ..whole.rare.as_deref().cloned().unwrap_or_default()
            };
            let facts = Facts {
                vdpa: device.bound_to(),
                rare: Some(Box::new(rare)),
                ..whole.clone()
            };
            Ok(Device::new(id, facts).with_function(function))
        };
        let devices = self.vdpa.all_of_function(function);
        devices.iter().map(part).collect()
    }

    /// The network interface of `function` that keeps it out of pools. A virtual function that was found without the
    /// default route stays where it is: routes come and go with each lease of DHCP, and with the link of other
    /// interfaces.
    fn default_route(&mut self, function: &PciFunction, netdevs: &[Netdev<'_>]) -> Option<String> {
        let is_known = self
            .memories
            .without_route
            .before(function.address)
            .is_some();
        let mut names = netdevs.iter().map(Netdev::name);
        let name = names
            .find(|name| self.default_routes.contains(*name))
            .filter(|_| !is_known);
        if name.is_none() && function.physical_function.is_some() {
            self.memories.without_route.remember(function.address, ());
        }
        name.map(str::to_owned)
    }

    /// The finding about a virtual function whose physical function has no link. A function's own link is not checked:
    /// that of an unused one is down, and that of a used one is in a pod.
    pub(crate) fn link_finding(&mut self, function: &PciFunction) -> Option<Finding> {
        let pf = function.physical_function?;
        let known = self.links.entry(pf);
        known.or_insert_with(|| check_uplink(self.node, pf)).clone()
    }

    /// Ends the scan, and keeps what it has read for the next one.
    pub(crate) fn keep(self) {
        self.memories.keep();
    }

    fn acpi_index(&mut self, address: PciAddress) -> Option<Arc<String>> {
        let known = &mut self.memories.acpi_indexes;
        let directory = self.node.pci(address);
        let index = directory.constant_attribute("acpi_index", || known.before(address).cloned());
        known.remember(address, Arc::clone(index.as_ref()?));
        index
    }

    fn uplink(&mut self, address: PciAddress) -> Arc<Uplink> {
        let known = &mut self.memories.uplinks;
        if let Some(uplink) = known.now(address) {
            return Arc::clone(uplink);
        }
        let uplink = Uplink::at(self.node, address, known.before(address));
        known.remember(address, Arc::clone(&uplink));
        uplink
    }
}

/// Texts that many functions have in common.
struct Shared<T>(HashMap<String, Arc<T>>);

impl<T: for<'a> From<&'a str>> Shared<T> {
    fn of(&mut self, text: &str) -> Arc<T> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let value = Arc::new(T::from(text));
        self.0.insert(text.to_owned(), Arc::clone(&value));
        value
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_stays_small() {
        // With 4,096 devices each byte here is 4 kB of the node's memory.
        assert!(
            size_of::<Device<Facts>>() <= 128,
            "{}",
            size_of::<Device<Facts>>()
        );
    }

    #[test]
    fn equal_texts_are_stored_once() {
        let mut drivers = Shared::<String>::default();
        let (first, second) = (drivers.of("iavf"), drivers.of("iavf"));
        assert!(Arc::ptr_eq(&first, &second));
        assert_ne!(first, drivers.of("mlx5_core"));
    }
}
