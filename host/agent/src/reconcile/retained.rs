//! Devices that match no selector now, and stay in a pool because a pod has them.
//!
//! What a selector requires, such as a network interface, may be in the pod, and comes back with the end of the pod. A
//! selector that requires another value than the device has cannot be the one by which the next pod gets it.

use std::sync::Arc;

use sriovdp_sdk::Finding;

use crate::pools::{Fit, Pool, Resource, Scan, ScanError};
use sriovdp_providers::Explained;

/// Such a device.
pub(super) struct Retained {
    /// The selector by which a container would get it, if that is known.
    pub(super) selector: Option<usize>,
    pub(super) fit: Fit,
    /// The findings about the device for that selector.
    pub(super) findings: Vec<Finding>,
}

impl Retained {
    /// By the results of the selectors of `resource` for the device `id`, which may have been in the pool `before`.
    ///
    /// # Errors
    ///
    /// When a provider fails: then it is not known whether its selector fits.
    pub(super) async fn of(
        scan: &Scan,
        resource: &Resource,
        id: &str,
        before: Option<&Pool>,
    ) -> Result<Self, ScanError> {
        let mut explained = Vec::with_capacity(resource.selectors.len());
        for selector in &resource.selectors {
            explained.push(scan.explain(selector, id).await?);
        }
        Ok(Self::by(explained, known_selector(resource, id, before)))
    }

    /// The `known` selector, or else the first one, of those that no value of the device contradicts.
    fn by(explained: Vec<Explained>, known: Option<usize>) -> Self {
        let mismatch = |explained: &Explained| {
            let mismatch = explained.mismatch.as_ref();
            mismatch.filter(|mismatch| !mismatch.unreadable).cloned()
        };
        let mismatches: Vec<_> = explained.iter().map(mismatch).collect();
        let possible = |&n: &usize| mismatches.get(n).is_some_and(Option::is_none);
        let selector = known.filter(possible);
        let selector = selector.or_else(|| (0..mismatches.len()).find(|n| possible(n)));
        if let Some(n) = selector {
            let findings = explained.into_iter().nth(n);
            return Self {
                selector,
                fit: Fit::Retained,
                findings: findings.map_or_else(Vec::new, |explained| explained.findings),
            };
        }
        // A single selector must be the one that the device matched.
        let selector = known.or_else(|| (mismatches.len() == 1).then_some(0));
        let reasons = match selector {
            Some(n) => &mismatches[n..=n],
            None => &mismatches[..],
        };
        let mut reasons: Vec<String> = reasons.iter().flatten().map(ToString::to_string).collect();
        reasons.dedup();
        Self {
            selector,
            fit: Fit::Mismatch(reasons.join("; ").into()),
            findings: Vec::new(),
        }
    }

    /// What makes it unhealthy, whatever its resource counts.
    pub(super) fn mismatch(&self) -> Option<Arc<str>> {
        match &self.fit {
            Fit::Mismatch(reason) => Some(Arc::clone(reason)),
            Fit::Matches | Fit::Retained => None,
        }
    }
}

/// The position of the selector that a device matched in an earlier state of the pool.
fn known_selector(resource: &Resource, id: &str, before: Option<&Pool>) -> Option<usize> {
    let before = before?;
    resource.same_selector(&before.resource, before.device(id)?.selector?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sriovdp_providers::Mismatch;

    /// Each of `selectors` is `+` where it fits, `?` where something cannot be read, or else what differs.
    fn retained(selectors: &[&str], known: Option<usize>) -> (Option<usize>, Option<String>) {
        let mismatch = |text: &str| Mismatch {
            key: Some("k".to_owned()),
            reason: text.to_owned(),
            unreadable: text == "?",
        };
        let explained = selectors.iter().map(|&text| Explained {
            mismatch: (text != "+").then(|| mismatch(text)),
            findings: Vec::new(),
        });
        let retained = Retained::by(explained.collect(), known);
        let mismatch = retained.mismatch().map(|reason| reason.to_string());
        (retained.selector, mismatch)
    }

    #[test]
    fn a_retained_device_has_a_selector_that_nothing_contradicts() {
        for (selectors, known, selector, mismatch) in [
            (&["?"][..], None, Some(0), None),
            (&["a", "?"], None, Some(1), None),
            (&["?", "+"], None, Some(0), None),
            (&["?", "?"], Some(1), Some(1), None),
            (&["a", "?"], Some(0), Some(1), None),
            (&["a"], None, Some(0), Some("`k`: a")),
            (&["a", "b"], None, None, Some("`k`: a; `k`: b")),
            (&["a", "a"], None, None, Some("`k`: a")),
            (&["a", "b"], Some(1), Some(1), Some("`k`: b")),
            (&[], None, None, Some("")),
        ] {
            let expected = (selector, mismatch.map(str::to_owned));
            assert_eq!(
                retained(selectors, known),
                expected,
                "{selectors:?} {known:?}"
            );
        }
    }
}
