//! Failures of the fake kubelet itself, as opposed to those of plugins.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

#[derive(Debug, Error)]
pub enum Error {
    #[error("failed to create the directory `{}`", path.display())]
    CreateDirectory { path: PathBuf, source: io::Error },
    #[error("failed to list the directory `{}`", path.display())]
    ListDirectory { path: PathBuf, source: io::Error },
    #[error("failed to remove the socket `{}`", path.display())]
    RemoveSocket { path: PathBuf, source: io::Error },
    #[error("failed to listen on `{}`", path.display())]
    Listen { path: PathBuf, source: io::Error },
    #[error("failed to start the device manager `{}`", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("the kubelet does not start in time")]
    NoStart,
    #[error("failed to watch the directory `{}`", path.display())]
    WatchDirectory { path: PathBuf, source: io::Error },
    #[error("no plugin has registered `{resource}`")]
    UnknownResource { resource: String },
    #[error("there is no pod `{pod}` for which that can be done")]
    UnknownPod { pod: String },
}
