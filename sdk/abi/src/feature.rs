//! Names of what a host or a provider offers beyond interface 1.0.
//!
//! | feature | a provider with it | a host with it |
//! | --- | --- | --- |
//! | `incremental` | answers a [`DiscoverRequest`](crate::wire::DiscoverRequest) that has a [`Part`](crate::wire::Part) | sends such requests to providers that have the feature |
//! | `devlink` | | answers the method [`DEVLINK`](crate::wire::method::DEVLINK) |
//! | `default_routes` | | answers the method [`DEFAULT_ROUTES`](crate::wire::method::DEFAULT_ROUTES) |
//!
//! A name that the other side has no meaning for is ignored. An absent list has no features, except that a manifest of
//! interface 1.0 spells `incremental` as `"by_function": true`.

/// Discoveries of some functions of the node.
pub const INCREMENTAL: &str = "incremental";
/// The kernel's devlink, through the host.
pub const DEVLINK: &str = "devlink";
/// The default routes of the host's machine.
pub const DEFAULT_ROUTES: &str = "default_routes";

/// The features of a host that is built with this crate.
pub const OF_HOST: [&str; 3] = [INCREMENTAL, DEVLINK, DEFAULT_ROUTES];
