//! Why a file is no provider, and at which step of the way it turned out.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::digests::DigestError;
use super::elf::ElfError;
use super::list_files::NoProvider;
use super::path_trust::PlaceError;
use crate::blocking::StartError;
use crate::limits::is_shortage;
use sriovdp_report::Hint;

/// Why a file is no provider.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The directory cannot be listed.
    #[error("cannot list the provider directory `{}`", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is none that can be used.
    #[error("no provider is loaded, so no resource can be offered")]
    NoneLoaded(#[source] NoProvider),
    /// Others may put files into the directory, or another directory in its place.
    #[error("the provider directory `{}` is not used", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: PlaceError,
    },
    /// Others may put another file in its place.
    #[error(transparent)]
    Place(PlaceError),
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// The system starts no thread that could read it.
    #[error("it cannot be examined now")]
    NoThread(#[from] StartError),
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
    /// Too much of it would be loaded into memory.
    #[error("{size} bytes of it are loaded into memory, and at most {limit} may be")]
    LoadsTooMuch {
        /// In bytes.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    /// It changed under the reader's eyes.
    #[error("it is being written")]
    BeingWritten,
    /// The sealed copy cannot be made.
    #[error("cannot make a sealed copy of it in memory")]
    Copy(#[source] io::Error),
    /// It is no library for this machine.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// It is not one of those that may be loaded.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The probe says nothing about it.
    #[error("it cannot be probed: cannot run `{}` for it", program.display())]
    NoProbe {
        /// The program of the probe, which is this one.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended the probe by a signal.
    #[error("it crashes {at}: {signal}")]
    Crashes {
        /// The step, such as `while it is loaded`.
        at: String,
        /// The signal's name.
        signal: String,
    },
    /// It ended the probe.
    #[error("it ends its process {at}, with exit code {code}")]
    Exits {
        /// The step.
        at: String,
        /// The exit code.
        code: i32,
    },
    /// It does not come back.
    #[error("it has not come back within {limit:?} {at}")]
    Hangs {
        /// The step.
        at: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// It spoke in place of the probe.
    #[error("its probe ended without an answer that can be read")]
    Garbage,
    /// The dynamic linker refuses it.
    #[error("the dynamic linker refuses it: {0}")]
    Link(String),
    /// It was built against another interface.
    #[error("its interface is not this host's: {0}")]
    Interface(String),
    /// Another file hangs in the dynamic linker.
    #[error("`{}` hangs while it is loaded, and nothing can be loaded behind it", .0.display())]
    BlockedByHang(PathBuf),
    /// It answers wrongly or with an error.
    #[error("it does not answer `{method}`")]
    Call {
        /// The method.
        method: String,
        /// What it said.
        #[source]
        source: sriovdp_sdk::Error,
    },
    /// Its manifest makes no sense.
    #[error("its manifest {0}")]
    Manifest(String),
    /// It is of no use without something that this host is too old for.
    #[error("it needs a host of SDK {needed} or newer, and this host is of SDK {host}")]
    NeedsHost {
        /// The oldest that will do.
        needed: String,
        /// This one's.
        host: &'static str,
    },
    /// Another file was first.
    #[error("it brings {what}, which `{first}` already brings")]
    Conflict {
        /// A device type or a key.
        what: String,
        /// The file that has it.
        first: String,
    },
}

/// What a file has to pass, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The directories on the way to it.
    Place,
    /// Itself: owner, mode and size.
    File,
    /// Its ELF headers.
    Elf,
    /// The SDK's note in it.
    Note,
    /// The list of those that may be loaded.
    Digest,
    /// The dynamic linker and its constructors.
    Link,
    /// The layouts of both sides of the interface.
    Interface,
    /// What it says of itself.
    Manifest,
    /// A discovery where there is nothing.
    Discovery,
}

impl Step {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Place,
        Self::File,
        Self::Elf,
        Self::Note,
        Self::Digest,
        Self::Link,
        Self::Interface,
        Self::Manifest,
        Self::Discovery,
    ];
}

impl ProviderError {
    /// The step at which it turned out.
    pub fn step(&self) -> Step {
        match self {
            Self::List { .. } | Self::NoneLoaded(_) | Self::Directory { .. } | Self::Place(_) => {
                Step::Place
            }
            Self::Read(_)
            | Self::NoThread(_)
            | Self::ForeignOwner { .. }
            | Self::Writable { .. }
            | Self::TooLarge { .. }
            | Self::LoadsTooMuch { .. }
            | Self::BeingWritten
            | Self::Copy(_) => Step::File,
            Self::Elf(error) if error.is_about_note() => Step::Note,
            Self::Elf(_) => Step::Elf,
            Self::Digest(_) => Step::Digest,
            Self::NoProbe { .. } | Self::Garbage | Self::Link(_) | Self::BlockedByHang(_) => {
                Step::Link
            }
            Self::Crashes { at, .. } | Self::Exits { at, .. } | Self::Hangs { at, .. } => {
                at_step(at)
            }
            Self::Interface(_) => Step::Interface,
            Self::Call { method, .. } => at_step(&in_call(method)),
            Self::Manifest(_) | Self::NeedsHost { .. } | Self::Conflict { .. } => Step::Manifest,
        }
    }

    /// Whether the next look may find otherwise although the file stays as it is.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::NoProbe { .. } | Self::NoThread(_) | Self::Copy(_) => true,
            Self::Read(error) => is_shortage(error),
            _ => false,
        }
    }
}

