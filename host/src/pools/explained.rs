//! What providers say about one device and the selectors of one resource.

use sriovdp_sdk::Finding;
use sriovdp_sdk::abi::wire;
use sriovdp_sdk::abi::wire::method;

use super::scan::{Scan, ScanError};
use super::{Facet, Selector};
use crate::providers::CallError;

impl Scan {
    /// What speaks against a device for this selector alone, which need not admit it as it is now.
    ///
    /// A provider that cannot say, or does not know the device, says nothing against it.
    pub async fn against(&self, selector: &Selector, id: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        for facet in &selector.facets {
            if let Ok(explained) = self.explained(facet, id).await {
                findings.extend(explained.findings);
            }
        }
        findings
    }

    pub(super) async fn explained(
        &self,
        facet: &Facet,
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
