//! The binary interface between `sriovdp`, the SR-IOV network device plugin for Kubernetes, and a provider library.
//!
//! A provider is a shared library that exports one [`ProviderModule`]: a function by which the host attaches, and one
//! that takes a method name and a JSON text and returns a JSON text. The host passes the provider one function of the
//! same form. Write providers with the crate `sriovdp-sdk`; this crate is for hosts, for SDKs, and for providers that
//! bypass the SDK.
//!
//! # Versions
//!
//! * **Layout.** `abi_stable` compares the layouts of both sides when a library is opened, and accepts an evolved layout
//!   in one direction only; therefore the layout of [`ProviderModule`] never changes within 1.x.
//! * **Messages.** Everything that will grow grows in [`wire`]: a reader ignores fields that it has no name for, and a
//!   field that an older writer leaves out has a default.
//! * **The note.** Each library has an ELF [`Note`] with the line `abi=1.0`. The host refuses a file of another major
//!   version before any of its code runs. Libraries that were built before the line existed have `sdk=1.0.0` only,
//!   whose major version is that of the interface.
//! * **Features.** What one side offers beyond 1.0 has a name in [`feature`]. A provider lists its features in
//!   [`wire::Manifest::features`], the host its own in [`wire::Settings::features`]; neither depends on a version number.

#![forbid(missing_docs)]

mod attribute;
mod device_id;
pub mod feature;
mod finding;
pub mod limits;
pub mod method;
mod note;
mod parse_error;
mod pci_address;
#[cfg(test)]
mod snapshot;
mod types;
pub mod wire;

pub use abi_stable::library::LibHeader;

pub use attribute::Attribute;
pub use device_id::DeviceId;
pub use finding::{Finding, FindingKind};
pub use note::{NOTE_NAME, NOTE_SECTION, Note};
pub use parse_error::{HINT, ParseError};
pub use pci_address::PciAddress;
pub use types::{HostFunctions, Outcome, ProviderModule, ProviderModuleRef};

/// The version of the interface, `major.minor`.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION_MAJOR"),
    ".",
    env!("CARGO_PKG_VERSION_MINOR")
);

/// A JSON schema from its text, which takes a kilobyte less of each provider than `json_schema!`. For SDKs.
#[cfg(feature = "schemars")]
#[doc(hidden)]
pub fn schema_of(json: &str) -> schemars::Schema {
    let value = serde_json::from_str::<serde_json::Value>(json).ok();
    let schema = value.and_then(|value| schemars::Schema::try_from(value).ok());
    schema.unwrap_or_default()
}
