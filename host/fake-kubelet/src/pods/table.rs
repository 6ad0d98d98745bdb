//! The devices of pods, as a kubelet keeps them in its checkpoint.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::Pod;

use super::{ContainerDevices, ContainerKind, ContainerSpec, Phase, PodSpec, PodView};

#[derive(Debug, Default)]
pub(crate) struct Pods {
    /// By name. Of two pods with one name only the last is kept.
    records: BTreeMap<String, Record>,
    begun: usize,
}

#[derive(Debug)]
struct Record {
    /// Differs between pods with one name.
    uid: String,
    spec: PodSpec,
    view: PodView,
    /// What the program of the device manager writes into its status.
    health: BTreeMap<String, String>,
    is_deleted: bool,
    containers_run: bool,
}

impl Pods {
    /// Adds a pod. Ended pods lose their devices now, because a kubelet frees devices at admission only.
    pub(crate) fn begin(&mut self, spec: &PodSpec) {
        self.records
            .retain(|name, record| !record.is_deleted && *name != spec.name);
        for record in self.records.values_mut() {
            if record.has_ended() {
                record.view.devices.clear();
            }
        }
        let view = PodView {
            name: spec.name.clone(),
            phase: Phase::Pending,
            devices: Vec::new(),
        };
        self.begun += 1;
        let record = Record {
            uid: format!("{}-{}", spec.name, self.begun),
            health: BTreeMap::new(),
            spec: spec.clone(),
            view,
            is_deleted: false,
            containers_run: false,
        };
        self.records.insert(spec.name.clone(), record);
    }

    /// The pods that have not ended.
    pub(crate) fn living(&self) -> Vec<Pod> {
        let living = self.records.values().filter(|record| !record.has_ended());
        let pods = living.map(|record| Pod::new(&record.spec, &record.uid, record.containers_run));
        pods.collect()
    }

    pub(crate) fn uid(&self, pod: &str) -> Option<String> {
        Some(self.records.get(pod)?.uid.clone())
    }

    /// The name of a pod, and whether its containers run.
    pub(crate) fn by_uid(&self, uid: &str) -> Option<(String, bool)> {
        let found = self.records.iter().find(|(_, record)| record.uid == uid);
        found.map(|(name, record)| (name.clone(), record.containers_run))
    }

    pub(crate) fn set_health(&mut self, uid: &str, words: &BTreeMap<String, String>) {
        let mut records = self.records.values_mut();
        if let Some(record) = records.find(|record| record.uid == uid) {
            record.health.clone_from(words);
        }
    }

    /// The status has the health of these containers alone.
    pub(super) fn is_app(&self, pod: &str, container: &str) -> bool {
        let kind = self
            .records
            .get(pod)
            .and_then(|record| record.kind(container));
        kind == Some(ContainerKind::App)
    }

    pub(super) fn health(&self, pod: &str) -> BTreeMap<String, String> {
        let record = self.records.get(pod);
        record
            .map(|record| record.health.clone())
            .unwrap_or_default()
    }

    pub(crate) fn view(&self, pod: &str) -> Option<&PodView> {
        let record = self.records.get(pod).filter(|record| !record.is_deleted)?;
        Some(&record.view)
    }

    /// The allocated devices of a resource.
    pub(super) fn held(&self, resource: &str) -> BTreeSet<String> {
        let devices = self
            .records
            .values()
            .flat_map(|record| &record.view.devices);
        let ours = devices.filter(|devices| devices.resource == resource);
        ours.flat_map(|devices| devices.ids.iter().cloned())
            .collect()
    }

    /// The devices of all pods by name, including ended pods until the next admission.
    pub(super) fn holding(&self) -> impl Iterator<Item = (&str, &ContainerDevices)> {
        let of_pod = |(name, record)| {
            let record: &Record = record;
            let name: &String = name;
            let devices = record.view.devices.iter();
            devices.map(move |devices| (name.as_str(), devices))
        };
        self.records.iter().flat_map(of_pod)
    }

    /// The devices of pods that have not ended.
    pub(super) fn active(&self) -> impl Iterator<Item = (&str, &ContainerDevices)> {
        let has_ended = |pod: &str| self.records.get(pod).is_some_and(Record::has_ended);
        self.holding().filter(move |(pod, _)| !has_ended(pod))
    }

