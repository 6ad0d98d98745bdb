//! What selectors say about one device.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Finding;

/// Why does this device not fit?
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
    /// The selector key that refused it; nothing when it fits and is kept out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The sentence; nothing when the device is admitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// No key refuses the device by a value that it has: what the refusing keys ask for cannot be read now, or the device
    /// is only kept out. Without the field a refusal counts as one by a value.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unreadable: bool,
    /// What speaks against the device for these selectors, whether they admit it or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}
