//! Why selectors do not match one device.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Finding;

/// Why this device does not match.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// The scan that is meant.
    pub generation: u64,
    /// The provider's own keys.
    pub selectors: Value,
    /// The device.
    pub id: String,
}

/// The reason, if there is one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Explained {
    /// The selector key that does not match; nothing when all match and the resource does not get the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The sentence; nothing when the device matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// No key contradicts a value of the device: the attributes cannot be read now, or the resource does not get the
    /// device for another reason. Without the field a mismatch counts as one by a value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
    /// The findings for these selectors, whether they match the device or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}
