//! The settings of a fake kubelet: root, version, timing.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The settings for [`FakeKubelet::start`](crate::FakeKubelet::start).
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory that stands for the node's `/`.
    pub root: PathBuf,
    pub version: KubeletVersion,
    /// The device manager of a real kubelet, built from `kubelet/device-manager`. It takes the place of the fake one and
    /// of its plugin watcher, with its own version and timing. Without it, everything is the fake's.
    pub device_manager: Option<PathBuf>,
    /// Whether to run the plugin watcher over `ROOT/var/lib/kubelet/plugins_registry`. Without it that directory is
    /// not created either.
    pub watcher: bool,
    /// Whether to serve the devices of pods on `ROOT/var/lib/kubelet/pod-resources/kubelet.sock`. Every kubelet does, but
    /// not every plugin mounts the directory.
    pub pod_resources: bool,
    pub authority: Authority,
    pub timing: Timing,
}

impl Config {
    /// The newest kubelet, as it runs on a real node: both registration modes, and its own timeouts.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            version: KubeletVersion::V1_37,
            device_manager: None,
            watcher: true,
            pod_resources: true,
            authority: Authority::PercentEncodedPath,
            timing: Timing::default(),
        }
    }
}

/// The kubelet versions with different behaviour towards plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubeletVersion {
    /// Up to 1.32: as 1.36, but a start removes every file in `device-plugins` except the kubelet's own checkpoint, and
    /// not the sockets only.
    V1_32,
    /// Up to 1.36: one client for each resource. A newer one takes the older one's place, but when the *older* one's
    /// stream ends it is the newer one that gets disconnected.
    V1_36,
    /// From 1.37 on: one client for each socket path. Registering a path whose stream is still open is refused, and
    /// from then on every registration of that path is, until the kubelet restarts.
    V1_37,
}

impl KubeletVersion {
    /// Rather than one for each socket path.
    pub(crate) fn has_a_client_for_each_resource(self) -> bool {
        self != Self::V1_37
    }
}

/// The `:authority` of the plugin watcher's calls to a registration socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// `%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fx.sock`, as every kubelet does. Not a valid authority.
    PercentEncodedPath,
    /// Exactly this.
    Literal(String),
}

impl Authority {
    /// The authority for the path of a socket on the node.
    pub(crate) fn of(&self, socket: &Path) -> String {
        match self {
            Self::PercentEncodedPath => percent_encoded(socket.as_os_str().as_encoded_bytes()),
            Self::Literal(authority) => authority.clone(),
        }
    }
}

/// The kubelet's intervals and timeouts; the default is the real ones, which tests shorten.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Timeout for connecting to a plugin.
    pub dial: Duration,
    /// Interval of the plugin watcher's reconciler.
    pub watcher_tick: Duration,
    /// Timeout of `GetInfo`.
    pub get_info: Duration,
    /// Timeout of `NotifyRegistrationStatus`.
    pub notify: Duration,
    /// The plugin watcher's backoff after a first failure; it doubles with each further one.
    pub first_backoff: Duration,
    pub longest_backoff: Duration,
    /// How long the devices of a stopped plugin stay in the capacity.
    pub stop_grace: Duration,
    /// Timeout of [`wait_for`](crate::FakeKubelet::wait_for), which a kubelet does not have.
    pub wait_timeout: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            dial: Duration::from_secs(10),
            watcher_tick: Duration::from_secs(1),
            get_info: Duration::from_secs(1),
            notify: Duration::from_secs(5),
            first_backoff: Duration::from_millis(500),
            longest_backoff: Duration::from_secs(122),
            stop_grace: Duration::from_secs(300),
            wait_timeout: Duration::from_secs(10),
        }
    }
}

/// The characters that grpc-go leaves alone in an authority are those that RFC 3986 allows there.
fn percent_encoded(path: &[u8]) -> String {
    let mut encoded = String::new();
    for byte in path {
        if byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]@".contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_the_path_with_its_slashes_encoded() {
        let socket = Path::new("/var/lib/kubelet/plugins_registry/example.com_vf 1.sock");

        assert_eq!(
            Authority::PercentEncodedPath.of(socket),
            "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fexample.com_vf%201.sock"
        );
    }
}
