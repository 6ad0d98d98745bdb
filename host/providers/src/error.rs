//! Why a provider file is refused, and at which step of vetting.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::digests::DigestError;
use super::elf::ElfError;
use super::list_files::NoProvider;
use super::path_trust::PathTrustError;
use crate::blocking::StartError;
use crate::limits::is_shortage;
use sriovdp_report::Hint;

/// Why a provider file, or the whole provider directory, is refused.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The directory cannot be listed.
    #[error("cannot list the provider directory `{}`", path.display())]
    List {
        /// The directory.
        path: PathBuf,
        /// The error of the system call.
        #[source]
        source: io::Error,
    },
    /// No provider is loaded.
    #[error("no provider is loaded, so no resource can be offered")]
    NoneLoaded(#[source] NoProvider),
    /// Untrusted users can write to the directory or replace it.
    #[error("the provider directory `{}` is not used", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The untrusted part of its path.
        #[source]
        source: PathTrustError,
    },
    /// Untrusted users can replace the file.
    #[error(transparent)]
    PathTrust(PathTrustError),
    /// The file cannot be read.
    #[error("cannot read it")]
    Read(#[source] io::Error),
    /// The system starts no thread to read the file.
    #[error("cannot check it now")]
    NoThread(#[from] StartError),
    /// An untrusted user owns the file.
    #[error("it belongs to user {owner}, which is neither root nor the user of this process")]
    ForeignOwner {
        /// The owner's user id.
        owner: u32,
    },
    /// Untrusted users can write to the file.
    #[error("its mode is {mode:04o}, so others than its owner may write to it")]
    Writable {
        /// The permission bits.
        mode: u32,
    },
    /// The file exceeds the size limit.
    #[error("its size is {size} bytes; the limit is {limit}")]
    TooLarge {
        /// In bytes.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    /// The loadable segments exceed the memory limit.
    #[error("its loadable segments have {size} bytes; the limit is {limit}")]
    LoadsTooMuch {
        /// In bytes.
        size: u64,
        /// In bytes.
        limit: u64,
    },
    /// The file changed while it was read.
    #[error("it is being written")]
    BeingWritten,
    /// The sealed copy cannot be made.
    #[error("cannot make a sealed copy of it in memory")]
    Copy(#[source] io::Error),
    /// The file is no provider library for this machine.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The list of digests does not allow the file.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The probe cannot run.
    #[error("cannot run its probe, `{}`", program.display())]
    NoProbe {
        /// The program of the probe.
        program: PathBuf,
        /// The error of the system call.
        #[source]
        source: io::Error,
    },
    /// A signal ended the probe.
    #[error("it crashes {}: {signal}", at.phase())]
    Crashes {
        /// The step that the probe had begun.
        at: Step,
        /// The signal's name.
        signal: String,
    },
    /// The provider ended the probe's process.
    #[error("it ends its process {}, with exit code {code}", at.phase())]
    Exits {
        /// The step that the probe had begun.
        at: Step,
        /// The exit code.
        code: i32,
    },
    /// The step did not end within its timeout.
    #[error("it timed out after {limit:?} {}", at.phase())]
    Hangs {
        /// The step that had begun.
        at: Step,
        /// The timeout.
        limit: Duration,
    },
    /// The probe's output is not in its format.
    #[error("its probe ended without a readable result")]
    Garbage,
    /// The dynamic linker refuses the file.
    #[error("the dynamic linker refuses it: {0}")]
    Link(String),
    /// The file was built against another ABI.
    #[error("its ABI differs from this host's: {0}")]
    Interface(String),
    /// Another file hangs in the dynamic linker.
    #[error("not loaded: `{}` hangs in dlopen() and holds the linker's lock", .0.display())]
    BlockedByHang(PathBuf),
    /// A call failed.
    #[error("it fails {}", at.phase())]
    Call {
        /// The step of the call.
        at: Step,
        /// The provider's error.
        #[source]
        source: sriovdp_sdk::Error,
    },
    /// The manifest is invalid.
    #[error("invalid manifest: {0}")]
    Manifest(String),
    /// The provider requires a newer host.
    #[error("it requires a host of SDK {needed} or newer; this host has SDK {host}")]
    NeedsHost {
        /// The oldest sufficient version.
        needed: String,
        /// This host's version.
        host: &'static str,
    },
    /// Another provider has the same device type or selector key.
    #[error("conflict: `{first}` already provides {what}")]
    Conflict {
        /// The device type or the key.
        what: String,
        /// The file that was loaded first.
        first: String,
    },
}

/// The steps of vetting a file, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Path trust: the directories on its path.
    PathTrust,
    /// Owner, mode and size of the file.
    File,
    /// Its ELF headers.
    Elf,
    /// The note of the SDK.
    Note,
    /// The list of digests.
    Digest,
    /// The dynamic linker and the file's constructors.
    Load,
    /// The layouts of the ABI, and the call `attach`.
    Interface,
    /// The call `manifest`, and the manifest's content.
    Manifest,
    /// A discovery on an empty node.
    Discovery,
}

impl Step {
    /// All steps.
    pub const ALL: [Self; 9] = [
        Self::PathTrust,
        Self::File,
        Self::Elf,
        Self::Note,
        Self::Digest,
        Self::Load,
        Self::Interface,
        Self::Manifest,
        Self::Discovery,
    ];

    /// The step as the end of a sentence.
    fn phase(self) -> &'static str {
        match self {
            Self::PathTrust | Self::File | Self::Elf | Self::Note | Self::Digest => {
                "before it is loaded"
            }
            Self::Load => "while it is loaded",
            Self::Interface => "in `attach`",
            Self::Manifest => "in `manifest`",
            Self::Discovery => "in `discover`",
        }
    }
}

impl ProviderError {
    /// The step that failed.
    pub fn step(&self) -> Step {
        match self {
            Self::List { .. }
            | Self::NoneLoaded(_)
            | Self::Directory { .. }
            | Self::PathTrust(_) => Step::PathTrust,
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
                Step::Load
            }
            Self::Crashes { at, .. }
            | Self::Exits { at, .. }
            | Self::Hangs { at, .. }
            | Self::Call { at, .. } => *at,
            Self::Interface(_) => Step::Interface,
            Self::Manifest(_) | Self::NeedsHost { .. } | Self::Conflict { .. } => Step::Manifest,
        }
    }

    /// Whether a retry may succeed although the file has not changed.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::NoProbe { .. } | Self::NoThread(_) | Self::Copy(_) => true,
            Self::Read(source) | Self::List { source, .. } => is_shortage(source),
            _ => false,
        }
    }
}

