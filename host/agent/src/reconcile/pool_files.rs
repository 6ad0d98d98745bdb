//! Keeps the files of published pools up to date: CDI specifications and device-info files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use sriovdp_kubelet::PodDevices;
use sriovdp_providers::blocking;
use sriovdp_report::inline;
use tokio::time::Instant;

use super::log_on_change::{Entry, LogOnChange};
use crate::config::ResourceName;
use crate::host_paths::HostPaths;
use crate::output::cdi::PoolSpec;
use crate::output::device_info::DeviceInfoFiles;
use crate::output::{WriteError, cdi};
use crate::pools::{Pool, allocate, with_thread};

/// The files of all pools.
#[derive(Debug)]
pub(super) struct PoolFiles {
    device_info: DeviceInfoFiles,
    cdi_directory: PathBuf,
    /// The prefix of the command line, whose CDI specifications are this plugin's even without a pool.
    prefix: String,
    /// The states of pools that are in their CDI specifications.
    written: BTreeMap<ResourceName, Arc<Pool>>,
    /// Which pods have which devices is known. Before, nothing was removed.
    has_pod_devices: bool,
}

/// What becomes of the entries of devices that are in no pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InNoPool {
    Removed,
    /// A pod may have the device.
    Kept,
}

/// A published pool with its CDI specification.
#[derive(Clone, Debug)]
pub(super) struct SpecifiedPool {
    pub(super) pool: Arc<Pool>,
    pub(super) spec: Arc<PoolSpec>,
}

impl PoolFiles {
    pub(super) fn new(tree: &HostPaths, prefix: String) -> Self {
        Self {
            device_info: DeviceInfoFiles::new(tree.device_info()),
            cdi_directory: tree.cdi(),
            prefix,
            written: BTreeMap::new(),
            has_pod_devices: false,
        }
    }

    /// Removes the device-info files of devices that have left their pools.
    pub(super) async fn remove_device_info(
        &mut self,
        pools: Vec<Arc<Pool>>,
        log: &mut LogOnChange,
    ) {
        let mut files = std::mem::take(&mut self.device_info);
        let (files, failures) = blocking::run(move || {
            let failures = files.follow(pools, Instant::now());
            (files, failures)
        })
        .await;
        self.device_info = files;
        for error in failures {
            let entry = Entry::error(
                "device_info_not_removed",
                "the device-info file of a removed device remains",
            );
            log.add(entry.cause(inline(&error)));
        }
    }

    /// Writes the CDI specifications of changed pools and those that another program has changed, and removes those of
    /// pools that no longer exist. `pools` are all pools, of which some have no specification. Without `pod_devices`,
    /// whose containers may restart, every entry stays.
    pub(super) async fn write_cdi(
        &mut self,
        pools: &[Arc<Pool>],
        specified: Vec<SpecifiedPool>,
        pod_devices: Option<Arc<PodDevices>>,
        log: &mut LogOnChange,
    ) {
        if pod_devices.is_some() && !self.has_pod_devices {
            self.has_pod_devices = true;
            self.written.clear();
        }
        let current = specified.iter().map(|specified| specified.spec.file());
        let current = current.map(str::to_owned).collect();
        let names: BTreeSet<&ResourceName> = pools.iter().map(|pool| &pool.resource.name).collect();
        self.written.retain(|name, _| names.contains(name));
        let is_written = |pool: &Arc<Pool>| {
            let written = self.written.get(&pool.resource.name);
            written.is_some_and(|written| Arc::ptr_eq(written, pool))
        };
        let (unchanged, changed): (Vec<_>, Vec<_>) = specified
            .into_iter()
            .partition(|specified| is_written(&specified.pool));
        let in_no_pool = match pod_devices {
            Some(_) => InNoPool::Removed,
            None => InNoPool::Kept,
        };
        // Entries that move are removed first: a device in the files of two pools is a conflict, and runtimes then
        // resolve it from neither.
        let (restored, removed) = {
            let (unchanged, changed) = (unchanged.clone(), changed.clone());
            let pools = pools.to_vec();
            blocking::run(move || {
                let restored = unchanged.iter().map(|unchanged| unchanged.spec.restore());
                let restored: Vec<_> = restored.collect();
                (restored, remove_moved(&changed, &pools, in_no_pool))
            })
            .await
        };
        for (unchanged, restored) in unchanged.iter().zip(restored) {
            self.note_written(&unchanged.pool, restored, log);
        }
        for (SpecifiedPool { pool, spec }, removed) in changed.iter().zip(removed) {
            let written = removed.and(write_entries(spec, pool).await);
            self.note_written(pool, written, log);
        }
        let Some(pod_devices) = pod_devices else {
            return;
        };
        let removed = self.remove_stale(current, &names, pod_devices);
        if let Err(error) = removed.await {
            let entry = Entry::error(
                "cdi_spec_not_removed",
                "the CDI specification of a pool that no longer exists remains",
            );
            log.add(entry.cause(inline(&error)));
        }
    }

