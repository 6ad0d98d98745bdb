//! The calls that refer to no discovery: checking selectors, and what a container gets.

use std::sync::Arc;

use serde_json::Value;
use sriovdp_provider_abi::{feature, wire};
use sriovdp_sdk::{Allocation, Error};

use super::calls::{Allocate, Check, CheckSettings, PreStart};
use super::{CallError, Provider, ThreadCalls};

/// A warning of a provider about selectors that it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectorWarning {
    /// The place in the selectors that it is about, such as `vendors[0]`.
    pub path: Option<String>,
    /// The warning.
    pub warning: Error,
}

/// The devices that a container gets from one resource.
#[derive(Clone, Copy, Debug)]
pub struct AllocateRequest<'a> {
    /// The device type of the resource.
    pub device_type: &'a str,
    /// The resource.
    pub resource: &'a str,
    /// The provider's own keys of the selector object that matched the devices.
    pub selectors: &'a Value,
    /// The devices.
    pub ids: &'a [String],
    /// The provider's section of the configuration.
    pub settings: Option<&'a Value>,
    /// The parts of what the owner hands out that extensions replace.
    pub replaced: &'a [String],
}

impl From<AllocateRequest<'_>> for wire::AllocateRequest {
    fn from(request: AllocateRequest<'_>) -> Self {
        Self {
            device_type: request.device_type.to_owned(),
            selectors: request.selectors.clone(),
            ids: request.ids.to_vec(),
            resource: Some(request.resource.to_owned()),
            settings: request.settings.cloned(),
            replaced: request.replaced.to_vec(),
        }
    }
}

impl Provider {
    /// Checks the selectors of a resource, and returns warnings about them.
    ///
    /// # Errors
    ///
    /// Why no resource can have these selectors, or that the provider has not answered in time.
    pub async fn check(
        self: &Arc<Self>,
        device_type: &str,
        selectors: Value,
    ) -> Result<Vec<SelectorWarning>, CallError> {
        let params = wire::CheckRequest {
            device_type: device_type.to_owned(),
            selectors,
        };
        let answer = self.call::<Check>(params).await?;
        let warnings = answer.warnings.into_iter();
        let warnings = warnings.map(|warning| SelectorWarning {
            path: warning.path.clone(),
            warning: warning.into(),
        });
        Ok(warnings.collect())
    }

    /// Checks the provider's section of the configuration.
    ///
    /// # Errors
    ///
    /// Why the section is invalid, or that the provider has not answered in time.
    pub async fn check_settings(self: &Arc<Self>, settings: Value) -> Result<(), CallError> {
        let params = wire::CheckSettingsRequest { settings };
        self.call::<CheckSettings>(params).await.map(drop)
    }

    /// Whether it prepares devices before a container starts.
    pub fn has_pre_start(&self) -> bool {
        self.manifest().has(feature::PRE_START)
    }

    /// Prepares the devices of `request` before their container starts.
    ///
    /// # Errors
    ///
    /// The provider's error, or why it is not called.
    pub fn pre_start(
        self: &Arc<Self>,
        calls: &ThreadCalls,
        request: AllocateRequest<'_>,
    ) -> Result<(), CallError> {
        calls.call::<PreStart>(self, &request.into()).map(drop)
    }

    /// What a container gets for each of the devices of `request`, in their order.
    ///
    /// # Errors
    ///
    /// The provider's error, or why it is not called.
    pub fn allocate(
        self: &Arc<Self>,
        calls: &ThreadCalls,
        request: AllocateRequest<'_>,
    ) -> Result<Vec<Allocation>, CallError> {
        let answer = calls.call::<Allocate>(self, &request.into())?;
        let devices = answer.devices.into_iter().map(TryInto::try_into);
        Ok(devices.collect::<Result<_, Error>>()?)
    }
}