/// How a call is named as the place of a crash.
pub(super) fn in_call(method: &str) -> String {
    format!("in `{method}`")
}

/// How loading is named as the place of a crash.
pub(super) const WHILE_LOADED: &str = "while it is loaded";

fn at_step(at: &str) -> Step {
    match at {
        WHILE_LOADED => Step::Link,
        "in `discover`" => Step::Discovery,
        _ => Step::Manifest,
    }
}

impl Hint for ProviderError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Directory { source, .. } | Self::Place(source) => return source.hint(),
            Self::NoneLoaded(source) => return source.hint(),
            Self::ForeignOwner { .. } => "`chown root` the file",
            Self::Writable { .. } => "`chmod go-w` the file",
            Self::BeingWritten => "it is looked at again when it has been written",
            Self::NoThread(error) => return error.hint(),
            Self::Elf(error) => return error.hint(),
            Self::Digest(error) => return error.hint(),
            Self::Copy(error) | Self::Read(error) if is_shortage(error) => {
                "raise the limit on open files or memory; it is tried again"
            }
            Self::Copy(_) => "the sysctl `vm.memfd_noexec` must not be 2",
            Self::NoProbe { .. } => {
                "the plugin has to be able to start one more process of its own program; it is tried again"
            }
            Self::Link(_) => "build the provider on the oldest distribution that it has to run on",
            Self::Interface(_) => "rebuild it with an SDK of this host's major version",
            Self::Call { source, .. } => return source.hint().map(str::to_owned),
            Self::BlockedByHang(_) => "remove that file, then restart the plugin",
            Self::Crashes { signal, .. } if signal == "SIGILL" => {
                "it may need another processor than this node's; else report this to the provider's author"
            }
            Self::Crashes { .. }
            | Self::Exits { .. }
            | Self::Hangs { .. }
            | Self::Garbage
            | Self::Manifest(_) => "report this to the provider's author",
            Self::NeedsHost { .. } => "update the plugin, or take an older version of the provider",
            Self::Conflict { .. } => "remove one of the two files; the first one by name counts",
            Self::LoadsTooMuch { .. } => {
                "build it for release, and link large libraries dynamically"
            }
            Self::List { .. } | Self::Read(_) | Self::TooLarge { .. } => {
                return None;
            }
        };
        Some(hint.to_owned())
    }
}
