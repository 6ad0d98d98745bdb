//! The library boundary: the one door between the host and a provider. Not for authors.
//!
//! Version 1 of the binary interface is frozen. It carries method names and JSON texts, so that everything that will
//! grow grows in [`wire`], where both sides tolerate what they do not know. `abi_stable` compares the layouts of both
//! sides when a library is opened, and accepts an evolved layout in one direction only; therefore the layout of
//! [`ProviderModule`] never changes within 1.x.

mod export;
mod guard;
mod lowest_metric;
mod note;
mod plain;
mod scan;
mod session;
#[cfg(test)]
mod snapshot;
mod types;
pub mod wire;

pub use export::{Export, State, header};
pub use guard::guarded;
pub use lowest_metric::LowestMetric;
pub use note::{NOTE_NAME, NOTE_SECTION, Note};
pub use session::Session;
pub use types::{HostFunctions, Outcome, ProviderModule, ProviderModuleRef};

pub use abi_stable::library::LibHeader;
