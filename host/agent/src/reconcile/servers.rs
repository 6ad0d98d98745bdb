//! The pools that are offered to the kubelet, each with its published state, its task and its CDI specification.

mod served;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use sriovdp_sdk::DeviceId;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::assignment::{Assignment, Assignments};
use super::health;
use super::log_on_change::LogOnChange;
use crate::config::ResourceName;
use crate::device_plugin::{InFlight, device_list};
use crate::host_paths::HostPaths;
use crate::output::cdi;
use crate::output::cdi::{CdiNames, PoolSpec};
use crate::output::device_info::DeviceInfoFiles;
use crate::pools::{Pool, PoolDevice, Removal, Resource, allocate};
use sriovdp_kubelet::{Device, DirectoryChanges, PodDevices, RegistrationMode};
use sriovdp_providers::blocking;
use sriovdp_providers::limits;
use sriovdp_report::inline;

/// How pools are offered.
#[derive(Clone, Debug)]
pub struct KubeletOptions {
    /// How to register.
    pub mode: RegistrationMode,
    /// Changes of the kubelet's directories.
    pub directory_changes: DirectoryChanges,
    /// How the names of CDI devices are handed over, if device nodes are handed out through CDI.
    pub cdi: Option<CdiNames>,
}

/// What decides about devices that leave their pools.
pub(super) struct RemovalContext<'a> {
    pub(super) now: Instant,
    pub(super) held: &'a PodDevices,
}

/// All offered pools. It owns the task of each.
#[derive(Debug)]
pub(super) struct ResourceServers {
    tree: HostPaths,
    /// The prefix of the command line, whose CDI specifications are this plugin's even without a pool.
    prefix: String,
    /// Absent for a look without a kubelet.
    kubelet: Option<KubeletOptions>,
    pools: BTreeMap<ResourceName, PublishedPool>,
    device_info: DeviceInfoFiles,
    tasks: JoinSet<()>,
    /// How many pools there are descriptors for.
    most_served: usize,
}

#[derive(Debug)]
struct PublishedPool {
    state: watch::Sender<Arc<Pool>>,
    /// The device list of the state.
    devices: watch::Sender<Arc<[Device]>>,
    in_flight: InFlight,
    cdi: watch::Sender<Option<Arc<PoolSpec>>>,
    /// The pool has changed since its CDI specification was written.
    cdi_outdated: bool,
    stop: CancellationToken,
    /// It has a task. One that came when too few descriptors were left has none yet.
    is_served: bool,
}

impl ResourceServers {
    pub(super) fn new(tree: HostPaths, prefix: String, kubelet: Option<KubeletOptions>) -> Self {
        Self {
            device_info: DeviceInfoFiles::new(tree.device_info()),
            tree,
            prefix,
            kubelet,
            pools: BTreeMap::new(),
            tasks: JoinSet::new(),
            most_served: limits::open_files().map_or(usize::MAX, limits::resources_served_with),
        }
    }

    /// Whether there is a kubelet to offer them to.
    pub(super) fn are_served(&self) -> bool {
        self.kubelet.is_some()
    }

    /// The published states, in the order of their names.
    pub(super) fn states(&self) -> impl Iterator<Item = Arc<Pool>> {
        self.pools
            .values()
            .map(|pool| Arc::clone(&pool.state.borrow()))
    }

    /// The published state of one.
    pub(super) fn state(&self, name: &ResourceName) -> Option<Arc<Pool>> {
        let pool = self.pools.get(name)?;
        Some(Arc::clone(&pool.state.borrow()))
    }

