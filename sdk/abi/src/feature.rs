//! Names of what a host or a provider offers beyond interface 1.0.
//!
//! | feature | a provider with it | a host with it |
//! | --- | --- | --- |
//! | `incremental` | answers a [`DiscoverRequest`](crate::wire::DiscoverRequest) that has a [`Part`](crate::wire::Part) | sends such requests to providers that have the feature |
//! | `pre_start` | answers the method [`PRE_START`](crate::wire::method::PRE_START) | calls it before a container with a device of the provider starts |
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

/// A call before a container starts.
pub const PRE_START: &str = "pre_start";

/// The features of a host that is built with this crate.
pub const OF_HOST: [&str; 4] = [INCREMENTAL, DEVLINK, DEFAULT_ROUTES, PRE_START];
