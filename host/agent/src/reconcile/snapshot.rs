//! What one reconcile has read of the node: a value that the next one replaces whole.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use sriovdp_kubelet::PodDevices;
use sriovdp_pci_scan::Bus;
use sriovdp_providers::blocking::Running;
use sriovdp_providers::{Matches, Providers, blocking};
use sriovdp_sdk::{DeviceId, Error, HostRoot, PciAddress, PciFunction};
use tokio::time::Instant;

use super::unread::Unread;
use crate::config::ResourceName;
use crate::pools::{
    AssignedDevice, DiscoveredDevices, NodeNow, OwnerByDevice, PendingDiscoveries, Pool,
    PoolDevice, ProviderSections, Request, Resource, Scan, ScanError, assign,
};

/// What a reconcile reads of the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReconcileKind {
    /// Everything.
    #[default]
    Full,
    /// The PCI functions that may have changed.
    Incremental,
}

impl ReconcileKind {
    /// Its name, as the label `scope` of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }
}

/// The PCI bus, the devices, and which of them match which resources.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// The PCI bus, in the order of addresses.
    pub(super) functions: Arc<[PciFunction]>,
    pub(super) scan: Scan,
    /// Why the bus and the scan are those of an earlier snapshot.
    pub(super) bus_error: Option<ScanError>,
    /// What of the node was read for it.
    pub(super) kind: ReconcileKind,
    /// The resources with their matches, in the configuration's order.
    pub(super) resources: Vec<MatchedResource>,
}

/// A resource, and what its selectors match.
#[derive(Debug)]
pub(super) struct MatchedResource {
    pub(super) resource: Arc<Resource>,
    /// For each selector; without those that follow one that failed.
    pub(super) matches: Vec<Arc<Matches>>,
    /// Why its devices are unknown: a provider failed.
    pub(super) unknown: Option<ScanError>,
}

/// What a snapshot is read from.
pub(super) struct Node<'a> {
    pub(super) root: &'a Path,
    pub(super) providers: &'a Providers,
    pub(super) pending: &'a mut PendingDiscoveries,
    pub(super) unread: &'a mut Unread,
    pub(super) sections: &'a ProviderSections,
    /// The first scan of the bus, which began before the providers were loaded.
    pub(super) first_scan: Option<FirstScan>,
}

/// A scan of the bus under way.
#[derive(Debug)]
pub(super) struct FirstScan(Running<Result<Bus, Error>>);

impl Snapshot {
    /// Begins to scan the bus, if this is the state before the first snapshot.
    pub(super) fn first_scan(&self, root: &Path) -> Option<FirstScan> {
        let root = HostRoot::new(root);
        let is_first = self.functions.is_empty();
        let scan = || blocking::start(move || sriovdp_pci_scan::scan(&root, &[]));
        Some(FirstScan(is_first.then(scan)?.ok()?))
    }

    /// The snapshot after this one. It reads only what is behind the functions `scope` if this one is complete and about
    /// the same resources. What cannot be read is as before.
    pub(super) async fn next(
        &self,
        mut node: Node<'_>,
        resources: Vec<Arc<Resource>>,
        scope: Option<&BTreeSet<PciAddress>>,
    ) -> Self {
        let scope = scope.filter(|_| self.is_complete() && self.resources().eq(&resources));
        let scope = scope.map(|functions| node.unread.with(functions, Instant::now()));
        let mut next = self.scan(&mut node, &resources, scope.as_ref()).await;
        if next.kind == ReconcileKind::Incremental && next.failures().next().is_some() {
            next = next.scan(&mut node, &resources, None).await;
        }
        node.unread.scanned(next.scan.unread(), Instant::now());
        for (n, resource) in resources.into_iter().enumerate() {
            let before = self.resources.get(n).map(|before| &before.matches[..]);
            let matched = next.matched(resource, before.unwrap_or_default()).await;
            next.resources.push(matched);
        }
        next
    }

