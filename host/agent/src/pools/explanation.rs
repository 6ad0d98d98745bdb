//! What a selector says about one device, whether it admits the device or not.

use std::fmt;

use sriovdp_provider_abi::wire;
use sriovdp_provider_abi::wire::method;
use sriovdp_sdk::Finding;

use super::scan::{Scan, ScanError};
use super::{ProviderSelector, Selector};
use sriovdp_providers::CallError;

/// The reason of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The selector key that does not fit.
    pub key: Option<String>,
    /// What the device has instead.
    pub reason: String,
    /// The device has no value that differs: what the key asks for cannot be read now.
    pub unreadable: bool,
}

/// A selector about one device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Why the selector does not admit the device: by a value that differs if there is any, else by one that cannot be
    /// read now; nothing when it does.
    pub refusal: Option<Mismatch>,
    /// What speaks against the device for this selector alone.
    pub findings: Vec<Finding>,
}

impl Scan {
    /// Asks the providers of a selector about a device.
    ///
    /// # Errors
    ///
    /// When one of them fails: then nothing is known, and not that the selector fits.
    pub async fn explained(&self, selector: &Selector, id: &str) -> Result<Explained, ScanError> {
        let mut all = Explained::default();
        for facet in &selector.facets {
            let explained = self.explained_by(facet, id).await?;
            let refusal = explained.reason.map(|reason| Mismatch {
                key: explained.key,
                reason,
                unreadable: explained.unreadable,
            });
            all.refusal = match (all.refusal.take(), refusal) {
                (Some(known), Some(new)) if known.unreadable && !new.unreadable => Some(new),
                (known, new) => known.or(new),
            };
            all.findings.extend(explained.findings);
        }
        Ok(all)
    }

    /// Why a selector does not admit a device: the key and the reason; nothing when it does.
    ///
    /// # Errors
    ///
    /// When a provider cannot say.
    pub async fn mismatch(
        &self,
        selector: &Selector,
        id: &str,
    ) -> Result<Option<Mismatch>, ScanError> {
        let explained = self.explained(selector, id).await?;
        Ok(explained.refusal)
    }

    async fn explained_by(
        &self,
        facet: &ProviderSelector,
        id: &str,
    ) -> Result<wire::Explained, ScanError> {
        let provider = &facet.provider;
        let known = self.known.get(&provider.file_name());
        let question = wire::ExplainRequest {
            generation: known.map_or(0, |known| known.generation),
            selectors: facet.selectors.clone(),
            id: id.to_owned(),
        };
        let answer: Result<wire::Explained, CallError> =
            provider.call(method::EXPLAIN, question).await;
        answer.map_err(|error| ScanError::new(provider, error))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "`{key}`: ")?;
        }
        f.write_str(&self.reason)
    }
}
