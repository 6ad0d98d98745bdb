//! The timeouts of providers.

use std::time::Duration;

use sriovdp_provider_abi::limits;

/// How long each step with a provider may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The probe of a file, from the fork for it to the end of that.
    pub probe: Duration,
    /// Loading a file that passed the probe.
    pub load: Duration,
    /// A discovery, which may query hardware.
    pub discover: Duration,
    /// Any other call; and all calls of one Allocate together, which blocks the kubelet's pod loop.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            probe: limits::PROBE_TIMEOUT,
            load: Duration::from_secs(5),
            discover: limits::DISCOVERY_TIMEOUT,
            answer: limits::CALL_TIMEOUT,
        }
    }
}

impl Timeouts {
    /// The same, and nothing longer than `limit`.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        Self {
            probe: self.probe.min(limit),
            load: self.load.min(limit),
            discover: self.discover.min(limit),
            answer: self.answer.min(limit),
        }
    }
}
