//! PCIe roots: the host bridges of the node, at which its PCI hierarchies begin.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use sriovdp_provider_abi::schema_of;

use crate::{Error, Node, PciAddress};

/// A PCIe root as a selector value, by its name in `/sys/devices`: `pci0000:50`. Functions with one root exchange data
/// without the interconnect of the processors.
///
/// The same name is the attribute `resource.kubernetes.io/pcieRoot` of Dynamic Resource Allocation.
///
/// ```
/// use sriovdp_sdk::selector::PcieRoot;
///
/// assert_eq!("PCI0000:5D".parse::<PcieRoot>()?.to_string(), "pci0000:5d");
/// assert!("0000:50:00.0".parse::<PcieRoot>().is_err());
/// # Ok::<(), sriovdp_sdk::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
// Domain and bus in one number above zero, because a provider keeps one for each of thousands of devices.
pub struct PcieRoot(NonZeroU32);

impl PcieRoot {
    fn new(domain: u32, bus: u8) -> Option<Self> {
        let domain = domain.checked_mul(1 << 8)?;
        Some(Self(NonZeroU32::MIN.checked_add(domain | u32::from(bus))?))
    }

    fn of_name(name: &str) -> Option<Self> {
        let (prefix, number) = name.split_at_checked(3)?;
        let (domain, bus) = number.split_once(':')?;
        let hex = |text: &str, digits: std::ops::RangeInclusive<usize>| {
            let is_hex =
                digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
            is_hex.then(|| u32::from_str_radix(text, 16).ok()).flatten()
        };
        let bus = u8::try_from(hex(bus, 2..=2)?).ok()?;
        prefix
            .eq_ignore_ascii_case("pci")
            .then(|| Self::new(hex(domain, 4..=8)?, bus))?
    }

    /// The first on the path to a device: further ones are made up by a device below it, such as Intel VMD.
    fn on_path(path: &Path) -> Option<Self> {
        let mut names = path.components();
        names.find_map(|name| Self::of_name(name.as_os_str().to_str()?))
    }
}

impl fmt::Display for PcieRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.get() - 1;
        write!(f, "pci{:04x}:{:02x}", number >> 8, number & 0xff)
    }
}

impl fmt::Debug for PcieRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PcieRoot {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::of_name(text.trim()).ok_or_else(|| {
            let error = Error::new(format!("`{text}` is not the name of a PCIe root"));
            error.with_hint(match text.trim().parse::<PciAddress>() {
                Ok(function) => format!(
                    "`readlink /sys/bus/pci/devices/{function}` shows the root of that function: `pci0000:50`"
                ),
                Err(_) => "write it as `ls -d /sys/devices/pci*` prints it: `pci0000:50`".to_owned(),
            })
        })
    }
}

impl<'de> Deserialize<'de> for PcieRoot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse()
            .map_err(|error: Error| serde::de::Error::custom(error.message_with_hint()))
    }
}

impl JsonSchema for PcieRoot {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PcieRoot".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schema_of(
            r#"{"type": "string", "pattern": "^[pP][cC][iI][0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}$", "examples": ["pci0000:50"]}"#,
        )
    }
}

/// The PCIe roots of functions, for one discovery. All functions of a bus have one root, so one link is read for each
/// bus; after a function that has left the bus, that of the next one.
///
/// ```
/// use sriovdp_sdk::selector::{PcieRoot, PcieRoots};
/// use sriovdp_sdk::{Device, Discovery, Node};
///
/// fn discover(node: &Node) -> Discovery<Option<PcieRoot>> {
///     let mut roots = PcieRoots::new(node);
///     let functions = node.functions().iter();
///     functions.map(|f| Device::of(f, roots.of(f.address))).collect()
/// }
/// ```
#[derive(Debug)]
pub struct PcieRoots<'a> {
    node: &'a Node,
    /// By domain and bus.
    known: HashMap<(u32, u8), PcieRoot>,
}

impl<'a> PcieRoots<'a> {
    /// Those of `node`, none of which is read yet.
    pub fn new(node: &'a Node) -> Self {
        Self {
            node,
            known: HashMap::new(),
        }
    }

    /// The root of the function at `address`, from where its link in sysfs leads. Every function has one, so without an
    /// answer it cannot be read now: see [`Mismatch::unreadable`](crate::Mismatch::unreadable).
    pub fn of(&mut self, address: PciAddress) -> Option<PcieRoot> {
        let bus = (address.domain(), address.bus());
        if let Some(root) = self.known.get(&bus) {
            return Some(*root);
        }
        let link = format!("/sys/bus/pci/devices/{address}");
        let root = PcieRoot::on_path(&self.node.root().link_target(&link)?)?;
        self.known.insert(bus, root);
        Some(root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HostRoot;
    use sriovdp_sdk_testing::Tree;

    #[test]
    fn a_root_is_spelled_as_in_sysfs() {
        for (text, expected) in [
            ("pci0000:50", Some("pci0000:50")),
            (" PCI0000:E2 ", Some("pci0000:e2")),
            ("pci10000:00", Some("pci10000:00")),
            ("pci0000:ff", Some("pci0000:ff")),
            ("pciffffff:fe", Some("pciffffff:fe")),
            ("pciffffffff:00", None),
            ("pci0000:5", None),
            ("pci0000:050", None),
            ("pci0:50", None),
            ("pci+000:50", None),
            ("0000:50", None),
            ("0000:50:00.0", None),
            ("p\u{e9}i0000:50", None),
            ("", None),
        ] {
            let parsed = text.parse::<PcieRoot>().ok().map(|root| root.to_string());
            assert_eq!(parsed.as_deref(), expected, "{text}");
        }
        assert_eq!(size_of::<Option<PcieRoot>>(), 4);
    }

    #[test]
    fn the_root_is_the_first_host_bridge_on_the_path() {
        let tree = "
            pci 0000:50:01.0 8086:352a class=060400
            pf 0000:51:00.0 15b3:1021 in=0000:50:01.0
            vf 0000:51:00.1 15b3:101e pf=0000:51:00.0 id=0
            link /sys/bus/pci/devices/7870:00:00.0 ../../../devices/LNXSYSTM:00/MSFT1000:00/5620e0c7-8062/pci7870:00/7870:00:00.0
            link /sys/bus/pci/devices/10000:e1:00.0 ../../../devices/pci0000:e2/0000:e2:00.5/pci10000:e0/10000:e0:06.0/10000:e1:00.0
        ";
        let tree = Tree::parse(tree).expect("a node").temp();
        let node = Node::new(HostRoot::new(tree.path()), Vec::new(), Vec::new());
        let mut roots = PcieRoots::new(&node);
        for (function, expected) in [
            ("0000:51:00.7", None),
            ("0000:51:00.0", Some("pci0000:50")),
            ("0000:51:00.1", Some("pci0000:50")),
            ("0000:50:01.0", Some("pci0000:50")),
            ("7870:00:00.0", Some("pci7870:00")),
            ("10000:e1:00.0", Some("pci0000:e2")),
            ("0000:99:00.0", None),
        ] {
            let root = roots.of(function.parse().expect(function));
            assert_eq!(
                root.map(|root| root.to_string()).as_deref(),
                expected,
                "{function}"
            );
        }
    }
}