impl Hint for ProviderError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Directory { source, .. } | Self::PathTrust(source) => return source.hint(),
            Self::NoneLoaded(source) => return source.hint(),
            Self::ForeignOwner { .. } => "`chown root` the file",
            Self::Writable { .. } => "`chmod go-w` the file",
            Self::BeingWritten => "it is checked again when it has been written",
            Self::NoThread(error) => return error.hint(),
            Self::Elf(error) => return error.hint(),
            Self::Digest(error) => return error.hint(),
            Self::Copy(error) | Self::Read(error) if is_shortage(error) => {
                "raise the limit on open files or memory; the next reconcile retries"
            }
            Self::Copy(_) => "the sysctl `vm.memfd_noexec` must not be 2",
            Self::NoProbe { .. } => {
                "the plugin must be able to start its own program once more; the next reconcile retries"
            }
            Self::Link(_) => "build the provider on the oldest distribution that it has to run on",
            Self::Interface(_) => "rebuild it with an SDK of this host's major version",
            Self::Call { source, .. } => return source.hint().map(str::to_owned),
            Self::BlockedByHang(_) => "remove that file, then restart the plugin",
            Self::Crashes { signal, .. } if signal == "SIGILL" => {
                "it may be built for another processor model; else report this to the provider's author"
            }
            Self::Crashes { .. }
            | Self::Exits { .. }
            | Self::Hangs { .. }
            | Self::Garbage
            | Self::Manifest(_) => "report this to the provider's author",
            Self::NeedsHost { .. } => "update the plugin, or use an older version of the provider",
            Self::Conflict { .. } => "remove one of the two files; the first one by name counts",
            Self::LoadsTooMuch { .. } => {
                "build it for release, and link large libraries dynamically"
            }
            Self::List { .. } | Self::Read(_) | Self::TooLarge { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
