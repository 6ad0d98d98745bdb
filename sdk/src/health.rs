//! Whether a device may be given to new pods, and what speaks against it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

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

/// Something that speaks against giving a device to new pods.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of thing it is.
    pub cause: FindingKind,
    /// A sentence for the log and for `sriovdp explain`, about the device: `its firmware has crashed`.
    pub reason: String,
}

/// The kinds of findings that a resource can leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FindingKind {
    /// The link that the device's traffic goes through is down. A link that comes and goes is calmed by the host.
    Link,
    /// Something that the device consists of is missing, such as its device node.
    #[serde(rename = "existence")]
    DeviceNode,
    /// Anything else. It always counts.
    #[serde(other)]
    Other,
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

impl Finding {
    /// A finding with its reason.
    pub fn new(cause: FindingKind, reason: impl Into<String>) -> Self {
        Self {
            cause,
            reason: reason.into(),
        }
    }

    /// A finding for what would make an allocation fail: the error and its causes are the reason.
    pub fn refused(cause: FindingKind, error: &Error) -> Self {
        let causes: String = error.causes().map(|cause| format!(": {cause}")).collect();
        Self::new(cause, format!("{error}{causes}"))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_of_a_later_interface_always_counts() {
        let read = |text| serde_json::from_str::<Finding>(text).map(|finding| finding.cause);
        assert_eq!(
            read(r#"{"cause": "temperature", "reason": "hot"}"#).unwrap(),
            FindingKind::Other
        );
        assert_eq!(
            read(r#"{"cause": "link", "reason": "down"}"#).unwrap(),
            FindingKind::Link
        );
    }
}
