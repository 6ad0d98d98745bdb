//! Attributes of a device: typed values, as Dynamic Resource Allocation has them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that describes a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Attribute {
    /// A text of at most 64 bytes.
    String(String),
    /// A number.
    Int(i64),
    /// Whether something holds.
    Bool(bool),
    /// A version of Semantic Versioning 2.0.0, of at most 64 bytes.
    Version(String),
}

impl Attribute {
    /// A version, such as `1.2.3`.
    pub fn version(text: impl Into<String>) -> Self {
        Self::Version(text.into())
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Attribute {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Attribute {
    fn from(holds: bool) -> Self {
        Self::Bool(holds)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) | Self::Version(text) => f.write_str(text),
            Self::Int(number) => number.fmt(f),
            Self::Bool(holds) => holds.fmt(f),
        }
    }
}
