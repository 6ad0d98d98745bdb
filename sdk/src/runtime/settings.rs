//! The type of a provider's section of the configuration, as its manifest declares it.

use std::fmt;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sriovdp_provider_abi::wire;

use super::session::typed;

/// The type of a section of the configuration.
#[derive(Clone)]
pub struct SettingsType {
    schema: Value,
    check: fn(Value) -> Result<(), wire::Failure>,
}

impl SettingsType {
    /// Sections with the fields of `T`.
    pub fn of<T: DeserializeOwned + JsonSchema>() -> Self {
        Self {
            schema: schemars::schema_for!(T).to_value(),
            check: |settings| typed::<T>(settings).map(drop),
        }
    }

    pub(super) fn schema(&self) -> Value {
        self.schema.clone()
    }

    pub(super) fn check(&self, settings: Value) -> Result<(), wire::Failure> {
        (self.check)(settings)
    }
}

impl fmt::Debug for SettingsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.schema.fmt(f)
    }
}

impl PartialEq for SettingsType {
    /// Types with one schema are one type.
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

impl Eq for SettingsType {}
