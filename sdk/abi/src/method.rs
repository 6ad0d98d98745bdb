//! The methods of a provider, each with its request and its response.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::wire;

/// A method of a provider.
pub trait Method: 'static {
    /// Its name in a call.
    const NAME: &'static str;
    /// What the host sends.
    type Request: Serialize + DeserializeOwned + Send + 'static;
    /// What the provider returns.
    type Response: Serialize + DeserializeOwned + Send + 'static;
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident = $name:ident: $request:ty => $response:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $method {}

        impl Method for $method {
            const NAME: &'static str = wire::method::$name;
            type Request = $request;
            type Response = $response;
        }
    )*};
}

methods! {
    /// What the provider declares about itself; the request is empty.
    Manifest = MANIFEST: Map<String, Value> => wire::Manifest;
    /// Which devices there are.
    Discover = DISCOVER: wire::DiscoverRequest => wire::Discovered;
    /// Whether selectors are valid.
    Check = CHECK: wire::CheckRequest => wire::Checked;
    /// Which devices match.
    Select = SELECT: wire::SelectRequest => wire::Selected;
    /// Why a device does not match.
    Explain = EXPLAIN: wire::ExplainRequest => wire::Explained;
    /// What a container gets.
    Allocate = ALLOCATE: wire::AllocateRequest => wire::Allocated;
    /// What precedes the start of a container.
    PreStart = PRE_START: wire::AllocateRequest => wire::Started;
    /// Whether a section of the configuration is valid.
    CheckSettings = CHECK_SETTINGS: wire::CheckSettingsRequest => wire::Checked;
}