    fn note_written(
        &mut self,
        pool: &Arc<Pool>,
        written: Result<(), WriteError>,
        log: &mut LogOnChange,
    ) {
        let name = &pool.resource.name;
        match written {
            Ok(()) => drop(self.written.insert(name.clone(), Arc::clone(pool))),
            Err(error) => {
                let entry = Entry::error("cdi_spec_failed", "cannot write the CDI specification");
                log.add(entry.resource(name).cause(inline(&error)));
                self.written.remove(name);
            }
        }
    }

    async fn remove_stale(
        &self,
        current: BTreeSet<String>,
        names: &BTreeSet<&ResourceName>,
        pod_devices: Arc<PodDevices>,
    ) -> Result<(), WriteError> {
        let prefixes = names.iter().map(|name| name.prefix());
        let prefixes: BTreeSet<String> =
            prefixes.chain([&*self.prefix]).map(str::to_owned).collect();
        let served: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
        let directory = self.cdi_directory.clone();
        blocking::run(move || {
            let is_in_use = |id: &str| {
                let mut resources = pod_devices.resources_of(id).iter();
                resources.any(|resource| !served.contains(resource))
            };
            cdi::remove_stale(&directory, &prefixes, &current, is_in_use)
        })
        .await
    }
}

/// Removes the entries of devices that are not in their pool any more, or only as removed while another one of `pools`
/// has them. Returns one result for each of `changed`.
fn remove_moved(
    changed: &[SpecifiedPool],
    pools: &[Arc<Pool>],
    in_no_pool: InNoPool,
) -> Vec<Result<(), WriteError>> {
    if changed.is_empty() {
        return Vec::new();
    }
    let present = pools.iter().flat_map(|pool| &pool.devices);
    let present = present.filter(|device| !device.health.is_removed());
    let present: HashSet<&str> = present.map(|device| device.id.as_str()).collect();
    let remove = |SpecifiedPool { pool, spec }: &SpecifiedPool| {
        spec.retain(|id| match pool.device(id) {
            Some(device) => !device.health.is_removed() || !present.contains(id),
            None => in_no_pool == InNoPool::Kept && !present.contains(id),
        })
    };
    changed.iter().map(remove).collect()
}

/// Writes the device nodes of each device. Each is queried alone, so that one whose nodes are missing does not affect
/// the others.
async fn write_entries(spec: &Arc<PoolSpec>, pool: &Arc<Pool>) -> Result<(), WriteError> {
    let mut entries = Vec::new();
    for device in &pool.devices {
        // A call that is answered at once does not let other tasks run.
        tokio::task::yield_now().await;
        match with_thread(pool, vec![device.id.to_string()], allocate).await {
            Ok(allocation) => entries.extend(allocation.devices),
            Err(error) => tracing::debug!(
                event = "cdi_device_skipped",
                resource = %pool.resource.name,
                device = %device.id,
                error = inline(&error),
                "not in the CDI specification"
            ),
        }
    }
    let spec = Arc::clone(spec);
    blocking::run(move || spec.update(entries)).await
}
