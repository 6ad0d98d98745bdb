//! The provider's side of the boundary: what `export_provider!` expands to, and what runs behind it. Not for authors.

mod convert;
mod export;
mod guard;
mod plain;
mod scan;
mod session;
mod settings;
#[cfg(test)]
mod tests;

pub use export::{Export, State, header};
pub use session::Session;
pub use settings::SettingsType;

pub use crate::node::Observer;

pub use sriovdp_provider_abi::{LibHeader, Note};
