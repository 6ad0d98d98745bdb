//! The selector keys.

use sriovdp_sdk::selector::CaseInsensitive;
use sriovdp_sdk::{one_of, selectors, Error, HexId, Mismatch};

use crate::card::{Card, Version};

/// Which cards belong to a resource, and what a container gets beside them.
#[selectors]
#[serde(rename_all = "camelCase")]
pub struct Selectors {
    /// PCI device ids, as `lspci -n` prints them.
    devices: Vec<HexId>,
    /// Algorithms that a card must support, all of them.
    algorithms: Vec<CaseInsensitive>,
    /// The oldest firmware that will do, such as `2.10`.
    firmware_at_least: String,
    /// Whether containers get the library of the node, at `/usr/lib/nimbus`.
    pub need_library: bool,
}

impl Selectors {
    /// What the types do not express.
    pub fn check(&self) -> Result<(), Error> {
        self.firmware().map(drop)
    }

    /// Refuses a card with the key that does not fit, and what was found instead.
    pub fn matches(&self, card: &Card) -> Result<(), Mismatch> {
        one_of("devices", &self.devices, Some(&card.device))?;
        if let Some(missing) = self
            .algorithms
            .iter()
            .find(|name| !card.algorithms.contains(name))
        {
            return Err(Mismatch::new(
                "algorithms",
                format!("it does not support {missing}"),
            ));
        }
        match self.firmware() {
            Ok(Some(oldest)) if card.firmware < oldest => Err(Mismatch::new(
                "firmwareAtLeast",
                format!("its firmware is {}, older than {oldest}", card.firmware),
            )),
            Err(error) => Err(Mismatch::new("firmwareAtLeast", error.to_string())),
            Ok(_) => Ok(()),
        }
    }

    fn firmware(&self) -> Result<Option<Version>, Error> {
        match self.firmware_at_least.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some),
        }
    }
}
