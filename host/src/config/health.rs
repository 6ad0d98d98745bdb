//! The `health` object of a resource: which kinds of findings about a device count.

use sriovdp_sdk::Cause;

/// Which kinds of findings make a device of the resource unhealthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountedFindings {
    /// Those about links.
    pub link: bool,
    /// Those about what a device consists of.
    pub existence: bool,
}

impl CountedFindings {
    /// The keys of the object.
    pub(super) const KEYS: [&'static str; 2] = ["link", "existence"];

    /// Whether findings of this kind count. Those that nobody can leave out do.
    pub fn count(self, cause: Cause) -> bool {
        match cause {
            Cause::Link => self.link,
            Cause::Existence => self.existence,
            _ => true,
        }
    }
}

impl Default for CountedFindings {
    fn default() -> Self {
        Self {
            link: true,
            existence: true,
        }
    }
}