    /// Offers `resources` and no others, each with its devices; without devices a pool keeps those that it has. A pool
    /// that comes out as it was is not published.
    pub(super) fn publish(
        &mut self,
        resources: Vec<Arc<Resource>>,
        shares: Assignments,
        departure: &RemovalContext<'_>,
        saying: &mut LogOnChange,
    ) {
        let names: Vec<ResourceName> = resources.iter().map(|r| r.name.clone()).collect();
        let wanted: BTreeSet<&ResourceName> =
            resources.iter().map(|resource| &resource.name).collect();
        self.pools.retain(|name, pool| {
            let kept = wanted.contains(name);
            if !kept {
                tracing::info!(resource = %name, "withdrawn");
                pool.stop.cancel();
            }
            kept
        });
        for (resource, share) in resources.into_iter().zip(shares) {
            match self.pools.get_mut(&resource.name) {
                // Of a pool that was never offered and whose provider cannot speak, nothing is known to offer.
                None => {
                    if let Some(share) = share {
                        self.offer(&resource, share, departure);
                    }
                }
                Some(pool) => {
                    if let Some(share) = share {
                        if pool.state.borrow().resource.cdi_class != resource.cdi_class {
                            let spec = open_spec(&self.tree, self.kubelet.as_ref(), &resource);
                            pool.cdi.send_replace(spec);
                        }
                        pool.publish(&resource, share, departure);
                    }
                }
            }
        }
        self.serve(&names, saying);
    }

    /// When time alone may change a pool.
    pub(super) fn requeue_at(&self, now: Instant) -> Option<Instant> {
        self.states().filter_map(|pool| pool.requeue_at(now)).min()
    }

    /// Removes the device-info files of devices that left their pools.
    pub(super) async fn remove_device_info(&mut self, saying: &mut LogOnChange) {
        if self.kubelet.is_none() {
            return;
        }
        let pools = self.pools.values();
        let states = pools.map(|pool| Arc::clone(&pool.state.borrow())).collect();
        let mut files = std::mem::take(&mut self.device_info);
        let (files, failures) = blocking::run(move || {
            let failures = files.follow(states, Instant::now());
            (files, failures)
        })
        .await;
        self.device_info = files;
        for error in failures {
            saying.error(inline(&error));
        }
    }

    /// Brings the CDI specifications of changed pools up to date. What a device needs is asked for one by one, so that
    /// one whose nodes are missing now costs nobody else.
    pub(super) async fn write_cdi(&mut self, held: &Arc<PodDevices>, saying: &mut LogOnChange) {
        if self.kubelet.as_ref().is_none_or(|side| side.cdi.is_none()) {
            return;
        }
        let outdated = self.pools.values_mut().filter_map(|pool| {
            let is_outdated = std::mem::take(&mut pool.cdi_outdated);
            let spec = pool.cdi.borrow().clone().filter(|_| is_outdated)?;
            Some((spec, Arc::clone(&pool.state.borrow())))
        });
        let outdated: Vec<(Arc<PoolSpec>, Arc<Pool>)> = outdated.collect();
        let mut failures = Vec::new();
        // First what goes: a device in the files of two pools is a conflict, and runtimes then know it from neither.
        if !outdated.is_empty() {
            let states: Vec<Arc<Pool>> = self.states().collect();
            let all = states.iter().flat_map(|pool| &pool.devices);
            let present: HashSet<&DeviceId> = all
                .filter(|d| !d.health.is_removed())
                .map(|d| &d.id)
                .collect();
            for (spec, pool) in &outdated {
                let is_elsewhere = |device: &PoolDevice| {
                    device.health.is_removed() && present.contains(&device.id)
                };
                let devices = pool.devices.iter().filter(|device| !is_elsewhere(device));
                let kept = spec.keep_only(&devices.map(|device| device.id.as_str()).collect());
                failures.extend(kept.err().map(|error| (pool.resource.name.clone(), error)));
            }
        }
        for (spec, pool) in &outdated {
            let written = write_entries(spec, pool).await;
            failures.extend(
                written
                    .err()
                    .map(|error| (pool.resource.name.clone(), error)),
            );
        }
        for (name, error) in failures {
            saying.error(inline(&error));
            if let Some(pool) = self.pools.get_mut(&name) {
                pool.cdi_outdated = true;
            }
        }
        let specs = self.pools.values().filter_map(|pool| {
            let spec = pool.cdi.borrow();
            spec.as_ref().map(|spec| spec.file().to_owned())
        });
        let current: BTreeSet<String> = specs.collect();
        let prefixes = self.pools.keys().map(ResourceName::prefix);
        let prefixes = prefixes.chain([&*self.prefix]).map(str::to_owned);
        let prefixes: BTreeSet<String> = prefixes.collect();
        let offered: BTreeSet<String> = self.pools.keys().map(ToString::to_string).collect();
        let (directory, held) = (self.tree.cdi(), Arc::clone(held));
        let removed = blocking::run(move || {
            let is_held = |id: &str| {
                held.resources_of(id)
                    .iter()
                    .any(|name| !offered.contains(name))
            };
            cdi::remove_stale(&directory, &prefixes, &current, is_held)
        });
        if let Err(error) = removed.await {
            saying.error(inline(&error));
        }
    }

