//! Providers: how a file becomes a device type.
//!
//! [`find`](find::find) lists the directory, [`verify`](verify::verify) judges a file without running any of it,
//! [`probe`](probe::probe) lets a process of its own run it, [`open`](open::open) loads it from a sealed copy, and
//! [`Providers`] knows who brings what. A file that fails anywhere on the way is refused with one sentence, and the
//! others go on. Libraries are never unloaded.

mod ask;
mod budgets;
mod call;
mod candidate;
mod declared;
mod digests;
mod elf;
mod error;
mod find;
pub mod heap;
mod leave;
mod open;
mod place;
pub mod probe;
mod question;
mod registry;
mod roster;
mod sealed;
mod verify;

pub use ask::CallError;
pub use budgets::Budgets;
pub use call::Provider;
pub use candidate::{Inspection, inspect};
pub use digests::Digest;
pub use elf::Note;
pub(crate) use elf::check_bytes as check_elf;
pub use error::{ProviderError, Step};
pub use leave::leave;
pub use question::Question;
pub use registry::{ProviderSettings, Providers, Refused};
pub use roster::DeviceType;
