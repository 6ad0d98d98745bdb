//! Why a selector does not match one device.

use sriovdp_providers::{Explained, Mismatch};

use super::Selector;
use super::scan::{Scan, ScanError};

impl Scan {
    /// Explains the result of a selector for a device. A mismatch by a value that the device has counts more than one by
    /// a value that cannot be read.
    ///
    /// # Errors
    ///
    /// When a provider fails, or has not answered a discovery.
    pub async fn explain(&self, selector: &Selector, id: &str) -> Result<Explained, ScanError> {
        let mut all = Explained::default();
        for (discovery, part) in self.discoveries(selector)? {
            let explained = discovery.explain(&part.selectors, id).await;
            let explained =
                explained.map_err(|error| ScanError::new(discovery.provider(), error))?;
            all.mismatch = match (all.mismatch.take(), explained.mismatch) {
                (Some(known), Some(new)) if known.unreadable && !new.unreadable => Some(new),
                (known, new) => known.or(new),
            };
            all.findings.extend(explained.findings);
        }
        Ok(all)
    }

    /// Why a selector does not match a device; nothing when it does.
    ///
    /// # Errors
    ///
    /// As those of [`explain`](Self::explain).
    pub async fn mismatch(
        &self,
        selector: &Selector,
        id: &str,
    ) -> Result<Option<Mismatch>, ScanError> {
        Ok(self.explain(selector, id).await?.mismatch)
    }
}