    /// The same without those of init containers.
    pub(super) fn running_devices(&self) -> impl Iterator<Item = (&str, &ContainerDevices)> {
        let is_init = |pod: &str, container: &str| {
            let kind = self
                .records
                .get(pod)
                .and_then(|record| record.kind(container));
            kind == Some(ContainerKind::Init)
        };
        let active = self.active();
        active.filter(move |(pod, devices)| !is_init(pod, &devices.container))
    }

    /// Removes a pod with its devices, as the next admission does with an ended pod.
    pub(super) fn forget(&mut self, pod: &str) -> bool {
        self.records.remove(pod).is_some()
    }

    /// The devices that init containers of the pod have left for this container.
    pub(super) fn left_for(&self, pod: &str, container: &ContainerSpec) -> BTreeSet<String> {
        let Some(record) = self.records.get(pod) else {
            return BTreeSet::new();
        };
        let (left, kept): (Vec<_>, Vec<_>) = record
            .view
            .devices
            .iter()
            .filter(|devices| devices.resource == container.resource)
            .partition(|devices| record.kind(&devices.container) == Some(ContainerKind::Init));
        let ids = |devices: Vec<&ContainerDevices>| -> BTreeSet<String> {
            let ids = devices.into_iter().flat_map(|devices| devices.ids.clone());
            ids.collect()
        };
        &ids(left) - &ids(kept)
    }

    pub(crate) fn grant(&mut self, pod: &str, devices: ContainerDevices) {
        if let Some(record) = self.records.get_mut(pod) {
            record.view.devices.push(devices);
        }
    }

    /// All containers are admitted.
    pub(crate) fn admitted(&mut self, pod: &str) {
        if let Some(record) = self.records.get_mut(pod) {
            record.containers_run = !record.spec.image_is_missing;
            if record.containers_run {
                record.view.phase = Phase::Running;
            }
        }
    }

    pub(crate) fn reject(&mut self, pod: &str, why: &str) {
        if let Some(record) = self.records.get_mut(pod) {
            record.containers_run = false;
            record.view.phase = Phase::Failed {
                reason: "UnexpectedAdmissionError",
                message: format!("Allocate failed due to {why}, which is unexpected"),
            };
        }
    }

    pub(super) fn succeed(&mut self, pod: &str) -> bool {
        let record = self.records.get_mut(pod);
        let ended = record.map(|record| {
            record.containers_run = false;
            record.view.phase = Phase::Succeeded;
        });
        ended.is_some()
    }

    pub(super) fn delete(&mut self, pod: &str) -> bool {
        let record = self.records.get_mut(pod);
        let deleted = record.map(|record| {
            record.containers_run = false;
            record.is_deleted = true;
        });
        deleted.is_some()
    }

    /// The node rebooted: no container runs.
    pub(super) fn all_stopped(&mut self) {
        for record in self.records.values_mut() {
            record.containers_run = false;
        }
    }

    /// A start of the kubelet admits its pods again, except those that run or have ended. The others need healthy devices,
    /// and no plugin has registered yet.
    pub(crate) fn readmit(&mut self, is_registered: impl Fn(&str) -> bool) {
        let waiting = |record: &Record| !record.containers_run && !record.has_ended();
        let mut refused = Vec::new();
        for (name, record) in self.records.iter().filter(|(_, record)| waiting(record)) {
            if let Some(devices) = record.view.devices.first() {
                refused.push((name.clone(), devices.resource.clone()));
            }
        }
        for (pod, resource) in refused {
            let why = if is_registered(&resource) {
                format!("no healthy devices present; cannot allocate unhealthy devices {resource}")
            } else {
                format!("cannot allocate unregistered device {resource}")
            };
            self.reject(&pod, &why);
        }
    }
}

impl Record {
    fn kind(&self, container: &str) -> Option<ContainerKind> {
        let mut containers = self.spec.containers.iter();
        let found = containers.find(|other| other.name == container);
        found.map(|container| container.kind)
    }

    fn has_ended(&self) -> bool {
        let is_terminal = matches!(self.view.phase, Phase::Succeeded | Phase::Failed { .. });
        is_terminal || self.is_deleted
    }
}
