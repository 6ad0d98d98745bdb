//! Another device plugin for comparison: one with the Go plugin's options, which cannot be given a root.
//!
//! It runs in a mount namespace of its own, in which `/sys`, `/dev` and the kubelet's directory are those of the
//! written node. What it writes elsewhere below `/var/lib` and `/var/run` goes to memory and is gone with it. The file
//! itself must not be below one of these directories.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tokio::process::Command;

/// `$0` is the root, `$@` what to run. `/dev` comes last, because the root may be in it.
const ENTER: &str = r#"set -e
mount -t tmpfs none /var/run
mount -t tmpfs none /var/lib
mkdir /var/lib/kubelet
cp "$0/etc/pcidp/config.json" /var/lib/config.json
mount --bind "$0/var/lib/kubelet" /var/lib/kubelet
mount --bind "$0/sys" /sys
mount --bind "$0/dev" /dev
exec "$@" -config-file /var/lib/config.json -resource-prefix intel.com"#;

/// The other plugin.
#[derive(Debug)]
pub(crate) struct Peer {
    file: PathBuf,
}

impl Peer {
    /// The plugin in `file`, if this machine lets us run it on a node that is not its own.
    ///
    /// # Errors
    ///
    /// Why it cannot be run.
    pub(crate) async fn find(file: PathBuf) -> anyhow::Result<Self> {
        let file = file
            .canonicalize()
            .with_context(|| format!("there is no `{}`", file.display()))?;
        let tried = Command::new("unshare")
            .args(["--mount", "mount", "-t", "tmpfs", "none", "/var/run"])
            .output()
            .await;
        let tried = tried.context("there is no `unshare`")?;
        ensure!(
            tried.status.success(),
            "a mount namespace needs root: {}",
            String::from_utf8_lossy(&tried.stderr).trim()
        );
        Ok(Self { file })
    }

    /// See [`Program::command`](crate::program::Program::command).
    pub(crate) fn command(&self, root: &Path, wrapper: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", ENTER])
            .arg(root)
            .args(wrapper)
            .arg(&self.file);
        command
    }
}
