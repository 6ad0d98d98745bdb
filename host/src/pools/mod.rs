//! Pools: which devices of one scan belong to which resource, and what a container gets for them.
//!
//! [`resolve`] gives selectors a meaning by the loaded providers, [`Scan`] holds what these found, [`assign`] divides
//! the devices among the resources, [`Pool`] is one resource's share, and [`allocate`] builds the answer to a
//! container. `assign` and the merging inside `allocate` are functions of values.

mod allocate;
mod assign;
mod grant;
mod pool;
mod resolve;
mod resource;
mod scan;

pub use allocate::AllocateError;
pub use allocate::allocate;
pub use assign::Member;
pub use assign::Request;
pub use assign::assign;
pub use grant::DeviceInfoFile;
pub use grant::Grant;
pub use pool::Health;
pub use pool::Pool;
pub use pool::PoolDevice;
pub use resolve::Strictness;
pub use resolve::resolve;
pub use resource::Facet;
pub use resource::Resource;
pub use resource::Selector;
pub use scan::FoundDevice;
pub use scan::FoundDevices;
pub use scan::Scan;
pub use scan::WhyNot;
