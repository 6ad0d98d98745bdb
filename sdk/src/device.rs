//! Devices: what discovery finds, with the facts that a provider keeps about each.

use std::fmt;

use crate::{DeviceId, Health, PciAddress, PciFunction};

/// One device that a provider offers, or extends, with the provider's own `facts` about it.
#[derive(Clone, Debug)]
pub struct Device<F> {
    /// How the kubelet knows it.
    pub id: DeviceId,
    /// The PCI function that it is, or that it belongs to.
    pub function: PciAddress,
    /// The NUMA node for the kubelet's topology manager.
    pub numa_node: Option<u32>,
    /// Whether new pods may have it.
    pub health: Health,
    /// Whatever the provider needs later to admit and to allocate it.
    pub facts: F,
}

impl<F> Device<F> {
    /// The same with what speaks against it; see [`Health::of`].
    #[must_use]
    pub fn health(self, health: Health) -> Self {
        Self { health, ..self }
    }

    /// A device that is a whole PCI function.
    pub fn of(function: &PciFunction, facts: F) -> Self {
        Self {
            id: function.address.into(),
            function: function.address,
            numa_node: function.numa_node,
            health: Health::Healthy,
            facts,
        }
    }

    /// A device of another provider, which this extension adds facts to.
    pub fn extending(device: &BaseDevice, facts: F) -> Self {
        Self {
            id: device.id.clone(),
            function: device.function,
            numa_node: None,
            health: Health::Healthy,
            facts,
        }
    }
}

/// A device that the owner of its device type discovered, as an extension sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseDevice {
    /// The device type that it belongs to.
    pub device_type: String,
    /// How the kubelet knows it.
    pub id: DeviceId,
    /// The PCI function that it is, or that it belongs to.
    pub function: PciAddress,
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
    pub(crate) excluded: Vec<(String, String)>,
}

impl<F> Discovery<F> {
    /// Adds a device.
    pub fn add(&mut self, device: Device<F>) {
        self.devices.push(device);
    }

    /// Says that something that looks like a device of this type is not offered, and why.
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
