//! Pools: which devices of one scan belong to which resource, and what a container gets for them.
//!
//! [`resolve`] gives selectors a meaning by the loaded providers, [`Scan`] holds what these found, [`assign`] divides
//! the devices among the resources, [`Pool`] is one resource's share, and [`allocate`] builds the answer to a
//! container; [`prefer`] says which devices it is better off with. `assign`, `prefer` and the merging inside `allocate`
//! are functions of values.

mod allocate;
mod asked;
mod assign;
mod checked;
mod discoveries;
mod explained;
mod found;
mod grant;
mod judge;
mod known;
mod link_history;
mod misplaced;
mod nested;
mod pool;
mod prefer;
mod refusals;
mod renewed;
mod resolve;
mod resource;
#[cfg(test)]
pub(crate) mod sample;
mod scan;
mod selection;

pub use allocate::{AllocateError, allocate, check_preferred_request, check_request};
pub use assign::{Holders, Member, Request, assign};
pub use explained::{Explained, WhyNot};
pub use found::{FoundDevice, FoundDevices};
pub use grant::{DeviceInfoFile, Grant};
pub use judge::judge;
pub use link_history::LinkHistory;
pub use pool::{Fit, Health, Leaving, PARTING, Pool, PoolDevice, device_names};
pub use prefer::{AllocationPolicy, Wish, prefer};
pub use refusals::KeyRefusals;
pub use resolve::{Strictness, Unresolved, mistakes, resolve};
pub use resource::{Facet, Resource, Selector};
pub use scan::{NodeNow, Scan, ScanError};
pub use selection::Admitted;
