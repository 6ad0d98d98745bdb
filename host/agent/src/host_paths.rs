//! Paths on the node, below one root directory.

use std::path::{Path, PathBuf};

use sriovdp_report::Hint;

/// The device-plugin sockets, `kubelet.sock` among them.
const DEVICE_PLUGINS: &str = "device-plugins";
/// The directory of the kubelet's plugin watcher.
const PLUGINS_REGISTRY: &str = "plugins_registry";
const POD_RESOURCES: &str = "pod-resources/kubelet.sock";
const CHECKPOINT: &str = "kubelet_internal_checkpoint";
/// The directory of the device-info files on the node.
pub const DEVICE_INFO: &str = "/var/run/k8s.cni.cncf.io/devinfo/dp";
/// Where container runtimes read generated CDI specifications.
const CDI: &str = "/var/run/cdi";

/// A directory that stands for the node's `/`.
///
/// Paths are those that the kubelet and containers use; this process opens them below the root. In production, the root
/// is `/`.
#[derive(Clone, Debug)]
pub struct HostPaths {
    root: PathBuf,
    /// The kubelet's directory, as a path on the node.
    kubelet: PathBuf,
}

/// The root is not a directory.
#[derive(Debug, thiserror::Error)]
#[error("the root `{}` {}", root.display(), if *exists { "is not a directory" } else { "does not exist" })]
pub struct RootError {
    root: PathBuf,
    exists: bool,
}

impl Hint for RootError {
    fn hint(&self) -> Option<String> {
        Some("name the directory that stands for `/` with `--root`".to_owned())
    }
}

impl HostPaths {
    /// The paths below `root`, with the kubelet's directory at the path `kubelet` on the node.
    pub fn new(root: impl Into<PathBuf>, kubelet: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            kubelet: kubelet.into(),
        }
    }

    /// Checks that the root exists.
    ///
    /// # Errors
    ///
    /// When it is not a directory.
    pub fn require_root(&self) -> Result<(), RootError> {
        match self.root.is_dir() {
            true => Ok(()),
            false => Err(RootError {
                root: self.root.clone(),
                exists: self.root.exists(),
            }),
        }
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where this process opens a path on the node.
    pub fn below_root(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The path on the node of `device-plugins`.
    pub fn device_plugins(&self) -> PathBuf {
        self.kubelet.join(DEVICE_PLUGINS)
    }

    /// The path on the node of `plugins_registry`.
    pub fn plugins_registry(&self) -> PathBuf {
        self.kubelet.join(PLUGINS_REGISTRY)
    }

    /// The path on the node of the kubelet's socket for pod resources.
    pub fn pod_resources_socket(&self) -> PathBuf {
        self.kubelet.join(POD_RESOURCES)
    }

    /// The path on the node of the kubelet's checkpoint of allocated devices.
    pub fn checkpoint(&self) -> PathBuf {
        self.device_plugins().join(CHECKPOINT)
    }

    /// Where this process opens the device-info files.
    pub fn device_info(&self) -> PathBuf {
        self.below_root(DEVICE_INFO)
    }

    /// Where this process opens the CDI specifications.
    pub fn cdi(&self) -> PathBuf {
        self.below_root(CDI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_root() {
        let paths = HostPaths::new("/tmp/x", "/var/lib/kubelet");
        assert_eq!(paths.below_root("/sys/bus"), Path::new("/tmp/x/sys/bus"));
        assert_eq!(
            paths.below_root(paths.device_plugins()),
            Path::new("/tmp/x/var/lib/kubelet/device-plugins")
        );
        assert_eq!(
            HostPaths::new("/", "/k").below_root("/etc/pcidp"),
            Path::new("/etc/pcidp")
        );
    }
}
