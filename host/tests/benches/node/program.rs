//! What is measured: a build of this program with its provider files, or another plugin with the Go plugin's options.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::process::Command;

const PROVIDERS: [&str; 5] = [
    "accelerator",
    "aux-net-device",
    "intel-ddp",
    "mellanox-rdma",
    "net-device",
];

/// Runs a plugin that takes no root in a mount namespace of its own, in which `/sys`, `/dev` and the kubelet's directory
/// are those of the written node. What it writes elsewhere below `/var/lib` and `/var/run` goes to memory, so its file
/// must not be below one of these.
///
/// `$0` is the root, `$@` the command. `/dev` comes last, because the root may be in it.
const ENTER: &str = r#"set -e
mount -t tmpfs none /var/run
mount -t tmpfs none /var/lib
mkdir /var/lib/kubelet
cp "$0/etc/pcidp/config.json" /var/lib/config.json
mount --bind "$0/var/lib/kubelet" /var/lib/kubelet
mount --bind "$0/sys" /sys
mount --bind "$0/dev" /dev
exec "$@" -config-file /var/lib/config.json -resource-prefix intel.com"#;

/// A device plugin.
#[derive(Debug)]
pub(crate) enum Program {
    /// A build of this program.
    Build(Build),
    /// Another device plugin: its file, then its options.
    Plugin(Vec<String>),
}

/// A daemon, and a directory with nothing but its providers.
#[derive(Debug)]
pub(crate) struct Build {
    daemon: PathBuf,
    providers: PathBuf,
    _around_providers: TempDir,
}

impl Program {
    /// The peer that `PEER` names: a directory with another build of this program (`target/release` or `dist`), or the
    /// command of another plugin.
    pub(crate) async fn peer(words: &str) -> anyhow::Result<Self> {
        if Path::new(words).is_dir() {
            return Ok(Self::Build(Build::find(Path::new(words))?));
        }
        let mut words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let file = words.first_mut().context("`PEER` is empty")?;
        let found = Path::new(file).canonicalize();
        *file = found
            .with_context(|| format!("there is no `{file}`"))?
            .to_string_lossy()
            .into_owned();
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
        Ok(Self::Plugin(words))
    }

    /// Starts it on the node below `root`, which has its configuration, behind the words of `wrapper`.
    pub(crate) fn command(&self, root: &Path, wrapper: &[&str]) -> Command {
        let mut words: Vec<&OsStr> = Vec::new();
        if let Self::Plugin(_) = self {
            words.extend(["unshare", "--mount", "sh", "-c", ENTER].map(OsStr::new));
            words.push(root.as_os_str());
        }
        words.extend(wrapper.iter().map(OsStr::new));
        match self {
            Self::Build(build) => words.extend([
                build.daemon.as_os_str(),
                "--root".as_ref(),
                root.as_os_str(),
                "--provider-dir".as_ref(),
                build.providers.as_os_str(),
            ]),
            Self::Plugin(plugin) => words.extend(plugin.iter().map(OsStr::new)),
        }
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    }
}

impl Build {
    /// What this build made.
    pub(crate) fn this() -> anyhow::Result<Self> {
        let program = sriovdp_tests::program();
        Self::find(program.parent().context("the program has no directory")?)
    }

    /// The directory of its providers.
    pub(crate) fn providers(&self) -> &Path {
        &self.providers
    }

    fn find(directory: &Path) -> anyhow::Result<Self> {
        let directory = directory.canonicalize()?;
        let (daemon, installed) = (directory.join("sriovdp"), directory.join("usr/bin/sriovdp"));
        let is_installed = installed.is_file();
        let around_providers = tempfile::tempdir()?;
        // One level down: the daemon also follows the directory above, and in `/tmp` others are busy.
        let providers = around_providers.path().join("providers");
        // Whatever the user's umask is, only its owner may put files in there.
        fs::DirBuilder::new().mode(0o755).create(&providers)?;
        for name in PROVIDERS {
            let file = match is_installed {
                true => format!("opt/sriovdp/providers/{name}.so"),
                false => format!("libsriovdp_{}.so", name.replace('-', "_")),
            };
            let (file, copy) = (directory.join(file), providers.join(format!("{name}.so")));
            fs::copy(&file, &copy).with_context(|| {
                let file = file.display();
                format!("`{file}` cannot be read; `make bench` builds those of this program")
            })?;
            fs::set_permissions(&copy, Permissions::from_mode(0o644))?;
        }
        Ok(Self {
            daemon: if is_installed { installed } else { daemon },
            providers,
            _around_providers: around_providers,
        })
    }
}
