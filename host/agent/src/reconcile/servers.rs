//! The published pools: the state of each, and the task that serves it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sriovdp_kubelet::{
    DeviceList, DirectoryChanges, PodDevices, RegistrationMode, RegistrationStatus, ResourceServer,
};
use sriovdp_providers::limits;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error_span};

use super::assignment::{Assignment, Assignments};
use super::health;
use super::log_on_change::{Entry, LogOnChange};
use super::pool_files::{PoolFiles, SpecifiedPool};
use super::registered;
use crate::config::ResourceName;
use crate::device_plugin::{InFlight, PoolPlugin, kubelet_paths};
use crate::host_paths::HostPaths;
use crate::output::cdi::{CdiNames, PoolSpec};
use crate::pools::{Pool, Removal, Resource};

/// How many resources one log line names.
const MAX_NAMED: usize = 100;

/// How pools are served.
#[derive(Clone, Debug)]
pub struct KubeletOptions {
    /// How to register.
    pub mode: RegistrationMode,
    /// Changes of the kubelet's directories.
    pub directory_changes: DirectoryChanges,
    /// Whether containers get device nodes through CDI.
    pub use_cdi: bool,
    /// How the names of CDI devices get to the container runtime.
    pub cdi_names: CdiNames,
}

/// What decides about devices that leave their pools.
pub(super) struct RemovalContext<'a> {
    pub(super) now: Instant,
    pub(super) pod_devices: &'a PodDevices,
}

/// All published pools. It owns the task of each.
#[derive(Debug)]
pub(super) struct ResourceServers {
    tree: HostPaths,
    /// Absent for a reconcile without a kubelet.
    kubelet: Option<KubeletOptions>,
    pools: BTreeMap<ResourceName, PublishedPool>,
    tasks: JoinSet<()>,
    /// How many pools there are file descriptors for.
    max_served: usize,
    files: PoolFiles,
}

#[derive(Debug)]
struct PublishedPool {
    state: watch::Sender<Arc<Pool>>,
    /// The device list of the state.
    devices: watch::Sender<DeviceList>,
    in_flight: InFlight,
    cdi: watch::Sender<Option<Arc<PoolSpec>>>,
    stop: CancellationToken,
    registration: watch::Sender<RegistrationStatus>,
    /// It has a task. One that came when too few descriptors were left has none yet.
    is_served: bool,
}

impl ResourceServers {
    pub(super) fn new(tree: HostPaths, prefix: String, kubelet: Option<KubeletOptions>) -> Self {
        Self {
            files: PoolFiles::new(&tree, prefix),
            tree,
            kubelet,
            pools: BTreeMap::new(),
            tasks: JoinSet::new(),
            max_served: limits::open_files().map_or(usize::MAX, limits::resources_served_with),
        }
    }

    /// Whether there is a kubelet to serve them to.
    pub(super) fn are_served(&self) -> bool {
        self.kubelet.is_some()
    }

