//! Providers: how a file becomes a device type.
//!
//! [`find`](find::find) lists the directory, [`verify`](verify::verify) judges a file without running any of it,
//! [`open`](open::open) loads it from a sealed copy, and [`Providers`] registers what it brings. A file that fails
//! anywhere on the way is refused with one sentence, and the others go on. Libraries are never unloaded.

mod call;
mod elf;
mod find;
pub mod heap;
mod open;
mod registry;
mod verify;

pub use call::{CallError, Provider};
pub use registry::{DeviceType, Providers, Refused};

/// Why a file is no provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The directory cannot be listed.
    #[error("cannot list the provider directory `{}`", path.display())]
    List {
        /// The directory.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] std::io::Error),
    /// Somebody else may change it.
    #[error("it belongs to user {owner}, who is neither root nor the user of this process")]
    ForeignOwner {
        /// The owner's user id.
        owner: u32,
    },
    /// Somebody else may change it.
    #[error("its mode is {mode:04o}, so others than its owner may write to it")]
    Writable {
        /// The permission bits.
        mode: u32,
    },
    /// It is larger than any provider.
    #[error("it is {size} bytes long, and a provider has at most {limit}")]
    TooLarge {
        /// In bytes.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    /// It is no library for this machine.
    #[error(transparent)]
    Elf(#[from] elf::ElfError),
    /// The sealed copy cannot be made.
    #[error("cannot make a sealed copy of it in memory")]
    Copy(#[source] std::io::Error),
    /// The dynamic linker refuses it.
    #[error("the dynamic linker refuses it: {0}")]
    Link(String),
    /// It was built against another interface.
    #[error("its interface is not this host's: {0}")]
    Interface(String),
    /// Its code does not come back.
    #[error("loading it has not ended within {0:?}")]
    Hangs(std::time::Duration),
    /// Another file hangs in the dynamic linker.
    #[error("`{}` hangs while it is loaded, and nothing can be loaded behind it", .0.display())]
    Behind(std::path::PathBuf),
    /// It answers wrongly or
    #[error("it does not answer `{method}`")]
    Call {
        /// The method.
        method: &'static str,
        /// What it said.
        #[source]
        source: sriovdp_sdk::Error,
    },
    /// Its manifest makes no sense.
    #[error("its manifest {0}")]
    Manifest(String),
    /// Another file was first.
    #[error("it brings {what}, which `{first}` already brings")]
    Conflict {
        /// A device type or a key.
        what: String,
        /// The file that has it.
        first: String,
    },
}

impl crate::report::Hint for ProviderError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::ForeignOwner { .. } => "`chown root` the file",
            Self::Writable { .. } => "`chmod go-w` the file",
            Self::Elf(error) => return error.hint(),
            Self::Copy(_) => "the sysctl `vm.memfd_noexec` must not be 2",
            Self::Link(_) => "build the provider on the oldest distribution that it has to run on",
            Self::Interface(_) => "rebuild it with an SDK of this host's major version",
            Self::Call { source, .. } => return source.hint_text().map(str::to_owned),
            Self::Behind(_) => "remove that file, then restart the plugin",
            Self::Hangs(_) | Self::Manifest(_) => "report this to the provider's author",
            Self::Conflict { .. } => "remove one of the two files; the first one by name counts",
            Self::List { .. } | Self::Read(_) | Self::TooLarge { .. } => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}
