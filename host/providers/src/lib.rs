//! Provider libraries: from a file to a device type.
//!
//! `list_files` lists the directory, `inspect_file` judges a file without running it, [`probe`] loads it in a child
//! process, `load` loads it here from a sealed copy, and [`Providers`] is the registry. A file that fails a step is
//! refused with one sentence, and the other files are loaded. Libraries are never unloaded.
//! All `unsafe` code of the host is in this crate.

pub mod blocking;
pub mod bounded_read;
mod calls;
mod device_extras;
mod device_types;
mod digests;
mod discovery;
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
mod provider;
mod registry;
mod requests;
mod sealed;
mod thread_calls;
mod timeouts;
mod vetting;

pub use device_extras::DeviceExtras;
pub use device_types::DeviceType;
pub use digests::Digest;
pub use discovery::{
    DiscoverRequest, Discovered, Discovery, Excluded, Explained, Matches, Mismatch, ProviderDevice,
};
pub use elf::Note;
#[doc(hidden)]
pub use elf::check_bytes as check_elf;
pub use error::{ProviderError, Step};
pub use exit_now::exit_now;
pub use json_call::CallError;
pub use pending_call::PendingCall;
pub use provider::Provider;
pub use registry::{ProviderSettings, Providers, Refused};
pub use requests::{AllocateRequest, SelectorWarning};
pub use thread_calls::{ThreadCalls, with_thread_replying};
pub use timeouts::Timeouts;
pub use vetting::{Inspection, inspect};

/// The target of log events that exist to be counted only; the log shows them with `--log-level trace`. Their level is
/// `debug`, because a release build has no calls below it.
pub const METRICS_TARGET: &str = "sriovdp::metrics";

/// The target of other log events that the log shows with `--log-level trace` only.
pub const TRACE_TARGET: &str = "sriovdp::trace";

/// A duration as the field `duration_us` of log events.
pub fn microseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
