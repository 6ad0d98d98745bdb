//! The one loop that owns the state: it reads the node, assigns the devices, and publishes what changed.
//!
//! Every trigger, an event of the kernel, a signal, the timer, a changed file, leads to a reconcile. It reads
//! everything, or in an incremental one what may have changed, and compares the resulting pools with the published ones;
//! a pool that is equal is not published.

mod additional_info;
mod assignment;
mod configuration;
mod divided;
mod empty;
mod health;
mod log;
mod log_on_change;
mod node_notes;
mod pod_devices_cache;
mod pool_files;
mod registered;
mod removal_reasons;
mod retained;
mod servers;
mod settings;
mod single_files;
mod snapshot;
mod unread;
mod view;

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sriovdp_providers::Providers;
use sriovdp_report::inline;
use sriovdp_sdk::PciAddress;
use tokio::task::JoinError;
use tokio::time::Instant;

pub use configuration::ConfigurationSource;
pub use servers::KubeletOptions;
pub use settings::Settings;
pub use snapshot::ReconcileKind;

use configuration::Configuration;
use log_on_change::{ActiveConditions, LogOnChange};
use pod_devices_cache::PodDevicesCache;
use servers::{RemovalContext, ResourceServers};
use snapshot::{FirstScan, Node, Snapshot};
use unread::Unread;

use crate::config::{ConfigError, Problem, ResourceName};
use crate::events::ReconcileScope;
use crate::pools::{FlapDamping, PendingDiscoveries, Pool, ProviderSections, Resource, ScanError};

/// When a provider file is vetted again that was refused for a lack of memory, processes or descriptors.
const PROVIDER_RETRY: Duration = Duration::from_secs(5);

/// The state of the plugin.
#[derive(Debug)]
pub struct Reconciler {
    settings: Settings,
    configuration: Configuration,
    providers: Providers,
    pending: PendingDiscoveries,
    provider_sections: ProviderSections,
    snapshot: Snapshot,
    /// The functions to read again soon.
    unread: Unread,
    flaps: FlapDamping,
    pod_devices: PodDevicesCache,
    servers: ResourceServers,
    /// The conditions that are logged and still hold.
    active: ActiveConditions,
}

/// The result of one reconcile.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is wrong with the configuration.
    pub problems: Vec<Problem>,
    /// Why there is no new configuration.
    pub config_error: Option<ConfigError>,
    /// Why not everything on the node is known.
    pub failures: Vec<ScanError>,
    /// The resources whose devices are unknown, because a provider does not answer, and why.
    pub unknown: BTreeMap<ResourceName, String>,
    /// What of the node was read.
    pub kind: ReconcileKind,
    /// When to reconcile again without another trigger.
    pub requeue: Option<Requeue>,
}

/// A reconcile without another trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requeue {
    /// When.
    pub at: Instant,
    /// What it has to read.
    pub scope: ReconcileScope,
}

impl Reconciler {
    /// The state before the first reconcile, with `providers` that are loaded already; without a kubelet, no pool is
    /// served.
    pub fn new(settings: Settings, providers: Providers, kubelet: Option<KubeletOptions>) -> Self {
        let wait = match kubelet {
            Some(_) => settings.discovery_wait,
            None => settings.providers.timeouts.discover,
        };
        Self {
            servers: ResourceServers::new(
                settings.tree.clone(),
                settings.defaults.resource_prefix.clone(),
                kubelet,
            ),
            settings,
            configuration: Configuration::default(),
            providers,
            pending: PendingDiscoveries::new(wait),
            provider_sections: ProviderSections::default(),
            snapshot: Snapshot::default(),
            unread: Unread::default(),
            flaps: FlapDamping::default(),
            pod_devices: PodDevicesCache::default(),
            active: ActiveConditions::default(),
        }
    }

    /// Reads providers, configuration and node, and publishes what changed.
    pub async fn reconcile(&mut self) -> Outcome {
        self.reconcile_scope(None).await
    }

    /// The same, where of the PCI functions only `functions` may have changed since the last reconcile.
    pub async fn reconcile_functions(&mut self, functions: &BTreeSet<PciAddress>) -> Outcome {
        self.reconcile_scope(Some(functions)).await
    }

