//! Providers: how a file becomes a device type.
//!
//! [`find`](list_files::find) lists the directory, [`verify`](inspect_file::verify) judges a file without running any of it,
//! [`probe`](probe::probe) lets a process of its own run it, [`open`](load::open) loads it from a sealed copy, and
//! [`Providers`] knows who brings what. A file that fails anywhere on the way is refused with one sentence, and the
//! others go on. Libraries are never unloaded.

pub mod blocking;
pub mod bounded_read;
mod call;
mod device_types;
mod digests;
mod elf;
mod error;
mod exit_now;
mod inspect_file;
mod json_call;
pub mod limits;
mod list_files;
mod load;
pub mod malloc;
mod manifest;
mod path_trust;
mod pending_call;
pub mod probe;
mod registry;
mod sealed;
mod timeouts;
mod vetting;

pub use call::Provider;
pub use device_types::DeviceType;
pub use digests::Digest;
pub use elf::Note;
#[doc(hidden)]
pub use elf::check_bytes as check_elf;
pub use error::{ProviderError, Step};
pub use exit_now::exit_now;
pub use json_call::CallError;
pub use pending_call::PendingCall;
pub use registry::{ProviderSettings, Providers, Refused};
pub use timeouts::Timeouts;
pub use vetting::{Inspection, inspect};
