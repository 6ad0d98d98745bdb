//! Findings: why no new pod may get a device.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A reason why no new pod may get a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing it is.
    pub cause: FindingKind,
    /// A sentence for the log and for `sriovdp explain`, about the device: `its firmware has crashed`.
    pub reason: String,
    /// The part of what a container gets that it is about. Absent: the finding counts also
    /// where an extension replaces a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
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

impl Finding {
    /// A finding with its reason.
    pub fn new(cause: FindingKind, reason: impl Into<String>) -> Self {
        Self {
            cause,
            reason: reason.into(),
            part: None,
        }
    }

    /// The same about a part that an extension can replace, see `Manifest::replaceable` of the SDK: it does not count
    /// where one does.
    #[must_use]
    pub fn about(self, part: impl Into<String>) -> Self {
        Self {
            part: Some(part.into()),
            ..self
        }
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
