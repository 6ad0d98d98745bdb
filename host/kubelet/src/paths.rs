//! Where the kubelet's directories are.

use std::path::PathBuf;

/// The directories in which the kubelet and its plugins have their sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletPaths {
    /// `device-plugins`, with the kubelet's own `kubelet.sock`.
    pub device_plugins: KubeletDirectory,
    /// `plugins_registry`, which the plugin watcher follows.
    pub plugins_registry: KubeletDirectory,
}

/// A directory, as this process and as the kubelet sees it. The two differ where the host is mounted below another
/// directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletDirectory {
    /// Where this process opens it.
    pub path: PathBuf,
    /// Where it is on the host, for the kubelet and for instances of the plugin with another mount.
    pub host_path: PathBuf,
}

impl KubeletPaths {
    /// The directories below `kubelet`, usually `/var/lib/kubelet`, on a host that is mounted as it is.
    pub fn below(kubelet: impl Into<PathBuf>) -> Self {
        let kubelet = kubelet.into();
        Self {
            device_plugins: kubelet.join("device-plugins").into(),
            plugins_registry: kubelet.join("plugins_registry").into(),
        }
    }
}

impl From<PathBuf> for KubeletDirectory {
    fn from(path: PathBuf) -> Self {
        Self {
            host_path: path.clone(),
            path,
        }
    }
}
