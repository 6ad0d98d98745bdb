//! Device ids, as the kubelet carries them.

use std::borrow::Borrow;
use std::fmt;

use compact_str::{CompactString, ToCompactString};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ParseError, PciAddress};

/// The id by which the kubelet, CNIs and containers refer to a device.
///
/// For PCI functions it is the full address in sysfs spelling, because CNIs resolve it there; for auxiliary devices it
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
    /// use sriovdp_provider_abi::DeviceId;
    ///
    /// assert!(DeviceId::new("mlx5_core.sf.4").is_ok());
    /// assert!(DeviceId::new("a,b").is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// When the text is no such id.
    pub fn new(text: impl AsRef<str>) -> Result<Self, ParseError> {
        let text = text.as_ref();
        let fits = (1..=253).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b',' && b != b'/');
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(ParseError::new(
                format!("`{}` cannot be a device id", text.escape_debug()),
                "an id is 1 to 253 visible ASCII characters without `,` and `/`",
            ))
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
        Self::new(text).map_err(ParseError::custom)
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
