//! Devices: what discovery finds, with the facts that a provider keeps about each.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Attribute, DeviceId, Error, Finding, PciAddress, PciFunction};

/// One device that a provider offers, or extends, with the provider's own `facts` about it.
///
/// Most devices are a PCI function. A device that belongs to none has an id of its own, and may have a parent and NUMA
/// nodes:
///
/// ```
/// use sriovdp_sdk::{Device, DeviceId};
///
/// let queue = Device::new(DeviceId::new("wq0.1")?, ())
///     .with_numa_node(Some(1))
///     .with_parent("/sys/devices/pci0000:6a/0000:6a:01.0/dsa0")
///     .with_attribute("mode", "dedicated")
///     .with_attribute("size", 16_i64);
/// assert_eq!(queue.function, None);
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
///
/// Several devices of one function have ids of their own, too:
///
/// ```
/// use sriovdp_sdk::prelude::*;
/// use sriovdp_sdk::{DeviceId, Finding, FindingKind};
///
/// /// Two halves of a card, with ids of their own.
/// fn halves(card: &PciFunction, is_ready: bool) -> Result<Vec<Device<u8>>, Error> {
///     let half = |number: u8| {
///         let id = DeviceId::new(format!("{}-{number}", card.address))?;
///         let starting = (!is_ready).then(|| Finding::new(FindingKind::Other, "the card is starting"));
///         let device = Device::new(id, number).with_function(card.address);
///         Ok(device.with_numa_node(card.numa_node).with_findings([starting]))
///     };
///     (0..2).map(half).collect()
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Device<F> {
    /// The id by which the kubelet refers to it.
    pub id: DeviceId,
    /// The PCI function that it is, or that it belongs to.
    pub function: Option<PciAddress>,
    /// The NUMA node for the kubelet's topology manager; of several the first one.
    pub numa_node: Option<u32>,
    /// Why no new pod may get it; empty for a healthy device.
    pub findings: Vec<Finding>,
    /// What the provider needs later to match and to allocate it.
    pub facts: F,
    pub(crate) is_independent: bool,
    /// Most devices have none, and there are thousands.
    pub(crate) extras: Option<Box<Extras>>,
}

/// What few devices have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) other_numa_nodes: Vec<u32>,
    pub(crate) parent: Option<String>,
    pub(crate) attributes: BTreeMap<String, Attribute>,
}

impl<F> Device<F> {
    /// A healthy device that belongs to no PCI function, without a NUMA node.
    pub fn new(id: DeviceId, facts: F) -> Self {
        Self {
            id,
            function: None,
            numa_node: None,
            findings: Vec::new(),
            facts,
            is_independent: false,
            extras: None,
        }
    }

    /// A device that is a whole PCI function.
    pub fn of(function: &PciFunction, facts: F) -> Self {
        Self::new(function.address.into(), facts)
            .with_function(function.address)
            .with_numa_node(function.numa_node)
    }

    /// A device of another provider, which this extension adds facts to.
    pub fn extending(device: &BaseDevice, facts: F) -> Self {
        Self {
            function: device.function,
            ..Self::new(device.id.clone(), facts)
        }
    }

    /// The same device as a part of the PCI function at `address`, or of something below it.
    ///
    /// The host gives either the function or its parts to pools: while a pool has the function as a whole, no other pool
    /// gets a part of it, and the parts that one device type makes of it exclude those of another. See
    /// [`independent`](Self::independent) for a device that takes nothing of the function.
    #[must_use]
    pub fn with_function(self, address: PciAddress) -> Self {
        Self {
            function: Some(address),
            ..self
        }
    }

    /// The same device with its NUMA node.
    #[must_use]
    pub fn with_numa_node(self, numa_node: Option<u32>) -> Self {
        Self { numa_node, ..self }
    }

    /// The same device with several NUMA nodes.
    #[must_use]
    pub fn with_numa_nodes(mut self, numa_nodes: impl IntoIterator<Item = u32>) -> Self {
        let mut numa_nodes = numa_nodes.into_iter();
        self.numa_node = numa_nodes.next();
        self.extras().other_numa_nodes = numa_nodes.collect();
        self
    }

    /// The same device as a part of another device, by the other one's directory in `/sys/devices`. It is for devices
    /// without a PCI function what [`with_function`](Self::with_function) is for the others; the parts of one parent
    /// belong to one device type.
    #[must_use]
    pub fn with_parent(mut self, path: impl Into<String>) -> Self {
        self.extras().parent = Some(path.into());
        self
    }

