//! The methods that the host calls, each with its timeout.

use std::time::Duration;

use sriovdp_provider_abi::method::Method;

use super::Timeouts;

pub(super) use sriovdp_provider_abi::method::{
    Allocate, Check, CheckSettings, Discover, Explain, Manifest, PreStart, Select,
};

/// A method of a provider, as the host calls it.
pub(super) trait Call: Method {
    fn timeout(timeouts: &Timeouts) -> Duration {
        timeouts.answer
    }
}

impl Call for Manifest {}
impl Call for Check {}
impl Call for Select {}
impl Call for Explain {}
impl Call for Allocate {}
impl Call for PreStart {}
impl Call for CheckSettings {}

impl Call for Discover {
    fn timeout(timeouts: &Timeouts) -> Duration {
        timeouts.discover
    }
}
