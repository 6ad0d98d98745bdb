//! The methods that a provider has: each with its request, its response and its timeout.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sriovdp_provider_abi::wire;
use sriovdp_provider_abi::wire::method;

use super::Timeouts;

/// A method of a provider.
pub(super) trait Call: 'static {
    const METHOD: &'static str;
    type Params: Serialize + Send + 'static;
    type Answer: DeserializeOwned + Send + 'static;

    fn timeout(timeouts: &Timeouts) -> Duration {
        timeouts.answer
    }
}

pub(super) struct Manifest;
pub(super) struct Discover;
pub(super) struct Check;
pub(super) struct Select;
pub(super) struct Explain;
pub(super) struct Allocate;

impl Call for Manifest {
    const METHOD: &'static str = method::MANIFEST;
    type Params = Map<String, Value>;
    type Answer = wire::Manifest;
}

impl Call for Discover {
    const METHOD: &'static str = method::DISCOVER;
    type Params = wire::DiscoverRequest;
    type Answer = wire::Discovered;

    fn timeout(timeouts: &Timeouts) -> Duration {
        timeouts.discover
    }
}

impl Call for Check {
    const METHOD: &'static str = method::CHECK;
    type Params = wire::CheckRequest;
    type Answer = wire::Checked;
}

impl Call for Select {
    const METHOD: &'static str = method::SELECT;
    type Params = wire::SelectRequest;
    type Answer = wire::Selected;
}

impl Call for Explain {
    const METHOD: &'static str = method::EXPLAIN;
    type Params = wire::ExplainRequest;
    type Answer = wire::Explained;
}

impl Call for Allocate {
    const METHOD: &'static str = method::ALLOCATE;
    type Params = wire::AllocateRequest;
    type Answer = wire::Allocated;
}