    /// The same device, which takes nothing of its function or parent: another pool may have that, as it may have the
    /// physical function of a subfunction.
    #[must_use]
    pub fn independent(self) -> Self {
        Self {
            is_independent: true,
            ..self
        }
    }

    /// The same device with an attribute, which `sriovdp explain` and `sriovdp list -o json` print.
    ///
    /// A device has at most 32. An id has at most 32 letters, digits and `_` and begins with no digit; a text or version has
    /// at most 64 bytes. The host adds `pciAddress`, `pcieRoot` and `numaNode`.
    #[must_use]
    pub fn with_attribute(mut self, id: impl Into<String>, value: impl Into<Attribute>) -> Self {
        self.extras().attributes.insert(id.into(), value.into());
        self
    }

    /// The same device with further findings, each a [`Finding`] or an `Option<Finding>`; see [`health`](crate::health).
    #[must_use]
    pub fn with_findings(
        mut self,
        findings: impl IntoIterator<Item = impl Into<Option<Finding>>>,
    ) -> Self {
        self.findings
            .extend(findings.into_iter().filter_map(Into::into));
        self
    }

    /// The PCI function that it is, or that it belongs to, for providers all of whose devices have one.
    ///
    /// # Errors
    ///
    /// When it belongs to none.
    pub fn pci_function(&self) -> Result<PciAddress, Error> {
        pci_function(self.function, &self.id)
    }

    fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }
}

fn pci_function(function: Option<PciAddress>, id: &DeviceId) -> Result<PciAddress, Error> {
    function.ok_or_else(|| Error::new(format!("the device `{id}` belongs to no PCI function")))
}

/// A device that the owner of its device type discovered, as an extension gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BaseDevice {
    /// The device type that it belongs to.
    pub device_type: String,
    /// The id by which the kubelet refers to it.
    pub id: DeviceId,
    /// The PCI function that it is, or that it belongs to.
    pub function: Option<PciAddress>,
}

impl BaseDevice {
    /// A device of the type `device_type`.
    pub fn new(
        device_type: impl Into<String>,
        id: DeviceId,
        function: impl Into<Option<PciAddress>>,
    ) -> Self {
        Self {
            device_type: device_type.into(),
            id,
            function: function.into(),
        }
    }

    /// The PCI function that it is, or that it belongs to, for extensions of device types all of whose devices have one.
    ///
    /// # Errors
    ///
    /// When it belongs to none.
    pub fn pci_function(&self) -> Result<PciAddress, Error> {
        pci_function(self.function, &self.id)
    }
}

/// What one discovery found: the devices, and what was left out on purpose, with the reason.
///
/// Collect devices into it, or add one by one.
///
/// ```
/// use sriovdp_sdk::{Device, Discovery, Error, Node};
///
/// fn discover(node: &Node) -> Discovery<()> {
///     let mut found = Discovery::default();
///     for function in node.functions().iter().filter(|f| f.base_class() == 0x12) {
///         if function.driver.is_some() {
///             found.add(Device::of(function, ()));
///         } else {
///             found.exclude(function.address, "no driver is bound to it");
///         }
///     }
///     found
/// }
/// ```
#[derive(Debug)]
pub struct Discovery<F> {
    pub(crate) devices: Vec<Device<F>>,
    /// Name and reason.
    pub(crate) excluded: Vec<(String, String)>,
}

impl<F> Discovery<F> {
    /// Adds a device.
    pub fn add(&mut self, device: Device<F>) {
        self.devices.push(device);
    }

    /// Reports that something that could be a device of this type is not offered, and why.
    pub fn exclude(&mut self, device: impl fmt::Display, reason: impl Into<String>) {
        self.excluded.push((device.to_string(), reason.into()));
    }
}

impl<F> Default for Discovery<F> {
    fn default() -> Self {
        Self {
            devices: Vec::new(),
            excluded: Vec::new(),
        }
    }
}

impl<F> FromIterator<Device<F>> for Discovery<F> {
    fn from_iter<I: IntoIterator<Item = Device<F>>>(devices: I) -> Self {
        Self {
            devices: devices.into_iter().collect(),
            excluded: Vec::new(),
        }
    }
}