    async fn reconcile_scope(&mut self, scope: Option<&BTreeSet<PciAddress>>) -> Outcome {
        let mut outcome = Outcome::default();
        let mut log = LogOnChange::default();
        // It takes as long as the first vetting of the provider files.
        let first_scan = self.snapshot.first_scan(self.settings.tree.root());
        let refused = self
            .configuration
            .reload(&self.settings, &mut outcome)
            .await;
        self.reload_providers(&refused).await;
        self.resolve_provider_sections(&mut outcome).await;
        let resources = self.resolve(&refused, &mut outcome).await;
        self.refresh_snapshot(first_scan, resources, scope).await;
        let (now, before) = (Instant::now(), self.servers.pools());
        self.damp_flaps(&before, now);
        let assignments = self.assign(&before, now).await;
        self.publish(assignments, now, &mut log).await;
        self.log_conditions(&before, &outcome, &mut log).await;
        self.active = log.flush(&self.active);
        self.complete(outcome, now)
    }

    async fn refresh_snapshot(
        &mut self,
        first_scan: Option<FirstScan>,
        resources: Vec<Arc<Resource>>,
        scope: Option<&BTreeSet<PciAddress>>,
    ) {
        let node = Node {
            root: self.settings.tree.root(),
            providers: &self.providers,
            pending: &mut self.pending,
            unread: &mut self.unread,
            sections: &self.provider_sections,
            first_scan,
        };
        self.snapshot = self.snapshot.next(node, resources, scope).await;
    }

    fn damp_flaps(&mut self, before: &[Arc<Pool>], now: Instant) {
        let known = LazyCell::new(|| {
            // A device that has left its pool and comes back is new.
            let known = before.iter().flat_map(|pool| pool.present());
            known.map(|device| &device.id).collect::<HashSet<_>>()
        });
        let device_types = self.snapshot.scan.device_types();
        let devices = device_types.flat_map(|(_, found)| &found.devices);
        self.flaps = self.flaps.next(devices, |id| known.contains(id), now);
    }

    async fn publish(
        &mut self,
        assignments: assignment::Assignments,
        now: Instant,
        log: &mut LogOnChange,
    ) {
        let resources = self.snapshot.resources().cloned().collect();
        let removal = RemovalContext {
            now,
            pod_devices: self.pod_devices.get(),
        };
        self.servers.publish(resources, assignments, &removal, log);
        let pod_devices = self.pod_devices.known();
        // Without them, a file may be that of a running pod.
        if pod_devices.is_some() {
            self.servers.remove_device_info(log).await;
        }
        self.servers.write_cdi(pod_devices.cloned(), log).await;
    }

    fn complete(&mut self, mut outcome: Outcome, now: Instant) -> Outcome {
        outcome.failures = self.snapshot.failures().cloned().collect();
        let unknown = self.snapshot.unknown();
        let unknown = unknown.map(|(resource, error)| (resource.name.clone(), inline(error)));
        outcome.unknown.extend(unknown);
        outcome.kind = self.snapshot.kind;
        let retry = self.providers.are_to_be_retried();
        let requeues = [
            self.pending.has_taken_outdated().then_some(now),
            retry.then(|| now + PROVIDER_RETRY),
            self.flaps.stable_at(),
            self.pod_devices.requeue_at(),
            self.servers.requeue_at(now),
        ];
        outcome.requeue = self.unread.or_sooner(requeues.into_iter().flatten().min());
        outcome
    }

    /// Withdraws every pool, and returns when their streams have ended and their sockets are removed.
    pub async fn withdraw(&mut self) {
        self.servers.withdraw().await;
    }

    /// The next reconcile follows a change: what discoveries in progress return may lack it.
    pub fn node_changed(&mut self) {
        self.pending.node_changed();
    }

    /// Waits for a trigger of its own: a pending discovery has returned.
    ///
    /// # Errors
    ///
    /// When the task of a pool fails, which only a fault of this program can bring about.
    pub async fn changed(&mut self) -> Result<(), JoinError> {
        tokio::select! {
            error = self.servers.task_failed() => Err(error),
            () = self.pending.changed() => Ok(()),
        }
    }
}