    /// Whether everything is known, so that the next snapshot can be incremental.
    fn is_complete(&self) -> bool {
        self.failures().next().is_none() && self.unknown().next().is_none()
    }

    /// Why something is as in an earlier snapshot.
    pub(super) fn failures(&self) -> impl Iterator<Item = &ScanError> {
        let of_scan = match self.bus_error {
            Some(_) => &[],
            None => self.scan.failures(),
        };
        self.bus_error.iter().chain(of_scan)
    }

    /// The resources, in the configuration's order.
    pub(super) fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.iter().map(|matched| &matched.resource)
    }

    /// The resources whose devices are unknown, and why.
    pub(super) fn unknown(&self) -> impl Iterator<Item = (&Arc<Resource>, &ScanError)> {
        let resources = self.resources.iter();
        resources.filter_map(|matched| Some((&matched.resource, matched.unknown.as_ref()?)))
    }

    async fn scan(
        &self,
        node: &mut Node<'_>,
        resources: &[Arc<Resource>],
        scope: Option<&BTreeSet<PciAddress>>,
    ) -> Self {
        let root = HostRoot::new(node.root);
        let before = Arc::clone(&self.functions);
        let functions = scope.cloned();
        let first = match node.first_scan.take() {
            Some(FirstScan(scan)) if scope.is_none() => scan.await.ok(),
            _ => None,
        };
        let bus = match first {
            Some(bus) => bus,
            None => {
                let scan = move || match functions {
                    Some(functions) => sriovdp_pci_scan::rescan(&root, &before, &functions),
                    None => sriovdp_pci_scan::scan(&root, &before),
                };
                blocking::run(scan).await
            }
        };
        let mut next = Self {
            kind: match scope {
                Some(_) => ReconcileKind::Incremental,
                None => ReconcileKind::Full,
            },
            ..Self::default()
        };
        match bus {
            Ok(bus) => {
                node.unread.read_bus(bus.part.as_ref(), bus.unread);
                next.functions = bus.functions.into();
                let now = NodeNow {
                    root: &node.root.display().to_string(),
                    functions: &next.functions,
                    part: bus.part.as_ref(),
                    sections: node.sections,
                };
                let scan = self.scan.next(node.pending, node.providers, resources, now);
                next.scan = scan.await;
            }
            Err(error) => {
                next.functions = Arc::clone(&self.functions);
                next.scan = self.scan.clone();
                next.bus_error = Some(ScanError::of_bus(error));
            }
        }
        next
    }

    async fn matched(&self, resource: Arc<Resource>, before: &[Arc<Matches>]) -> MatchedResource {
        let mut matched = MatchedResource {
            matches: Vec::with_capacity(resource.selectors.len()),
            unknown: None,
            resource,
        };
        let device_type = &matched.resource.device_type;
        for (n, selector) in matched.resource.selectors.iter().enumerate() {
            match self.scan.select(device_type, selector, before.get(n)).await {
                Ok(matches) => matched.matches.push(matches),
                Err(error) => {
                    matched.unknown = Some(error);
                    break;
                }
            }
        }
        matched
    }

    /// The devices of each resource, given the published `pools` and the devices that pods have.
    pub(super) fn assign<'a>(
        &'a self,
        pools: &'a [Arc<Pool>],
        pod_devices: &PodDevices,
    ) -> Vec<Vec<AssignedDevice<'a>>> {
        static NONE: DiscoveredDevices = DiscoveredDevices::NONE;
        // A pool that keeps its devices keeps them from others too.
        let unknown = self.unknown();
        let kept = unknown.filter_map(|(resource, _)| pool_of(pools, &resource.name));
        let kept = kept.flat_map(|pool| pool.devices.iter().map(|device| device.id.as_str()));
        let requests = self.resources.iter().map(|matched| Request {
            device_type: &matched.resource.device_type,
            devices: self.devices_of(&matched.resource).unwrap_or(&NONE),
            matches: &matched.matches,
        });
        let requests: Vec<Request<'_>> = requests.collect();
        assign(&requests, kept, &self.owner_by_device(pod_devices))
    }

    /// The resources, by their positions, that get no pool yet: pods have devices that may be parts of theirs, and the
    /// provider of those has not answered since the start and may still do so within its timeout.
    pub(super) fn waiting_for_parts(
        &self,
        pools: &[Arc<Pool>],
        pod_devices: &PodDevices,
        pending: &PendingDiscoveries,
    ) -> Vec<(usize, ScanError)> {
        let unanswered = self.resources().find(|resource| {
            self.devices_of(resource).is_none()
                && pending.waits_for_owner(&resource.device_type)
                && pod_devices.any_of(&resource.name.to_string())
        });
        let Some(unanswered) = unanswered else {
            return Vec::new();
        };
        let resources = self.resources().enumerate();
        let waiting = resources.filter(|(_, resource)| {
            resource.device_type != unanswered.device_type
                && pool_of(pools, &resource.name).is_none()
        });
        let error = |(n, _)| (n, ScanError::waits_for_parts(&unanswered.name));
        waiting.map(error).collect()
    }

    /// The devices of the resource's device type.
    pub(super) fn devices_of(&self, resource: &Resource) -> Option<&DiscoveredDevices> {
        self.scan.devices_of(&resource.device_type)
    }

    fn owner_by_device<'p>(&self, pod_devices: &'p PodDevices) -> OwnerByDevice<'p> {
        let names = self.resources().map(|resource| resource.name.to_string());
        let positions: HashMap<String, usize> = names.zip(0..).collect();
        let owners = pod_devices.iter().map(|(id, owners)| {
            let known = owners.iter().filter_map(|name| positions.get(name));
            (id, known.min().copied())
        });
        owners.collect()
    }

    /// The devices that pods have and that no provider offers, by the position of their resource: a function that has lost
    /// its driver, or one that the node no longer has.
    pub(super) fn absent(&self, pod_devices: &PodDevices) -> HashMap<usize, Vec<PoolDevice>> {
        let mut absent: HashMap<usize, Vec<PoolDevice>> = HashMap::new();
        for (id, owner) in self.owner_by_device(pod_devices) {
            let (Some(owner), Ok(id)) = (owner, DeviceId::new(id)) else {
                continue;
            };
            let found = self.devices_of(&self.resources[owner].resource);
            if found.is_some_and(|found| found.device(&id).is_none()) {
                let devices = absent.entry(owner).or_default();
                devices.push(PoolDevice::absent(id, &self.functions));
            }
        }
        absent
    }

    /// Whether a device joins or leaves one of the published `pools`, or all do with their pool.
    pub(super) fn changes_membership(
        &self,
        pools: &[Arc<Pool>],
        assigned: &[Vec<AssignedDevice<'_>>],
    ) -> bool {
        let names: HashSet<&ResourceName> = self.resources().map(|r| &r.name).collect();
        let mut withdrawn = pools.iter().filter(|p| !names.contains(&p.resource.name));
        let mut known = self.resources.iter().zip(assigned);
        withdrawn.next().is_some()
            || known.any(|(matched, assigned)| {
                let pool = pool_of(pools, &matched.resource.name);
                let present = pool.map_or(0, |pool| pool.present().len());
                let is_new = |assigned: &AssignedDevice<'_>| {
                    let before = pool.and_then(|pool| pool.device(assigned.device.id.as_str()));
                    before.is_none_or(|device| device.health.is_removed())
                };
                matched.unknown.is_none()
                    && (present != assigned.len() || assigned.iter().any(is_new))
            })
    }
}

/// The pool of a resource among `pools`, which are in the order of their names.
pub(super) fn pool_of<'a>(pools: &'a [Arc<Pool>], name: &ResourceName) -> Option<&'a Pool> {
    let at = pools.binary_search_by(|pool| pool.resource.name.cmp(name));
    at.ok().map(|at| pools[at].as_ref())
}
