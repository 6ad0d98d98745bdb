//! The state of the daemon in short, for the local socket and the metrics: replaced whole after each reconcile.

pub mod report;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use sriovdp_kubelet::RegistrationStatus;
use sriovdp_sdk::DeviceId;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{Problem, ResourceName, Severity};
use crate::pools::{Health, Pool};
use crate::reconcile::{Outcome, ReconcileKind, Reconciler};
use sriovdp_report::inline;

/// The state as of the last reconcile.
#[derive(Clone, Debug, Default)]
pub struct DaemonStatus {
    /// When the reconcile that is under way began.
    pub reconciling_since: Option<Instant>,
    /// The last reconcile.
    pub last_reconcile: Option<LastReconcile>,
    /// The pools, by name; nothing before the first reconcile.
    pub pools: Option<Vec<PoolStatus>>,
    /// The resources of the configuration that are refused; an entry without a valid name by its key, such as
    /// `resourceList[3]`.
    pub refused: Vec<String>,
    /// The resources whose provider has not answered a discovery yet.
    pub pending: Vec<String>,
    /// The files of the provider directories.
    pub providers: Vec<ProviderStatus>,
    /// The configuration file.
    pub configuration: ConfigurationStatus,
}

/// One reconcile.
#[derive(Clone, Copy, Debug)]
pub struct LastReconcile {
    /// When it ended.
    pub ended: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// What it read.
    pub kind: ReconcileKind,
}

/// One pool.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// Its resource.
    pub resource: ResourceName,
    /// Its devices.
    pub devices: usize,
    /// Those that are unhealthy.
    pub unhealthy: Vec<UnhealthyDevice>,
    /// Its registration with the kubelet, as it is now.
    pub registration: watch::Receiver<RegistrationStatus>,
}

/// One unhealthy device.
#[derive(Clone, Debug)]
pub struct UnhealthyDevice {
    /// Its id.
    pub id: DeviceId,
    /// The kind of the reason, such as `link`.
    pub kind: &'static str,
    /// The reason.
    pub reason: String,
}

/// One file of a provider directory.
#[derive(Clone, Debug)]
pub struct ProviderStatus {
    /// Its path.
    pub file: String,
    /// The version of the package; empty for a refused one.
    pub version: String,
    /// Why it is refused.
    pub refused: Option<String>,
}

/// The configuration file.
#[derive(Clone, Debug, Default)]
pub struct ConfigurationStatus {
    /// Since when the configuration in force is in force.
    pub accepted: Option<SystemTime>,
    /// Why the file, as it is now, is rejected, and since when.
    pub rejected: Option<(SystemTime, String)>,
}

impl DaemonStatus {
    /// The status after a reconcile that began at `since`.
    pub(crate) fn after(&self, state: &Reconciler, outcome: &Outcome, since: Instant) -> Self {
        Self {
            reconciling_since: None,
            last_reconcile: Some(LastReconcile {
                ended: SystemTime::now(),
                took: since.elapsed(),
                kind: outcome.kind,
            }),
            pools: Some(
                state
                    .registrations()
                    .map(|(pool, registration)| PoolStatus::of(&pool, registration))
                    .collect(),
            ),
            refused: match outcome.config_error {
                // Those of the configuration that is active.
                Some(_) => self.refused.clone(),
                None => refused_resources(state, outcome),
            },
            pending: pending_resources(state, outcome),
            providers: providers(state),
            configuration: self
                .configuration
                .after(outcome, state.configuration_applied()),
        }
    }
}

impl PoolStatus {
    fn of(pool: &Pool, registration: watch::Receiver<RegistrationStatus>) -> Self {
        let devices = || pool.devices.iter().filter(|d| !d.health.is_removed());
        let unhealthy = devices().filter_map(|device| match &device.health {
            Health::Unhealthy { kind, reason } => Some(UnhealthyDevice {
                id: device.id.clone(),
                kind: kind.name(),
                reason: reason.to_string(),
            }),
            Health::Healthy | Health::Removed { .. } => None,
        });
        Self {
            devices: devices().count(),
            unhealthy: unhealthy.collect(),
            registration,
            resource: pool.resource.name.clone(),
        }
    }

    /// Its healthy devices.
    pub fn healthy(&self) -> usize {
        self.devices - self.unhealthy.len()
    }
}

impl ProviderStatus {
    /// `loaded` or `refused`.
    pub fn state(&self) -> &'static str {
        match self.refused {
            Some(_) => "refused",
            None => "loaded",
        }
    }
}

impl ConfigurationStatus {
    fn after(&self, outcome: &Outcome, applied: Option<SystemTime>) -> Self {
        let rejected = outcome.config_error.as_ref().map(|error| {
            let error = inline(error);
            let before = self.rejected.as_ref();
            let same = before.filter(|(_, before)| *before == error).cloned();
            same.unwrap_or_else(|| (SystemTime::now(), error))
        });
        Self {
            accepted: applied,
            rejected,
        }
    }
}

fn refused_resources(state: &Reconciler, outcome: &Outcome) -> Vec<String> {
    let refused = |problem: &&Problem| problem.severity == Severity::Refused;
    let entries = outcome.problems.iter().filter(refused).map(Problem::entry);
    let entries: BTreeSet<&str> = entries.collect();
    let refused = entries.into_iter().filter_map(|entry| {
        let spec = state
            .specs()
            .iter()
            .find(|spec| spec.selection.key == entry);
        match spec {
            Some(spec) if outcome.unknown.contains_key(&spec.name) => None,
            Some(spec) => Some(spec.name.to_string()),
            None => Some(entry.to_owned()),
        }
    });
    refused.collect()
}

fn pending_resources(state: &Reconciler, outcome: &Outcome) -> Vec<String> {
    let names = outcome.unknown.keys();
    let pending = names.filter(|name| state.pool(name).is_none());
    pending.map(ToString::to_string).collect()
}

fn providers(state: &Reconciler) -> Vec<ProviderStatus> {
    let providers = state.providers();
    let loaded = providers.loaded().iter().map(|provider| ProviderStatus {
        file: provider.file().display().to_string(),
        version: provider.manifest().version.clone(),
        refused: None,
    });
    let refused = providers.refused().iter().map(|refused| ProviderStatus {
        file: refused.file.display().to_string(),
        version: String::new(),
        refused: Some(inline(&refused.reason)),
    });
    loaded.chain(refused).collect()
}
