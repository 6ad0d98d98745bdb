//! The `health` object of a resource: which kinds of findings about a device count.

use sriovdp_sdk::FindingKind;

use super::json::Json;
use super::parse::Parser;

/// Which kinds of findings make a device of the resource unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthChecks {
    /// Those about links.
    pub link: bool,
    /// Those about what a device consists of.
    pub existence: bool,
}

impl HealthChecks {
    /// The keys of the object.
    const KEYS: [&'static str; 2] = ["link", "existence"];

    /// Whether findings of this kind count. Kinds without a key always do.
    pub fn count(self, cause: FindingKind) -> bool {
        match cause {
            FindingKind::Link => self.link,
            FindingKind::DeviceNode => self.existence,
            _ => true,
        }
    }
}

impl Default for HealthChecks {
    fn default() -> Self {
        Self {
            link: true,
            existence: true,
        }
    }
}

impl Parser<'_> {
    /// Parses the object at `key`; missing kinds count.
    pub(super) fn health(&mut self, key: &str, health: Option<Json<'_>>) -> HealthChecks {
        let mut counted = HealthChecks::default();
        let members = health.and_then(|health| self.members(key, health));
        let members = members.unwrap_or_default();
        let keys = HealthChecks::KEYS;
        self.warn_of_unknown_keys(key, &members, &keys, "its keys are `link` and `existence`");
        for (name, counts) in keys
            .into_iter()
            .zip([&mut counted.link, &mut counted.existence])
        {
            *counts = self.boolean(key, &members, name).unwrap_or(*counts);
        }
        counted
    }
}
