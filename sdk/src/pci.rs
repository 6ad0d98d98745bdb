//! PCI ids and functions.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use sriovdp_provider_abi::schema_of;

use crate::{Error, PciAddress};

/// A PCI vendor or device id as a selector value: `8086`, `0x8086` and `15B3` are all understood.
///
/// ```
/// use sriovdp_sdk::HexId;
///
/// assert_eq!("0x15B3".parse::<HexId>()?, HexId(0x15b3));
/// assert_eq!(HexId(0x15b3).to_string(), "15b3");
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(
    clippy::exhaustive_structs,
    reason = "an id is 16 bits, and nothing else"
)]
pub struct HexId(pub u16);

impl fmt::Display for HexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}", self.0)
    }
}

impl FromStr for HexId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = text.trim();
        let digits = digits
            .strip_prefix("0x")
            .or_else(|| digits.strip_prefix("0X"))
            .unwrap_or(digits);
        // `from_str_radix` takes a sign as well.
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16)
            .ok()
            .filter(|_| is_hex && digits.len() <= 4)
            .map(Self)
            .ok_or_else(|| {
                Error::new(format!("`{text}` is not a PCI id"))
                    .with_hint("an id has up to four hexadecimal digits, as `lspci -n` prints them: `8086`, `154c`")
            })
    }
}

/// One function on the node's PCI bus, as the host found it in its last scan.
///
/// The host reads these facts once per scan for everybody; whatever else a provider needs it reads itself, through
/// [`Node::pci`](crate::Node::pci).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PciFunction {
    /// Where it is.
    pub address: PciAddress,
    /// Vendor id (`/sys/bus/pci/devices/*/vendor`).
    pub vendor: HexId,
    /// Device id (`/sys/bus/pci/devices/*/device`).
    pub device: HexId,
    /// Class code of 24 bits: base class, subclass, programming interface (`/sys/bus/pci/devices/*/class`).
    pub class: u32,
    /// The driver that is bound, by the name of its `driver` link.
    pub driver: Option<String>,
    /// The NUMA node. Absent where the attribute is -1 or missing.
    pub numa_node: Option<u32>,
    /// For a virtual function, its physical function (`physfn`).
    pub physical_function: Option<PciAddress>,
    /// For a virtual function, the number in the name of its PF's `virtfnN` link.
    pub vf_index: Option<u32>,
    /// For a physical function, how many virtual functions it has, by its `virtfnN` links; 0 for everything else.
    pub vf_count: u32,
}

impl PciFunction {
    /// A function without a driver, of no NUMA node, and with nothing to do with SR-IOV.
    pub fn new(address: PciAddress, vendor: HexId, device: HexId, class: u32) -> Self {
        Self {
            address,
            vendor,
            device,
            class,
            driver: None,
            numa_node: None,
            physical_function: None,
            vf_index: None,
            vf_count: 0,
        }
    }

    /// The base class: 0x02 for network controllers, 0x12 for processing accelerators (PCI Code and ID Assignment).
    pub fn base_class(&self) -> u8 {
        self.class.to_be_bytes()[1]
    }
}

impl Serialize for HexId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HexId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|error: Error| serde::de::Error::custom(error.message_with_hint()))
    }
}

impl JsonSchema for HexId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HexId".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(
            r#"{"type": "string", "pattern": "^(0[xX])?[0-9a-fA-F]{1,4}$", "examples": ["8086"]}"#,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_as_people_write_them() {
        for (text, expected) in [
            ("8086", Some(0x8086)),
            ("0x15B3", Some(0x15b3)),
            ("0X1", Some(1)),
            ("", None),
            ("0x", None),
            ("80861", None),
            ("-1", None),
            ("intel", None),
        ] {
            assert_eq!(
                text.parse::<HexId>().ok().map(|id| id.0),
                expected,
                "{text}"
            );
        }
    }
}
