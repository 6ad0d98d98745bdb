//! Whether a device may be given to new pods, and what speaks against it.

use crate::Finding;

/// Whether a device may be given to new pods.
///
/// An unhealthy device stays in its pool; the kubelet gives it to nobody and leaves running containers alone.
///
/// ```
/// use sriovdp_sdk::{FindingKind, Finding, Health};
///
/// let broken = Finding::new(FindingKind::Other, "its firmware has crashed");
/// assert_eq!(Health::of([None, Some(broken.clone())]), Health::Findings(vec![broken]));
/// assert_eq!(Health::of([None]), Health::Healthy);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It may.
    Healthy,
    /// It may not, and why: a sentence for the log and for `sriovdp explain`. The same as one finding of
    /// [`FindingKind::Other`].
    Unhealthy(String),
    /// It may not, as far as one of these counts: a resource can leave kinds of them out by its `health` object.
    Findings(Vec<Finding>),
}

impl Health {
    /// Healthy, unless there is a finding.
    pub fn of(findings: impl IntoIterator<Item = Option<Finding>>) -> Self {
        let findings: Vec<Finding> = findings.into_iter().flatten().collect();
        if findings.is_empty() {
            Self::Healthy
        } else {
            Self::Findings(findings)
        }
    }
}
