//! Which pool has which device: by the selectors, and by the devices that pods have.

use std::collections::HashMap;
use std::sync::Arc;

use sriovdp_kubelet::PodDevices;
use sriovdp_sdk::DeviceId;
use tokio::time::Instant;

use super::Reconciler;
use super::pod_devices_cache::Need;
use super::removal_reasons::{RemovalReasons, removal_reasons};
use super::retained::Retained;
use super::snapshot::{MatchedResource, Snapshot, pool_of};
use crate::pools::{
    AssignedDevice, Fit, FlapDamping, Health, Pool, PoolDevice, ScanError, UnhealthyKind,
    evaluate_health,
};

/// What each resource gets, in the configuration's order; nothing for a resource whose devices are unknown.
pub(super) type Assignments = Vec<Option<Assignment>>;

/// What one resource gets.
pub(super) struct Assignment {
    pub(super) devices: Vec<PoolDevice>,
    /// Devices that pods have of this resource and that its provider does not offer.
    pub(super) absent: Vec<PoolDevice>,
    /// Why it no longer gets others.
    pub(super) removal_reasons: RemovalReasons,
}

/// The devices that match no selector and are assigned because pods have them, by the position of their resource.
type RetainedDevices = HashMap<(usize, DeviceId), Retained>;

impl Reconciler {
    /// Assigns the devices of the snapshot, given the published `pools`. The devices that pods have are read only when
    /// the result depends on them.
    pub(super) async fn assign(&mut self, pools: &[Arc<Pool>], now: Instant) -> Assignments {
        let mut assigned = self.snapshot.assign(pools, self.pod_devices.get());
        let need = if self.snapshot.changes_membership(pools, &assigned) {
            Need::MembershipChange
        } else if pools.iter().any(|pool| pool.waits_for_pods(now)) {
            Need::EndOfPod
        } else {
            Need::None
        };
        if self.pod_devices.refresh_due(now, need) {
            self.pod_devices.read(&self.settings.tree, now).await;
            assigned = self.snapshot.assign(pools, self.pod_devices.get());
        }
        let (retained, mut failures) = explain_retained(&self.snapshot, pools, &assigned).await;
        let pod_devices = self.pod_devices.get();
        failures.extend(
            self.snapshot
                .waiting_for_parts(pools, pod_devices, &self.pending),
        );
        if !failures.is_empty() {
            for (n, error) in failures {
                self.snapshot.resources[n].unknown = Some(error);
            }
            assigned = self.snapshot.assign(pools, self.pod_devices.get());
        }
        let is_relevant = !self.pod_devices.get().is_empty()
            && self.snapshot.assign(pools, &PodDevices::default()) != assigned;
        self.pod_devices.set_relevant(is_relevant);
        let mut absent = self.snapshot.absent(self.pod_devices.get());
        let mut assignments = Vec::new();
        for ((n, matched), assigned) in self.snapshot.resources.iter().enumerate().zip(assigned) {
            if matched.unknown.is_some() {
                assignments.push(None);
                continue;
            }
            let devices = assigned.into_iter().map(|assigned| {
                let retained = retained.get(&(n, assigned.device.id.clone()));
                pool_device(&self.snapshot, matched, assigned, retained, &self.flaps)
            });
            let devices: Vec<PoolDevice> = devices.collect();
            let absent = absent.remove(&n).unwrap_or_default();
            let (scan, resource) = (&self.snapshot.scan, &matched.resource);
            let pool = pool_of(pools, &resource.name);
            let removal_reasons = removal_reasons(scan, resource, pool, &devices, &absent).await;
            assignments.push(Some(Assignment {
                devices,
                absent,
                removal_reasons,
            }));
        }
        assignments
    }
}

/// Explains the devices that are assigned because pods have them. Returns errors for the resources of which a provider
/// cannot explain one.
async fn explain_retained(
    snapshot: &Snapshot,
    pools: &[Arc<Pool>],
    assigned: &[Vec<AssignedDevice<'_>>],
) -> (RetainedDevices, Vec<(usize, ScanError)>) {
    let (mut all, mut failures) = (RetainedDevices::new(), Vec::new());
    let resources = snapshot.resources.iter().zip(assigned).enumerate();
    for (n, (matched, assigned)) in resources.filter(|(_, (m, _))| m.unknown.is_none()) {
        let resource = &matched.resource;
        let pool = pool_of(pools, &resource.name);
        for assigned in assigned.iter().filter(|a| a.selector.is_none()) {
            let id = &assigned.device.id;
            match Retained::of(&snapshot.scan, resource, id.as_str(), pool).await {
                Ok(retained) => drop(all.insert((n, id.clone()), retained)),
                Err(error) => {
                    failures.push((n, error));
                    break;
                }
            }
        }
    }
    (all, failures)
}

fn pool_device(
    snapshot: &Snapshot,
    matched: &MatchedResource,
    assigned: AssignedDevice<'_>,
    retained: Option<&Retained>,
    flaps: &FlapDamping,
) -> PoolDevice {
    let (device, resource) = (assigned.device, &matched.resource);
    let selector = assigned
        .selector
        .or_else(|| retained.and_then(|retained| retained.selector));
    let for_selector = match assigned.selector {
        Some(selector) => matched.matches[selector].findings.get(&device.id),
        None => retained.map(|retained| &retained.findings),
    };
    let general = selector.map(|n| snapshot.scan.findings(&resource.selectors[n], device));
    let findings = for_selector.into_iter().flatten();
    let replaced = selector.map(|n| resource.selectors[n].replaced());
    let replaced = replaced.unwrap_or_default();
    let findings = findings.chain(general.into_iter().flatten());
    // What an extension replaces may be missing.
    let counts = |part: &String| !replaced.contains(part);
    let findings = findings.filter(|finding| finding.part.as_ref().is_none_or(counts));
    PoolDevice {
        id: device.id.clone(),
        function: device.function,
        physical_function: device.physical_function,
        numa_node: device.numa_node,
        extras: device.extras.clone(),
        health: match retained.and_then(Retained::mismatch) {
            Some(reason) => Health::Unhealthy {
                kind: UnhealthyKind::Mismatch,
                reason,
            },
            None => evaluate_health(findings, flaps.is_flapping(&device.id), resource.health),
        },
        selector,
        fit: retained.map_or(Fit::Matches, |retained| retained.fit.clone()),
    }
}
