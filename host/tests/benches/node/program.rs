//! The daemon of this build with the provider files of this build, and how it is started on a node.

use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use crate::built::provide;
use crate::peer::Peer;

const PROVIDERS: [&str; 5] = [
    "sriovdp_accelerator",
    "sriovdp_aux_net_device",
    "sriovdp_intel_ddp",
    "sriovdp_mellanox_rdma",
    "sriovdp_net_device",
];

/// What is measured.
#[derive(Debug)]
pub(crate) enum Program {
    /// The daemon of this build.
    Ours(Ours),
    /// Another device plugin.
    Peer(Peer),
}

/// The daemon, and a directory with nothing but its providers.
#[derive(Debug)]
pub(crate) struct Ours {
    daemon: PathBuf,
    providers: PathBuf,
    _around_providers: TempDir,
}

impl Program {
    /// What the table calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "sriovdp",
            Self::Peer(_) => "peer",
        }
    }

    /// Starts it on the node below `root`, which has its configuration, behind the words of `wrapper`.
    pub(crate) fn command(&self, root: &Path, wrapper: &[&str]) -> Command {
        match self {
            Self::Ours(ours) => ours.command(root, wrapper),
            Self::Peer(peer) => peer.command(root, wrapper),
        }
    }
}

impl Ours {
    /// Finds what the build made.
    ///
    /// # Errors
    ///
    /// When a file is not there.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let around_providers = tempfile::tempdir()?;
        // One level down: the daemon also follows the directory above, and in `/tmp` others are busy.
        let providers = around_providers.path().join("providers");
        // Whatever the user's umask is, only its owner may put files in there.
        std::fs::DirBuilder::new().mode(0o755).create(&providers)?;
        for name in PROVIDERS {
            provide(name, &providers)?;
        }
        Ok(Self {
            daemon: sriovdp_tests::program(),
            providers,
            _around_providers: around_providers,
        })
    }

    /// The program, and the directory of its providers.
    pub(crate) fn parts(&self) -> (&Path, &Path) {
        (&self.daemon, &self.providers)
    }

    fn command(&self, root: &Path, wrapper: &[&str]) -> Command {
        let mut words = wrapper
            .iter()
            .map(OsStr::new)
            .chain([self.daemon.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .arg("--root")
            .arg(root)
            .arg("--provider-dir")
            .arg(&self.providers);
        command
    }
}
