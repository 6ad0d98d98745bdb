//! A card as its driver shows it in sysfs: `nimbus/nimbus<N>/` below the PCI function.

use std::fmt;
use std::str::FromStr;

use sriovdp_sdk::selector::CaseInsensitive;
use sriovdp_sdk::{Context, Error, Finding, FindingKind, HexId, Node, PciAddress, PciFunction};

const VENDOR: HexId = HexId(0xbeef);
/// Processing accelerators (PCI Code and ID Assignment Specification).
const PROCESSING_ACCELERATOR: u8 = 0x12;

/// What is kept about a card.
#[derive(Clone, Debug)]
pub struct Card {
    pub device: HexId,
    pub firmware: Version,
    pub algorithms: Vec<CaseInsensitive>,
    pub state: String,
}

/// A version of the firmware, `2.10.1`; 2.10 is newer than 2.9.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(Vec<u32>);

impl Card {
    pub fn is_one(function: &PciFunction) -> bool {
        function.vendor == VENDOR && function.base_class() == PROCESSING_ACCELERATOR
    }

    /// # Errors
    ///
    /// When the driver has not announced the card yet, or not completely.
    pub fn read(node: &Node, function: &PciFunction) -> Result<Self, Error> {
        let entry = entry(node, function.address)?;
        let attribute = |name: &str| {
            node.pci(function.address)
                .attribute(&format!("nimbus/{entry}/{name}"))
                .with_context(|| format!("its driver does not report its {name}"))
        };
        let algorithms = attribute("algorithms")?;
        Ok(Self {
            device: function.device,
            firmware: attribute("firmware")?.parse()?,
            algorithms: algorithms
                .split_whitespace()
                .map(CaseInsensitive::from)
                .collect(),
            state: attribute("state")?,
        })
    }

    /// A card that is being updated or has failed stays where it is, and no new pod gets it.
    pub fn finding(&self) -> Option<Finding> {
        let state = self.state.as_str();
        let reason = || format!("the card reports the state `{state}`");
        (state != "ready").then(|| Finding::new(FindingKind::Other, reason()))
    }
}

/// The path of the card's device node, as it is now.
///
/// # Errors
///
/// When its driver has not announced one.
pub fn device_node(node: &Node, function: PciAddress) -> Result<String, Error> {
    Ok(format!("/dev/{}", entry(node, function)?))
}

fn entry(node: &Node, function: PciAddress) -> Result<String, Error> {
    let entries = node.pci(function).list("nimbus");
    entries.into_iter().next().ok_or_else(|| {
        Error::new(format!(
            "no driver has announced `{function}` in its directory `nimbus`"
        ))
        .with_hint("bind the driver `nimbus` to it")
    })
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let numbers = text.trim().split('.').map(|number| number.parse().ok());
        let numbers: Option<Vec<u32>> = numbers.collect();
        numbers.map(Self).ok_or_else(|| {
            Error::new(format!("`{}` is no firmware version", text.escape_debug()))
                .with_hint("write it as the card does, for example `2.10`")
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}
