//! The state of the daemon, for the local socket and the metrics: replaced whole after each reconcile. It has the values
//! themselves; a query formats them.

pub mod report;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sriovdp_kubelet::RegistrationStatus;
use sriovdp_providers::{Provider, Refused};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::{Problem, Severity};
use crate::pools::{Health, Pool, PoolDevice, UnhealthyKind};
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
    /// The providers, loaded or available.
    pub providers: Vec<Arc<Provider>>,
    /// The refused provider files.
    pub refused_files: Vec<Arc<Refused>>,
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
    /// Its devices.
    pub pool: Arc<Pool>,
    /// Its registration with the kubelet, as it is now.
    pub registration: watch::Receiver<RegistrationStatus>,
}

/// One unhealthy device.
#[derive(Clone, Copy, Debug)]
pub struct UnhealthyDevice<'a> {
    /// The device.
    pub device: &'a PoolDevice,
    /// The kind of the reason.
    pub kind: UnhealthyKind,
    /// The reason.
    pub reason: &'a str,
}

/// The configuration file.
#[derive(Clone, Debug, Default)]
pub struct ConfigurationStatus {
    /// Since when the configuration in force is in force.
    pub accepted: Option<SystemTime>,
    /// The file, as it is now, is rejected.
    pub rejected: Option<Rejection>,
}

/// A rejected configuration.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Since when.
    pub since: SystemTime,
    /// Why.
    pub error: String,
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
                    .map(|(pool, registration)| PoolStatus { pool, registration })
                    .collect(),
            ),
            refused: match outcome.config_error {
                // Those of the configuration that is active.
                Some(_) => self.refused.clone(),
                None => refused_resources(state, outcome),
            },
            pending: pending_resources(state, outcome),
            providers: state.providers().all().to_vec(),
            refused_files: state.providers().refused().to_vec(),
            configuration: self
                .configuration
                .after(outcome, state.configuration_applied()),
        }
    }
}

impl PoolStatus {
    /// The name of its resource.
    pub fn resource(&self) -> String {
        self.pool.resource.name.to_string()
    }

    /// The number of its devices, without those that are listed for the grace period only.
    pub fn devices(&self) -> usize {
        self.pool.present().len()
    }

    /// Its healthy devices.
    pub fn healthy(&self) -> usize {
        self.pool.healthy()
    }

    /// Those of its devices that are unhealthy.
    pub fn unhealthy(&self) -> impl Iterator<Item = UnhealthyDevice<'_>> {
        let devices = self.pool.devices.iter();
        devices.filter_map(|device| match &device.health {
            Health::Unhealthy { kind, reason } => Some(UnhealthyDevice {
                device,
                kind: *kind,
                reason,
            }),
            Health::Healthy | Health::Removed { .. } => None,
        })
    }
}

impl ConfigurationStatus {
    fn after(&self, outcome: &Outcome, applied: Option<SystemTime>) -> Self {
        let rejected = outcome.config_error.as_ref().map(|error| {
            let error = inline(error);
            let before = self.rejected.as_ref();
            let same = before.filter(|before| before.error == error).cloned();
            same.unwrap_or_else(|| Rejection {
                since: SystemTime::now(),
                error,
            })
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