    /// The published states, in the order of their names.
    pub(super) fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools.values().map(PublishedPool::state).collect()
    }

    /// The published state of one.
    pub(super) fn state(&self, name: &ResourceName) -> Option<Arc<Pool>> {
        self.pools.get(name).map(PublishedPool::state)
    }

    /// The published states with their registrations, in the order of their names.
    pub(super) fn registrations(
        &self,
    ) -> impl Iterator<Item = (Arc<Pool>, watch::Receiver<RegistrationStatus>)> {
        let pools = self.pools.values();
        pools.map(|pool| (pool.state(), pool.registration.subscribe()))
    }

    /// Publishes `resources` and no others, each with its devices; without an assignment a pool keeps its devices. An
    /// unchanged pool is not published again.
    pub(super) fn publish(
        &mut self,
        resources: Vec<Arc<Resource>>,
        assignments: Assignments,
        removal: &RemovalContext<'_>,
        log: &mut LogOnChange,
    ) {
        let names: Vec<ResourceName> = resources.iter().map(|r| r.name.clone()).collect();
        let wanted: BTreeSet<&ResourceName> = names.iter().collect();
        self.pools.retain(|name, pool| {
            let is_kept = wanted.contains(name);
            if !is_kept {
                tracing::info!(event = "pool_withdrawn", resource = %name, "withdrawn");
                pool.stop.cancel();
            }
            is_kept
        });
        for (resource, assignment) in resources.into_iter().zip(assignments) {
            // While no provider answers, a pool stays as it is, and a new one is unknown.
            let Some(assignment) = assignment else {
                continue;
            };
            match self.pools.get(&resource.name) {
                None => {
                    let spec = self.open_spec(&resource);
                    let pool = PublishedPool::new(&resource, assignment, removal, spec);
                    self.pools.insert(resource.name.clone(), pool);
                }
                Some(pool) => {
                    if pool.state.borrow().resource.cdi_class != resource.cdi_class {
                        pool.cdi.send_replace(self.open_spec(&resource));
                    }
                    pool.publish(&resource, assignment, removal);
                }
            }
        }
        self.serve(&names, log);
    }

    /// When time alone may change a pool.
    pub(super) fn requeue_at(&self, now: Instant) -> Option<Instant> {
        let pools = self.pools.values();
        pools.filter_map(|pool| pool.state().requeue_at(now)).min()
    }

    /// Removes the device-info files of devices that have left their pools.
    pub(super) async fn remove_device_info(&mut self, log: &mut LogOnChange) {
        if self.kubelet.is_some() {
            let states = self.pools();
            self.files.remove_device_info(states, log).await;
        }
    }

    /// Brings the CDI specifications of changed pools up to date.
    pub(super) async fn write_cdi(
        &mut self,
        pod_devices: Option<Arc<PodDevices>>,
        log: &mut LogOnChange,
    ) {
        if self.kubelet.as_ref().is_none_or(|kubelet| !kubelet.use_cdi) {
            return;
        }
        let states = self.pools();
        let specified = self.pools.values().filter_map(|pool| {
            let spec = pool.cdi.borrow().clone()?;
            let pool = pool.state();
            Some(SpecifiedPool { pool, spec })
        });
        let specified = specified.collect();
        self.files
            .write_cdi(&states, specified, pod_devices, log)
            .await;
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

    /// Withdraws every pool, and returns when their streams have ended and their sockets are removed.
    pub(super) async fn withdraw(&mut self) {
        for pool in self.pools.values() {
            pool.stop.cancel();
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Starts the tasks of pools without one in the order of `names`, as far as there are descriptors for them, and logs
    /// the others.
    fn serve(&mut self, names: &[ResourceName], log: &mut LogOnChange) {
        let Some(kubelet) = &self.kubelet else { return };
        let mut served = self.pools.values().filter(|pool| pool.is_served).count();
        let mut rest = Vec::new();
        for name in names {
            let Some(pool) = self.pools.get_mut(name).filter(|pool| !pool.is_served) else {
                continue;
            };
            if served == self.max_served {
                rest.push(name.to_string());
                continue;
            }
            let plugin = PoolPlugin {
                pool: pool.state.subscribe(),
                devices: pool.devices.subscribe(),
                cdi: pool.cdi.subscribe(),
                cdi_names: kubelet.cdi_names,
                device_info: self.tree.device_info(),
                in_flight: pool.in_flight.clone(),
            };
            let server = ResourceServer {
                resource: name.to_string(),
                plugin: Arc::new(plugin),
                paths: kubelet_paths(&self.tree),
                changes: kubelet.directory_changes.clone(),
                status: pool.registration.clone(),
            };
            let state = pool.state.subscribe();
            let run = registered::serve(server, state, kubelet.mode, pool.stop.clone());
            self.tasks
                .spawn(run.instrument(error_span!("pool", resource = %name)));
            pool.is_served = true;
            served += 1;
        }
        if !rest.is_empty() {
            let more = match rest.len().saturating_sub(MAX_NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            rest.truncate(MAX_NAMED);
            let names = format!("not served: {}{more}", rest.join(", "));
            let entry = Entry::error(
                "descriptors_short",
                "too few file descriptors for all resources; raise the hard limit on open files",
            );
            log.add(entry.reason(names).count(served));
        }
    }

    /// The CDI specification of a resource, when containers get device nodes through CDI.
    fn open_spec(&self, resource: &Resource) -> Option<Arc<PoolSpec>> {
        self.kubelet.as_ref().filter(|kubelet| kubelet.use_cdi)?;
        let spec = PoolSpec::open(&self.tree.cdi(), &resource.name, &resource.cdi_class);
        if spec.is_none() {
            tracing::warn!(
                event = "cdi_unavailable",
                resource = %resource.name,
                "the resource prefix is no CDI vendor; containers get device nodes through the kubelet"
            );
        }
        spec.map(Arc::new)
    }
}

impl RemovalContext<'_> {
    /// The state of a pool with `assignment` that follows on `before`.
    fn next_state(
        &self,
        before: &Pool,
        resource: &Arc<Resource>,
        assignment: Assignment,
        in_flight: &InFlight,
    ) -> Pool {
        let name = resource.name.to_string();
        let removal = Removal {
            now: self.now,
            absent: &assignment.absent,
            is_in_use: &|id| {
                self.pod_devices.is_in_use(&name, id.as_str()) || in_flight.has(id.as_str())
            },
            reason: &|id| {
                let reason = assignment.removal_reasons.get(id).cloned();
                reason.unwrap_or_else(|| "it has left".into())
            },
        };
        before.then(Arc::clone(resource), assignment.devices, removal)
    }
}

impl PublishedPool {
    fn new(
        resource: &Arc<Resource>,
        assignment: Assignment,
        removal: &RemovalContext<'_>,
        spec: Option<Arc<PoolSpec>>,
    ) -> Self {
        let empty = Pool::empty(Arc::clone(resource));
        let in_flight = InFlight::default();
        let first = removal.next_state(&empty, resource, assignment, &in_flight);
        health::log_pool(&first);
        health::log_changes(&empty, &first);
        let first = Arc::new(first);
        Self {
            devices: watch::channel(DeviceList::new(first.clone())).0,
            state: watch::channel(first).0,
            in_flight,
            cdi: watch::channel(spec).0,
            stop: CancellationToken::new(),
            registration: watch::channel(RegistrationStatus::default()).0,
            is_served: false,
        }
    }

    fn state(&self) -> Arc<Pool> {
        Arc::clone(&self.state.borrow())
    }

    fn publish(
        &self,
        resource: &Arc<Resource>,
        assignment: Assignment,
        removal: &RemovalContext<'_>,
    ) {
        let before = self.state();
        let next = removal.next_state(&before, resource, assignment, &self.in_flight);
        if *before == next {
            return;
        }
        health::log_pool(&next);
        health::log_joined(&before, &next);
        health::log_changes(&before, &next);
        let next = Arc::new(next);
        let devices = DeviceList::new(next.clone());
        self.state.send_replace(next);
        self.devices.send_if_modified(|listed| {
            let is_new = *listed != devices;
            *listed = devices;
            is_new
        });
    }
}
