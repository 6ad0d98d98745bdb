//! PCI addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ParseError;

/// The address of a PCI function: domain, bus, device and function number, as sysfs spells it (`0000:41:10.2`).
///
/// Parsing accepts what people write: upper case, and the short form without a domain. Domains of five digits occur
/// behind Intel VMD controllers.
///
/// ```
/// use sriovdp_provider_abi::PciAddress;
///
/// let address: PciAddress = "41:10.2".parse()?;
/// assert_eq!(address.to_string(), "0000:41:10.2");
/// assert_eq!("0000:5E:00.1".parse::<PciAddress>()?.to_string(), "0000:5e:00.1");
/// assert!("5e:00".parse::<PciAddress>().is_err());
/// # Ok::<(), sriovdp_provider_abi::ParseError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PciAddress {
    domain: u32,
    bus: u8,
    device: u8,
    function: u8,
}

impl PciAddress {
    /// Its domain, which Linux also calls segment.
    pub const fn domain(self) -> u32 {
        self.domain
    }

    /// The number of its bus.
    pub const fn bus(self) -> u8 {
        self.bus
    }
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
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse_address(text.trim()).ok_or_else(|| {
            ParseError::new(
                format!("`{text}` is not a PCI address"),
                "write it as `lspci -D` prints it, for example `0000:41:10.2`",
            )
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

impl Serialize for PciAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PciAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(ParseError::custom)
    }
}

#[cfg(feature = "schemars")]
impl schemars::JsonSchema for PciAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PciAddress".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        crate::schema_of(
            r#"{
                "type": "string",
                "pattern": "^([0-9a-fA-F]{1,8}:)?[0-9a-fA-F]{1,2}:[01]?[0-9a-fA-F]\\.[0-7]$",
                "examples": ["0000:41:10.2"]
            }"#,
        )
    }
}

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
}
