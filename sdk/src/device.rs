//! Devices: what discovery finds, with the facts that a provider keeps about each.

use std::borrow::Borrow;
use std::fmt;

use compact_str::{CompactString, ToCompactString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Health, PciAddress, PciFunction};

/// The id by which the kubelet, CNIs and containers know a device.
///
/// For PCI functions it is the full address in sysfs spelling, because CNIs look it up there; for auxiliary devices it
/// is the name below `/sys/bus/auxiliary/devices`. It must stay the same over restarts of the plugin and of the node's
/// kubelet, which remembers it in its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
// A PCI address fits into the value itself: thousands of ids are no allocations.
pub struct DeviceId(CompactString);

impl DeviceId {
    /// Checks what a kubelet can carry: not empty, at most 253 bytes, visible ASCII without a comma or a slash.
    ///
    /// Ids are joined by commas in an environment variable and become a part of file names.
    ///
    /// ```
    /// use sriovdp_sdk::DeviceId;
    ///
    /// assert!(DeviceId::new("mlx5_core.sf.4").is_ok());
    /// assert!(DeviceId::new("a,b").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is no such id.
    pub fn new(text: impl AsRef<str>) -> Result<Self, Error> {
        let text = text.as_ref();
        let fits = (1..=253).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b',' && b != b'/');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(
                Error::new(format!("`{}` cannot be a device id", text.escape_debug()))
                    .with_hint("an id is 1 to 253 visible ASCII characters without `,` and `/`"),
            )
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<PciAddress> for DeviceId {
    fn from(address: PciAddress) -> Self {
        Self(address.to_compact_string())
    }
}

impl Serialize for DeviceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for DeviceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = CompactString::deserialize(deserializer)?;
        Self::new(text).map_err(|error| serde::de::Error::custom(error.message_with_hint()))
    }
}

impl AsRef<str> for DeviceId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for DeviceId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

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
