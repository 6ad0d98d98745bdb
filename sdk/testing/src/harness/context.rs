//! Calls beside discovery and matching: checks, settings, and what a host passes to an allocation.

use serde_json::Value;
use sriovdp_provider_abi::{method, wire};
use sriovdp_sdk::{Error, Provider};

use super::{Harness, call};

impl<P: Provider> Harness<P> {
    /// Allocates for the resource `name`, such as `example.com/fpga`, which the provider gets as
    /// [`Node::resource`](sriovdp_sdk::Node::resource).
    #[must_use]
    pub fn for_resource(mut self, name: &str) -> Self {
        self.resource = Some(name.to_owned());
        self
    }

    /// Allocates as for a resource with an extension that [replaces](sriovdp_sdk::Manifest::replaces) `part`.
    #[must_use]
    pub fn with_replaced(mut self, part: &str) -> Self {
        self.replaced.push(part.to_owned());
        self
    }

    /// Gives the provider its [section](sriovdp_sdk::Manifest::settings) of the configuration, and discovers again.
    ///
    /// # Errors
    ///
    /// When the section is invalid, or the provider's own error.
    pub fn configure(&mut self, settings: Value) -> Result<(), Error> {
        let request = wire::CheckSettingsRequest {
            settings: settings.clone(),
        };
        call::<P, method::CheckSettings>(&self.session, &request)?;
        self.settings = Some(settings);
        self.rescan()
    }

    /// Prepares the devices `ids` as before the start of their container.
    ///
    /// # Errors
    ///
    /// The provider's own.
    pub fn pre_start(&self, selectors: Value, ids: &[&str]) -> Result<(), Error> {
        let request = self.allocate_request(selectors, ids);
        call::<P, method::PreStart>(&self.session, &request).map(drop)
    }

    /// Whether `selectors` are sensible.
    ///
    /// # Errors
    ///
    /// The reason why the provider refuses them.
    pub fn check(&self, selectors: Value) -> Result<(), Error> {
        let request = wire::CheckRequest {
            device_type: self.device_type.clone(),
            selectors,
        };
        call::<P, method::Check>(&self.session, &request).map(drop)
    }
}