    /// Collects the tasks of withdrawn pools, and returns when one of a pool failed.
    pub(super) async fn task_failed(&mut self) -> JoinError {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(())) => {}
                Some(Err(error)) => return error,
                None => std::future::pending().await,
            }
        }
    }

    /// Withdraws every pool, and returns when their streams have ended and their sockets are gone.
    pub(super) async fn withdraw(&mut self) {
        for pool in self.pools.values() {
            pool.stop.cancel();
        }
        while self.tasks.join_next().await.is_some() {}
    }

    fn offer(
        &mut self,
        resource: &Arc<Resource>,
        share: Assignment,
        departure: &RemovalContext<'_>,
    ) {
        let none = Pool::empty(Arc::clone(resource));
        let in_flight = InFlight::default();
        let first = departure.from(&none, resource, share, &in_flight);
        health::log_pool(&first);
        health::log_changes(&none, &first);
        let (devices, _) = watch::channel(device_list(&first));
        let (state, _) = watch::channel(Arc::new(first));
        let stop = CancellationToken::new();
        let (cdi, _) = watch::channel(open_spec(&self.tree, self.kubelet.as_ref(), resource));
        let offered = PublishedPool {
            state,
            devices,
            in_flight,
            cdi,
            cdi_outdated: true,
            stop,
            is_served: false,
        };
        self.pools.insert(resource.name.clone(), offered);
    }
}

impl RemovalContext<'_> {
    /// The pool with `share` now, after it had been `before`.
    fn from(
        &self,
        before: &Pool,
        resource: &Arc<Resource>,
        share: Assignment,
        in_flight: &InFlight,
    ) -> Pool {
        let name = resource.name.to_string();
        let leaving = Removal {
            now: self.now,
            is_in_use: &|id| self.held.is_in_use(&name, id.as_str()) || in_flight.has(id.as_str()),
            reason: &|id| {
                share
                    .absences
                    .get(id)
                    .cloned()
                    .unwrap_or_else(|| "it has left".into())
            },
        };
        before.then(Arc::clone(resource), share.devices, leaving)
    }
}

impl PublishedPool {
    fn publish(
        &mut self,
        resource: &Arc<Resource>,
        share: Assignment,
        departure: &RemovalContext<'_>,
    ) {
        let before = Arc::clone(&self.state.borrow());
        let next = departure.from(&before, resource, share, &self.in_flight);
        if *before != next {
            self.cdi_outdated = true;
            health::log_pool(&next);
            health::log_changes(&before, &next);
            let devices = device_list(&next);
            self.state.send_replace(Arc::new(next));
            self.devices.send_if_modified(|listed| {
                let is_new = *listed != devices;
                *listed = devices;
                is_new
            });
        }
    }
}

/// The CDI specification of a resource, when device nodes are handed out through one.
fn open_spec(
    tree: &HostPaths,
    kubelet: Option<&KubeletOptions>,
    resource: &Resource,
) -> Option<Arc<PoolSpec>> {
    let names = kubelet?.cdi?;
    let spec = PoolSpec::open(&tree.cdi(), &resource.name, &resource.cdi_class, names);
    if spec.is_none() {
        tracing::warn!(
            resource = %resource.name,
            "its prefix cannot be a CDI vendor, so its device nodes go through the kubelet"
        );
    }
    spec.map(Arc::new)
}

async fn write_entries(spec: &PoolSpec, pool: &Pool) -> Result<(), crate::output::WriteError> {
    let mut entries = Vec::new();
    for device in &pool.devices {
        let deadline = Instant::now() + pool.resource.allocate_timeout();
        match allocate(pool, &[device.id.to_string()], deadline).await {
            Ok(allocation) => entries.extend(allocation.devices),
            Err(error) => {
                tracing::debug!(device = %device.id, "not in the CDI specification: {}", inline(&error));
            }
        }
    }
    spec.update(entries)
}
