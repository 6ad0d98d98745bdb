//! Differences of the devices of a resource on this node.

use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Details, Difference, Effect};
use sriovdp_agent::config::{ResourceName, ResourceSpec};
use sriovdp_agent::pools::{Fit, GoReading, Health, Pool, Resource, UnhealthyKind, device_names};
use sriovdp_agent::reconcile::Reconciler;
use sriovdp_report::{count, inline};
use sriovdp_sdk::PciAddress;

pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "other-devices",
        effect: Effect::Devices,
        find: other_devices,
    },
    Difference {
        id: "kept-out",
        effect: Effect::Devices,
        find: kept_out,
    },
    Difference {
        id: "unhealthy-devices",
        effect: Effect::Devices,
        find: unhealthy_devices,
    },
    Difference {
        id: "missing-device-node",
        effect: Effect::Devices,
        find: node_warnings,
    },
    Difference {
        id: "device-of-a-pod",
        effect: Effect::Devices,
        find: devices_of_pods,
    },
    Difference {
        id: "selector-reading",
        effect: Effect::Information,
        find: selector_readings,
    },
    Difference {
        id: "vf-number",
        effect: Effect::Devices,
        find: vf_numbers,
    },
    Difference {
        id: "empty-pool",
        effect: Effect::Information,
        find: empty_pools,
    },
    Difference {
        id: "preferred-allocation",
        effect: Effect::Information,
        find: preferred_allocation,
    },
];

/// The ids that a message has at most.
const NAMED: usize = 8;

/// The devices of the resources that are known.
pub(super) struct Pools(BTreeMap<ResourceName, BTreeSet<String>>);

impl Pools {
    fn of(state: &Reconciler) -> Self {
        let ids = |pool: &Pool| {
            let devices = pool.present().into_iter();
            devices.map(|device| device.id.to_string()).collect()
        };
        let pools = state.pools();
        Self(
            pools
                .map(|pool| (pool.resource.name.clone(), ids(&pool)))
                .collect(),
        )
    }

    /// The Go plugin keeps no device out, so the first resource that it matches has it.
    pub(super) fn of_go_plugin(state: &Reconciler) -> Self {
        let Self(mut pools) = Self::of(state);
        let mut assigned = BTreeSet::new();
        for kept_out in state.kept_out() {
            if assigned.insert(kept_out.device)
                && let Some(pool) = pools.get_mut(&kept_out.resource.name)
            {
                pool.insert(kept_out.device.to_string());
            }
        }
        Self(pools)
    }

    pub(super) fn devices(&self, name: &ResourceName) -> Option<&BTreeSet<String>> {
        self.0.get(name)
    }

    /// The resources that have some of these devices.
    fn owners(&self, ids: &[&String]) -> String {
        let has_one = |pool: &BTreeSet<String>| ids.iter().any(|id| pool.contains(*id));
        let owners = self.0.iter().filter(|(_, pool)| has_one(pool));
        let owners: Vec<String> = owners.map(|(name, _)| format!("`{name}`")).collect();
        owners.join(", ")
    }
}

/// Compares the pools.
fn other_devices(compared: &Comparison<'_>) -> Vec<Details> {
    let here = compared.here.0;
    let (pools, pools_there) = (Pools::of(here), Pools::of_go_plugin(compared.there.0));
    let mut found = Vec::new();
    for spec in here.specs() {
        let devices = pools.devices(&spec.name);
        let (Some(ids), Some(ids_there)) = (devices, pools_there.devices(&spec.name)) else {
            continue;
        };
        let more: Vec<&String> = ids.difference(ids_there).collect();
        let fewer: Vec<&String> = ids_there.difference(ids).collect();
        if more.is_empty() && fewer.is_empty() {
            continue;
        }
        let mut details = Vec::new();
        let differing = [
            (more, "only here", "with the Go plugin in", &pools_there),
            (fewer, "only with the Go plugin", "here in", &pools),
        ];
        for (ids, only, elsewhere, pools) in differing {
            if ids.is_empty() {
                continue;
            }
            let owners = pools.owners(&ids);
            let ids = named(&ids);
            details.push(match owners.is_empty() {
                true => format!("{only}: {ids}"),
                false => format!("{only}: {ids}; {elsewhere} {owners}"),
            });
        }
        if let Some(pool) = here.pool(&spec.name) {
            details.extend(readings(spec, &pool.resource));
        }
        let message = format!(
            "{}; with the Go plugin {}",
            count(ids.len(), "device"),
            ids_there.len()
        );
        found.push(Details::new(message).resource(&spec.name).details(details));
    }
    found
}

