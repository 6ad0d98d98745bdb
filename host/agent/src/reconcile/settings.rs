//! The settings of the loop.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Defaults;
use crate::host_paths::HostPaths;
use crate::pools::Strictness;
use sriovdp_providers::ProviderSettings;

/// The settings of the loop.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The node.
    pub tree: HostPaths,
    /// The configuration file as a node path.
    pub config_file: PathBuf,
    /// What the command line adds to it.
    pub defaults: Defaults,
    /// What an unknown selector does.
    pub strictness: Strictness,
    /// Where the providers are.
    pub providers: ProviderSettings,
    /// How long a reconcile of the daemon waits for a discovery before it continues without the answer.
    pub discovery_wait: Duration,
}
