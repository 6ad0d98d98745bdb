//! Devices: what discovery finds, with the facts that a provider keeps about each.

use std::fmt;

use crate::{DeviceId, Finding, PciAddress, PciFunction};

/// One device that a provider offers, or extends, with the provider's own `facts` about it.
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
///         let device = Device::new(id, card.address, number);
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
    pub function: PciAddress,
    /// The NUMA node for the kubelet's topology manager.
    pub numa_node: Option<u32>,
    /// Why no new pod may get it; empty for a healthy device.
    pub findings: Vec<Finding>,
    /// What the provider needs later to match and to allocate it.
    pub facts: F,
}

impl<F> Device<F> {
    /// A healthy device below a PCI function, without a NUMA node.
    pub fn new(id: DeviceId, function: PciAddress, facts: F) -> Self {
        Self {
            id,
            function,
            numa_node: None,
            findings: Vec::new(),
            facts,
        }
    }

    /// A device that is a whole PCI function.
    pub fn of(function: &PciFunction, facts: F) -> Self {
        Self::new(function.address.into(), function.address, facts)
            .with_numa_node(function.numa_node)
    }

    /// A device of another provider, which this extension adds facts to.
    pub fn extending(device: &BaseDevice, facts: F) -> Self {
        Self::new(device.id.clone(), device.function, facts)
    }

    /// The same device with its NUMA node.
    #[must_use]
    pub fn with_numa_node(self, numa_node: Option<u32>) -> Self {
        Self { numa_node, ..self }
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
    pub function: PciAddress,
}

impl BaseDevice {
    /// A device of the type `device_type`.
    pub fn new(device_type: impl Into<String>, id: DeviceId, function: PciAddress) -> Self {
        Self {
            device_type: device_type.into(),
            id,
            function,
        }
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