fn named(ids: &[&String]) -> String {
    let named: Vec<&str> = ids.iter().take(NAMED).map(|id| id.as_str()).collect();
    let named = named.join(", ");
    match ids.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

/// How the Go plugin reads the keys of a resource, where it is different.
fn readings(spec: &ResourceSpec, resource: &Resource) -> Vec<String> {
    let readings = resource.go_readings().into_iter();
    let sentences = readings.map(|read| {
        let path = spec.key_path(read.selector, read.key);
        match read.reading {
            GoReading::Ignored => format!("`{path}`: the Go plugin ignores the key"),
            GoReading::Depends(note) => format!("`{path}`: {note}"),
            GoReading::Without { texts, .. } => format!(
                "`{path}`: with the Go plugin, `{}` selects fewer devices, or none",
                texts.join("`, `")
            ),
            GoReading::Same => String::new(),
        }
    });
    sentences.collect()
}

fn selector_readings(compared: &Comparison<'_>) -> Vec<Details> {
    let mut found = Vec::new();
    for spec in compared.here.0.specs() {
        let pool = compared.here.0.pool(&spec.name);
        let readings = pool.map(|pool| readings(spec, &pool.resource));
        let readings = readings.into_iter().flatten();
        found.extend(readings.map(|sentence| Details::new(sentence).resource(&spec.name)));
    }
    found
}

fn kept_out(compared: &Comparison<'_>) -> Vec<Details> {
    let kept_out = compared.here.0.kept_out().into_iter();
    let details = kept_out.map(|kept_out| {
        let (device, reason) = (kept_out.device, kept_out.reason);
        Details::new(format!("`{device}` is not offered: {reason}"))
            .resource(&kept_out.resource.name)
    });
    details.collect()
}

fn unhealthy_devices(compared: &Comparison<'_>) -> Vec<Details> {
    let mut found = Vec::new();
    for pool in compared.here.0.pools() {
        for (reason, devices) in pool.unhealthy() {
            let message = format!(
                "{} of {} unhealthy: {}: {reason}",
                devices.len(),
                count(pool.devices.len(), "device"),
                device_names(&devices)
            );
            let details = Details::new(message).resource(&pool.resource.name);
            let kind = devices.first().and_then(|device| match &device.health {
                Health::Unhealthy { kind, .. } => Some(*kind),
                Health::Healthy | Health::Removed { .. } => None,
            });
            found.push(match kind {
                Some(UnhealthyKind::Link) => details.hint(
                    "`\"health\": {\"link\": false}` in the resource, which the Go plugin ignores, keeps them healthy",
                ),
                Some(UnhealthyKind::DeviceNode) => details.hint(
                    "create the device node; with `\"health\": {\"existence\": false}` they are healthy, and Allocate \
                     refuses them all the same",
                ),
                _ => details,
            });
        }
    }
    found
}

/// Providers warn of what Allocate will refuse.
fn node_warnings(compared: &Comparison<'_>) -> Vec<Details> {
    let warnings = compared.here.0.node_warnings();
    let details = warnings.iter().map(|warning| Details::new(inline(warning)));
    details.collect()
}

fn devices_of_pods(compared: &Comparison<'_>) -> Vec<Details> {
    let mut found = Vec::new();
    for pool in compared.here.0.pools() {
        let devices = pool.present().into_iter();
        let kept: Vec<_> = devices.filter(|d| d.fit != Fit::Matches).collect();
        if kept.is_empty() {
            continue;
        }
        let message = format!(
            "{} no selector and stay, because a pod uses them: {}",
            match kept.len() {
                1 => "1 device matches".to_owned(),
                more => format!("{more} devices match"),
            },
            device_names(&kept)
        );
        found.push(Details::new(message).resource(&pool.resource.name));
    }
    found
}

/// Virtual functions whose number is not below their count, as after a gap in the numbers.
fn vf_numbers(compared: &Comparison<'_>) -> Vec<Details> {
    let state = compared.here.0;
    let counts = state.functions().iter().map(|f| (f.address, f.vf_count));
    let counts: BTreeMap<PciAddress, u32> = counts.collect();
    let beyond = state.functions().iter().filter(|function| {
        let count = function.physical_function.and_then(|pf| counts.get(&pf));
        let is_beyond = |number| count.is_some_and(|count| number >= *count);
        function.vf_index.is_some_and(is_beyond)
    });
    let beyond: BTreeSet<PciAddress> = beyond.map(|function| function.address).collect();
    let mut found = Vec::new();
    for pool in state.pools() {
        let devices = pool.present().into_iter();
        let devices: Vec<_> = devices
            .filter(|d| {
                d.function
                    .is_some_and(|function| beyond.contains(&function))
            })
            .collect();
        if devices.is_empty() {
            continue;
        }
        let message = format!(
            "the number of the virtual function is not below the count of them, so the Go plugin selects it by no range: {}",
            device_names(&devices)
        );
        found.push(Details::new(message).resource(&pool.resource.name));
    }
    found
}

fn empty_pools(compared: &Comparison<'_>) -> Vec<Details> {
    let pools = compared.here.0.pools();
    let empty = pools.filter(|pool| pool.present().is_empty());
    let message = "it is registered without devices; the Go plugin does not register it";
    empty
        .map(|pool| Details::new(message).resource(&pool.resource.name))
        .collect()
}

fn preferred_allocation(compared: &Comparison<'_>) -> Vec<Details> {
    let pools = compared.here.0.pools();
    let several = pools.filter(|pool| pool.present().len() > 1).count();
    let message = "which free devices a container gets follows `allocationPolicy`; with the Go plugin, the kubelet chooses";
    (several > 0)
        .then(|| Details::new(message))
        .into_iter()
        .collect()
}
