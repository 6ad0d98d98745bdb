//! The two ways to register with a kubelet.

use std::fmt;
use std::path::Path;

/// How a resource is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationMode {
    /// The kubelet's plugin watcher finds the socket in `plugins_registry` and calls it.
    Watcher,
    /// The plugin calls `Register` on `device-plugins/kubelet.sock`.
    Register,
}

impl RegistrationMode {
    /// The plugin watcher where its directory exists, as the Go plugin does.
    pub fn detect(plugins_registry: &Path) -> Self {
        if plugins_registry.is_dir() {
            Self::Watcher
        } else {
            Self::Register
        }
    }
}

impl fmt::Display for RegistrationMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watcher => "plugin watcher",
            Self::Register => "kubelet.sock",
        })
    }
}
