//! The status as the local socket sends it to `sriovdp status`. Times are ages in seconds, so that a reader needs no clock.

use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{ConfigurationStatus, DaemonStatus, PoolStatus};
use sriovdp_report::inline;

/// What does not change while the daemon runs.
#[derive(Clone, Debug)]
pub struct DaemonInfo {
    /// When it started.
    pub started: Instant,
    /// The way to register, in words.
    pub registration_mode: String,
    /// The configuration file.
    pub config_file: String,
}

/// The answer to [`Check::Status`](crate::observers::Check::Status).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// The version of the program.
    pub version: String,
    /// The version of its SDK.
    pub sdk: String,
    /// The age of the process.
    pub uptime_seconds: u64,
    /// How resources are registered.
    pub registration_mode: String,
    /// The last reconcile; `None` before the first one is finished.
    pub last_reconcile: Option<Reconcile>,
    /// The configuration.
    pub configuration: Configuration,
    /// The files of the provider directories.
    pub providers: Vec<Provider>,
    /// The resources that are offered, by name.
    pub resources: Vec<Resource>,
    /// Those of the configuration that are refused; an entry without a valid name by its key.
    pub refused_resources: Vec<String>,
    /// Those whose provider has not answered a discovery yet.
    pub pending_resources: Vec<String>,
}

/// The last reconcile.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reconcile {
    /// `full` or `incremental`.
    pub scope: String,
    /// When it ended.
    pub age_seconds: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
}

/// The configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// The file.
    pub file: String,
    /// How long the configuration in force has been in force; `None` when none has been accepted.
    pub age_seconds: Option<u64>,
    /// The file as it is now is rejected.
    pub rejected: Option<Rejected>,
}

/// Why a configuration is rejected.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejected {
    /// Since when.
    pub age_seconds: u64,
    /// The error.
    pub error: String,
}

/// One provider file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    /// Its path.
    pub file: String,
    /// `loaded`; `available`, when no resource needs it; or `refused`.
    pub state: String,
    /// The version of the package.
    pub version: String,
    /// Why it is refused.
    #[serde(rename = "refused")]
    pub error: Option<String>,
}

/// One resource.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Its name.
    #[serde(rename = "resource")]
    pub name: String,
    /// Whether it is registered, with an open stream.
    pub is_registered: bool,
    /// How long it has been registered.
    pub registered_seconds: Option<u64>,
    /// How often it has been registered.
    pub registrations: u64,
    /// The last error of the registration.
    pub last_error: Option<String>,
    /// Its devices.
    pub devices: usize,
    /// Those that pods may get.
    pub healthy: usize,
    /// The others, with their reasons.
    pub unhealthy: Vec<Unhealthy>,
}

/// One unhealthy device.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unhealthy {
    /// Its id.
    pub id: String,
    /// The kind of the reason.
    pub kind: String,
    /// The reason.
    pub reason: String,
}

impl DaemonStatus {
    /// The report of this state.
    pub fn report(&self, daemon: &DaemonInfo) -> StatusReport {
        StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sdk: sriovdp_sdk::VERSION.to_owned(),
            uptime_seconds: daemon.started.elapsed().as_secs(),
            registration_mode: daemon.registration_mode.clone(),
            last_reconcile: self.last_reconcile.map(|last| Reconcile {
                scope: last.kind.name().to_owned(),
                age_seconds: age(last.ended),
                duration_ms: milliseconds(last.took),
            }),
            configuration: self.configuration.report(&daemon.config_file),
            providers: self.providers(),
            resources: self
                .pools
                .iter()
                .flatten()
                .map(PoolStatus::report)
                .collect(),
            refused_resources: self.refused.clone(),
            pending_resources: self.pending.clone(),
        }
    }
}

impl DaemonStatus {
    /// The files of the provider directories.
    pub fn providers(&self) -> Vec<Provider> {
        let usable = self.providers.iter().map(|provider| Provider {
            file: provider.file().display().to_string(),
            state: match provider.is_loaded() {
                true => "loaded".to_owned(),
                false => "available".to_owned(),
            },
            version: provider.manifest().version.clone(),
            error: None,
        });
        let refused = self.refused_files.iter().map(|refused| Provider {
            file: refused.file.display().to_string(),
            state: "refused".to_owned(),
            version: String::new(),
            error: Some(inline(&refused.reason)),
        });
        usable.chain(refused).collect()
    }
}

impl PoolStatus {
    fn report(&self) -> Resource {
        let registration = self.registration.borrow();
        let unhealthy = self.unhealthy().map(|unhealthy| Unhealthy {
            id: unhealthy.device.id.to_string(),
            kind: unhealthy.kind.name().to_owned(),
            reason: unhealthy.reason.to_owned(),
        });
        Resource {
            name: self.resource(),
            is_registered: registration.is_registered(),
            registered_seconds: registration.registered_since.map(age),
            registrations: registration.registrations,
            last_error: registration.last_error.clone(),
            devices: self.devices(),
            healthy: self.healthy(),
            unhealthy: unhealthy.collect(),
        }
    }
}

impl ConfigurationStatus {
    fn report(&self, file: &str) -> Configuration {
        let rejected = self.rejected.as_ref();
        Configuration {
            file: file.to_owned(),
            age_seconds: self.accepted.map(age),
            rejected: rejected.map(|rejected| Rejected {
                age_seconds: age(rejected.since),
                error: rejected.error.clone(),
            }),
        }
    }
}

/// The clock may have been set back in between.
fn age(since: SystemTime) -> u64 {
    since.elapsed().unwrap_or_default().as_secs()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
impl DaemonInfo {
    /// One that has just started.
    pub(crate) fn example() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            started: Instant::now(),
            registration_mode: "plugin watcher".to_owned(),
            config_file: "/etc/pcidp/config.json".to_owned(),
        })
    }
}
