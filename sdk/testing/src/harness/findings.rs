//! Findings and mismatches of a provider under test.

use serde_json::Value;

use super::Harness;
use sriovdp_sdk::{Finding, PciAddress, Provider};

impl<P: Provider> Harness<P> {
    /// Why no new pod may get the device `id`, whatever its resource; empty for a healthy device.
    ///
    /// # Panics
    ///
    /// When no such device was found.
    #[track_caller]
    pub fn findings(&self, id: &str) -> Vec<Finding> {
        let mut devices = self.found.devices.iter();
        let device = devices.find(|device| device.id.as_str() == id);
        let device = device.unwrap_or_else(|| panic!("no device `{id}` was found"));
        device.findings.clone()
    }

    /// Why no new pod may get the device `id` from a resource with `selectors`, beside [`findings`](Self::findings).
    ///
    /// # Panics
    ///
    /// When the selectors cannot be understood, or no such device was found.
    #[track_caller]
    pub fn findings_for(&self, selectors: Value, id: &str) -> Vec<Finding> {
        self.explain(selectors, id).findings
    }

    /// Why the device `id` does not fit `selectors` by a value that it has, as `key: reason`; nothing when it fits, or when
    /// the attributes cannot be read now.
    ///
    /// # Panics
    ///
    /// When the selectors cannot be understood, or no such device was found.
    #[track_caller]
    pub fn mismatch(&self, selectors: Value, id: &str) -> Option<String> {
        let explained = self.explain(selectors, id);
        let reason = explained.reason.filter(|_| !explained.unreadable);
        Some(format!("{}: {}", explained.key?, reason?))
    }

    /// The [`Provider::warnings`] about `selectors`, each with its causes.
    ///
    /// # Panics
    ///
    /// When the selectors cannot be understood.
    #[track_caller]
    pub fn warnings(&self, selectors: Value) -> Vec<String> {
        let warnings = self.selected(selectors).warnings.into_iter();
        warnings.map(|warning| warning.chain.join(": ")).collect()
    }

    /// The functions of which the last discovery could not read something that is there.
    pub fn unread(&self) -> &[PciAddress] {
        &self.found.unread
    }
}
