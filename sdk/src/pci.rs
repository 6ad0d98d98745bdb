//! PCI addresses, ids and functions.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Error;

/// The address of a PCI function: domain, bus, device and function number, as sysfs spells it (`0000:41:10.2`).
///
/// Parsing accepts what people write: upper case, and the short form without a domain. Domains of five digits occur
/// behind Intel VMD controllers.
///
/// ```
/// use sriovdp_sdk::PciAddress;
///
/// let address: PciAddress = "41:10.2".parse()?;
/// assert_eq!(address.to_string(), "0000:41:10.2");
/// assert_eq!("0000:5E:00.1".parse::<PciAddress>()?.to_string(), "0000:5e:00.1");
/// assert!("5e:00".parse::<PciAddress>().is_err());
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            domain,
            bus,
            device,
            function,
        } = self;
        write!(f, "{domain:04x}:{bus:02x}:{device:02x}.{function:x}")
    }
}

impl FromStr for PciAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse_address(text.trim()).ok_or_else(|| {
            Error::new(format!("`{text}` is not a PCI address"))
                .with_hint("write it as `lspci -D` prints it, for example `0000:41:10.2`")
        })
    }
}

fn parse_address(text: &str) -> Option<PciAddress> {
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0", rest));
    let address = PciAddress {
        domain: hex(domain, 8)?,
        bus: u8::try_from(hex(bus, 2)?).ok()?,
        device: u8::try_from(hex(device, 2)?).ok()?,
        function: u8::try_from(hex(function, 1)?).ok()?,
    };
    (address.device < 32 && address.function < 8).then_some(address)
}

fn hex(text: &str, digits: usize) -> Option<u32> {
    let sane =
        !text.is_empty() && text.len() <= digits && text.bytes().all(|b| b.is_ascii_hexdigit());
    sane.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

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
        hex(digits, 4)
            .and_then(|value| u16::try_from(value).ok())
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
    /// The NUMA node. Absent where the kernel says -1 or nothing.
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

macro_rules! as_text {
    ($type:ty, $name:literal, $pattern:literal, $example:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(|error: Error| serde::de::Error::custom(error.message_with_hint()))
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "pattern": $pattern, "examples": [$example]})
            }
        }
    };
}

as_text!(
    PciAddress,
    "PciAddress",
    "^([0-9a-fA-F]{1,8}:)?[0-9a-fA-F]{1,2}:[01]?[0-9a-fA-F]\\.[0-7]$",
    "0000:41:10.2"
);
as_text!(HexId, "HexId", "^(0[xX])?[0-9a-fA-F]{1,4}$", "8086");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_as_people_write_them() {
        for (text, expected) in [
            ("0000:41:10.2", Some("0000:41:10.2")),
            ("41:10.2", Some("0000:41:10.2")),
            ("0000:5E:00.1", Some("0000:5e:00.1")),
            ("10000:e1:00.0", Some("10000:e1:00.0")),
            (" 03:02.7 ", Some("0000:03:02.7")),
            ("03:02.8", None),
            ("03:20.0", None),
            ("0000:03:02", None),
            ("+000:03:02.0", None),
            ("", None),
        ] {
            let parsed = text.parse::<PciAddress>().ok().map(|a| a.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
    }

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
