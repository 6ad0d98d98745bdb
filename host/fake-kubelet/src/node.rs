//! The node's file system, which is a directory here: where the kubelet's files are, and what it does to them.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use sriovdp_proto::{deviceplugin, pluginregistration};

use crate::error::Error;

/// What a kubelet remembers of its pods' devices, beside the sockets of the plugins.
pub(crate) const CHECKPOINT: &str = "kubelet_internal_checkpoint";

/// A root directory that stands for the node's `/`.
#[derive(Debug, Clone)]
pub struct Node {
    root: PathBuf,
}

/// A plugin's socket: what the kubelet calls it, and where that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeSocket {
    pub(crate) name: PathBuf,
    pub(crate) location: PathBuf,
}

impl Node {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The directory that has those of all sockets.
    pub(crate) fn kubelet_directory(&self) -> PathBuf {
        self.locate(Path::new("/var/lib/kubelet"))
    }

    /// Where plugins that call `Register` put their sockets.
    pub fn device_plugins(&self) -> PathBuf {
        self.locate(Path::new(deviceplugin::SOCKET_DIR))
    }

    /// The kubelet's own socket.
    pub fn kubelet_socket(&self) -> PathBuf {
        self.locate(Path::new(deviceplugin::KUBELET_SOCKET))
    }

    /// Where plugins that want to be found put their sockets.
    pub fn plugins_registry(&self) -> PathBuf {
        self.locate(Path::new(pluginregistration::SOCKET_DIR))
    }

    /// Where a path of the node is.
    pub fn locate(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The socket that `RegisterRequest.endpoint` means: always something below `device-plugins`.
    pub(crate) fn registered_socket(&self, endpoint: &str) -> NodeSocket {
        let below = endpoint.trim_start_matches('/');
        self.socket(&Path::new(deviceplugin::SOCKET_DIR).join(below))
    }

    /// The socket with this path on the node.
    pub(crate) fn socket(&self, name: &Path) -> NodeSocket {
        NodeSocket {
            name: name.to_owned(),
            location: self.locate(name),
        }
    }

    /// The socket at this place.
    pub(crate) fn socket_at(&self, location: &Path) -> NodeSocket {
        let below = location.strip_prefix(&self.root).unwrap_or(location);
        self.socket(&Path::new("/").join(below))
    }
}

pub(crate) fn create_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|source| Error::CreateDirectory {
        path: path.to_owned(),
        source,
    })
}

/// Removes all files in a directory but the kubelet's checkpoint, as a starting kubelet does up to 1.32.
pub(crate) fn remove_files(dir: &Path) -> Result<(), Error> {
    for entry in entries(dir)? {
        if !entry.is_dir() && !entry.ends_with(CHECKPOINT) {
            remove_socket(&entry)?;
        }
    }
    Ok(())
}

/// Removes the sockets in a directory but not those further down, as a starting kubelet does since 1.33.
pub(crate) fn remove_sockets(dir: &Path) -> Result<(), Error> {
    for entry in entries(dir)? {
        if is_socket(&entry) {
            remove_socket(&entry)?;
        }
    }
    Ok(())
}

/// Removes a socket, if it still is there.
pub(crate) fn remove_socket(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(Error::RemoveSocket {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// What a directory holds, sorted.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let mut paths = fs::read_dir(dir)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    };
    list().map_err(|source| Error::ListDirectory {
        path: dir.to_owned(),
        source,
    })
}

pub(crate) fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registered_endpoint_is_always_joined_to_the_directory() {
        let node = Node::new(PathBuf::from("/tmp/node"));

        for (endpoint, location) in [
            (
                "vf.sock",
                "/tmp/node/var/lib/kubelet/device-plugins/vf.sock",
            ),
            (
                "/run/vf.sock",
                "/tmp/node/var/lib/kubelet/device-plugins/run/vf.sock",
            ),
        ] {
            assert_eq!(
                node.registered_socket(endpoint).location,
                Path::new(location)
            );
        }
    }

    #[test]
    fn a_socket_is_named_by_its_path_on_the_node() {
        let node = Node::new(PathBuf::from("/tmp/node"));

        let socket = node.socket_at(&node.plugins_registry().join("vf.sock"));

        assert_eq!(
            socket.name,
            Path::new("/var/lib/kubelet/plugins_registry/vf.sock")
        );
    }
}
