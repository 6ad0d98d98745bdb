//! Where things are on the node, below one root directory.

use std::path::{Path, PathBuf};

use sriovdp_report::Hint;

/// The device-plugin sockets, `kubelet.sock` among them.
const DEVICE_PLUGINS: &str = "device-plugins";
/// The sockets that the kubelet's plugin watcher looks at.
const PLUGINS_REGISTRY: &str = "plugins_registry";
const POD_RESOURCES: &str = "pod-resources/kubelet.sock";
const CHECKPOINT: &str = "kubelet_internal_checkpoint";
/// Where Multus looks for what a device plugin knows about a device.
const DEVICE_INFO: &str = "/var/run/k8s.cni.cncf.io/devinfo/dp";

/// Where container runtimes look for generated CDI specifications.
const CDI: &str = "/var/run/cdi";

/// A file system tree that stands for the node's `/`.
///
/// Paths come in two kinds: *node paths*, which the kubelet and containers see, and real paths, where this process
/// opens them. They are the same in production.
#[derive(Clone, Debug)]
pub struct HostPaths {
    root: PathBuf,
    /// The kubelet's directory as a node path.
    kubelet: PathBuf,
}

/// There is no root.
#[derive(Debug, thiserror::Error)]
#[error("the root `{}` {}", root.display(), if *exists { "is no directory" } else { "does not exist" })]
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
    /// The tree below `root`, with the kubelet's directory at the node path `kubelet`.
    pub fn new(root: impl Into<PathBuf>, kubelet: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            kubelet: kubelet.into(),
        }
    }

    /// That there is a root.
    ///
    /// # Errors
    ///
    /// When it is no directory.
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

    /// Where a node path really is.
    pub fn real(&self, node_path: impl AsRef<Path>) -> PathBuf {
        let path = node_path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The node path of `device-plugins`.
    pub fn device_plugins(&self) -> PathBuf {
        self.kubelet.join(DEVICE_PLUGINS)
    }

    /// The node path of `plugins_registry`.
    pub fn plugins_registry(&self) -> PathBuf {
        self.kubelet.join(PLUGINS_REGISTRY)
    }

    /// The node path of the socket on which the kubelet tells which pods have which devices.
    pub fn pod_resources_socket(&self) -> PathBuf {
        self.kubelet.join(POD_RESOURCES)
    }

    /// The node path of the file in which the kubelet keeps which devices it has given to pods.
    pub fn checkpoint(&self) -> PathBuf {
        self.device_plugins().join(CHECKPOINT)
    }

    /// The real directory of the device-info files.
    pub fn device_info(&self) -> PathBuf {
        self.real(DEVICE_INFO)
    }

    /// The real directory of the CDI specifications.
    pub fn cdi(&self) -> PathBuf {
        self.real(CDI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_paths_are_found_below_the_root() {
        let tree = HostPaths::new("/tmp/x", "/var/lib/kubelet");
        assert_eq!(tree.real("/sys/bus"), Path::new("/tmp/x/sys/bus"));
        assert_eq!(
            tree.real(tree.device_plugins()),
            Path::new("/tmp/x/var/lib/kubelet/device-plugins")
        );
        assert_eq!(
            HostPaths::new("/", "/k").real("/etc/pcidp"),
            Path::new("/etc/pcidp")
        );
    }
}
