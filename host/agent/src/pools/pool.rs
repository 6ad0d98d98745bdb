//! One resource's devices, as they are published.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sriovdp_providers::DeviceExtras;
use sriovdp_sdk::{DeviceId, FindingKind, PciAddress};
use tokio::time::Instant;

use super::Resource;

/// How long a device that has left stays in its pool as unhealthy.
///
/// Kubelets from 1.34 on crash when a device leaves the list between the choice of it and the answer to Allocate.
pub const REMOVAL_GRACE_PERIOD: Duration = Duration::from_secs(60);

/// A physical function takes all of its virtual ones along, so messages name only this many.
const NAMED: usize = 4;

/// A published state of a resource; replaced whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// What is offered.
    pub resource: Arc<Resource>,
    /// Its devices, by id.
    pub devices: Vec<PoolDevice>,
}

/// One device of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolDevice {
    /// The id for the kubelet.
    pub id: DeviceId,
    /// The PCI function that it is or belongs to.
    pub function: Option<PciAddress>,
    /// The physical function behind it, which may be `function` itself.
    pub physical_function: Option<PciAddress>,
    /// The first NUMA node.
    pub numa_node: Option<u32>,
    /// What few devices have.
    pub extras: Option<Arc<DeviceExtras>>,
    /// Whether new pods may have it.
    pub health: Health,
    /// The selector of the resource that it matched, if that is known.
    pub selector: Option<usize>,
    /// Whether it still matches a selector.
    pub fit: Fit,
}

/// Whether a device of a pool matches a selector now. If it matches none, it is in the pool because a pod has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Matches,
    /// It matches none, and no value of the device contradicts the selector by which containers get it.
    Retained,
    /// A value of the device contradicts each selector, and no container gets it.
    Mismatch(Arc<str>),
}

/// Whether new pods may have a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// They may.
    Healthy,
    /// They may not.
    Unhealthy {
        /// What the reason is about.
        kind: UnhealthyKind,
        /// Why.
        reason: Arc<str>,
    },
    /// It is not in the pool any more; it is listed for the grace period.
    Removed {
        /// When it left.
        since: Instant,
        /// Why.
        reason: Arc<str>,
    },
}

/// What the reason for which a device is unhealthy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnhealthyKind {
    /// The link of its PF.
    Link,
    /// A device node that is missing.
    DeviceNode,
    /// A value of the device, such as its driver, that no selector of its resource matches any more.
    Mismatch,
    /// Something that the provider reports.
    Other,
}

impl UnhealthyKind {
    /// Its name, as a label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::DeviceNode => "device_node",
            Self::Mismatch => "mismatch",
            Self::Other => "other",
        }
    }
}

impl From<FindingKind> for UnhealthyKind {
    fn from(kind: FindingKind) -> Self {
        match kind {
            FindingKind::Link => Self::Link,
            FindingKind::DeviceNode => Self::DeviceNode,
            _ => Self::Other,
        }
    }
}

/// The context in which devices leave a pool.
#[derive(Clone, Copy)]
pub struct Removal<'a> {
    /// The time.
    pub now: Instant,
    /// Whether a device still is in use: a pod has it, or is just getting it.
    pub is_in_use: &'a dyn Fn(&DeviceId) -> bool,
    /// Why a device has left.
    pub reason: &'a dyn Fn(&DeviceId) -> Arc<str>,
}

impl fmt::Debug for Removal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Removal")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

impl Health {
    /// Whether the device is listed for the grace period only.
    pub fn is_removed(&self) -> bool {
        matches!(self, Self::Removed { .. })
    }

    /// Why new pods may not have the device, if they may not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Healthy => None,
            Self::Unhealthy { reason, .. } | Self::Removed { reason, .. } => Some(reason),
        }
    }
}

impl PoolDevice {
    /// The NUMA nodes after the first one.
    pub fn other_numa_nodes(&self) -> &[u32] {
        let extras = self.extras.as_ref();
        extras.map_or(&[], |extras| &extras.other_numa_nodes)
    }
}

impl Pool {
    /// The state with `devices` that follows on `self`: a removed device stays as unhealthy for the grace period, and as
    /// long as it is in use.
    #[must_use]
    pub fn then(
        &self,
        resource: Arc<Resource>,
        mut devices: Vec<PoolDevice>,
        removal: Removal<'_>,
    ) -> Self {
        devices.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let left = self
            .devices
            .iter()
            .filter(|old| devices.binary_search_by(|new| new.id.cmp(&old.id)).is_err());
        let mut removed: Vec<PoolDevice> = left
            .filter_map(|old| {
                let reason = (removal.reason)(&old.id);
                let since = match old.health {
                    Health::Removed { since, .. } => since,
                    _ => removal.now,
                };
                let is_over = removal.now.duration_since(since) >= REMOVAL_GRACE_PERIOD;
                (!is_over || (removal.is_in_use)(&old.id)).then(|| PoolDevice {
                    health: Health::Removed { since, reason },
                    selector: resource.selector_now(&self.resource, old.selector),
                    ..old.clone()
                })
            })
            .collect();
        if !removed.is_empty() {
            devices.append(&mut removed);
            devices.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        }
        Self { resource, devices }
    }

    /// A pool without devices.
    pub fn empty(resource: Arc<Resource>) -> Self {
        Self {
            resource,
            devices: Vec::new(),
        }
    }

    /// The device with this id.
    pub fn device(&self, id: &str) -> Option<&PoolDevice> {
        let at = self
            .devices
            .binary_search_by(|device| device.id.as_str().cmp(id))
            .ok()?;
        Some(&self.devices[at])
    }

    /// The devices that have not left.
    pub fn present(&self) -> Vec<&PoolDevice> {
        let devices = self.devices.iter();
        devices
            .filter(|device| !device.health.is_removed())
            .collect()
    }

    /// How many devices new pods may have.
    pub fn healthy(&self) -> usize {
        self.devices
            .iter()
            .filter(|device| device.health == Health::Healthy)
            .count()
    }

    /// The unhealthy devices by their reason.
    pub fn unhealthy(&self) -> BTreeMap<&str, Vec<&PoolDevice>> {
        let mut by_reason: BTreeMap<&str, Vec<&PoolDevice>> = BTreeMap::new();
        for device in &self.devices {
            if let Some(reason) = device.health.reason() {
                by_reason.entry(reason).or_default().push(device);
            }
        }
        by_reason
    }

    /// Whether a device is listed only because of a pod that may have ended by now.
    pub fn waits_for_pods(&self, now: Instant) -> bool {
        self.devices.iter().any(|device| match device.health {
            Health::Removed { since, .. } => now >= since + REMOVAL_GRACE_PERIOD,
            _ => false,
        })
    }

    /// When a device may leave the list.
    pub fn requeue_at(&self, now: Instant) -> Option<Instant> {
        let waits = self
            .devices
            .iter()
            .filter_map(|device| match device.health {
                Health::Removed { since, .. } if now < since + REMOVAL_GRACE_PERIOD => {
                    Some(since + REMOVAL_GRACE_PERIOD)
                }
                Health::Removed { .. } => Some(now + REMOVAL_GRACE_PERIOD),
                _ => None,
            });
        waits.min()
    }
}

/// The ids of some devices, for a message.
pub fn device_names(devices: &[&PoolDevice]) -> String {
    let named = devices.iter().take(NAMED).map(|device| device.id.as_str());
    let named = named.collect::<Vec<_>>().join(", ");
    match devices.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pools::sample;

    fn resource() -> Arc<Resource> {
        sample::resource("intel.com", "x")
    }

    fn devices(ids: &[&str]) -> Vec<PoolDevice> {
        ids.iter().map(|id| sample::device(id)).collect()
    }

    fn show(pool: &Pool) -> String {
        let mark = |health: &Health| match health {
            Health::Healthy => "",
            Health::Unhealthy { .. } => "!",
            Health::Removed { .. } => "?",
        };
        pool.devices
            .iter()
            .map(|d| format!("{}{} ", d.id, mark(&d.health)))
            .collect()
    }

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// The pool with the devices `ids` now, while `used` is in use.
    fn then(pool: &Pool, ids: &[&str], used: &str, now: Instant) -> Pool {
        let removal = Removal {
            now,
            is_in_use: &|id| id.as_str() == used,
            reason: &|_| "gone".into(),
        };
        pool.then(resource(), devices(ids), removal)
    }

    #[test]
    fn a_device_leaves_as_unhealthy_first() {
        let start = Instant::now();
        let pool = then(&Pool::empty(resource()), &["b", "a"], "", start);
        assert_eq!(
            (show(&pool).as_str(), pool.requeue_at(start)),
            ("a b ", None)
        );
        let pool = then(&pool, &["b"], "", at(start, 10));
        assert_eq!(show(&pool), "a? b ");
        assert_eq!(pool.devices[0].health.reason(), Some("gone"));
        assert_eq!(pool.requeue_at(at(start, 20)), Some(at(start, 70)));
        let pool = then(&pool, &["b"], "", at(start, 69));
        assert_eq!(show(&pool), "a? b ");
        assert_eq!(show(&then(&pool, &["a", "b"], "", at(start, 69))), "a b ");
        assert_eq!(show(&then(&pool, &["b"], "", at(start, 70))), "b ");
    }

    #[test]
    fn a_device_in_use_does_not_leave() {
        let start = Instant::now();
        let pool = then(&Pool::empty(resource()), &["a", "b"], "", start);
        let pool = then(&pool, &[], "a", start);
        let pool = then(&pool, &[], "a", at(start, 600));
        assert_eq!(show(&pool), "a? ");
        assert_eq!(pool.requeue_at(at(start, 600)), Some(at(start, 660)));
        assert_eq!(show(&then(&pool, &[], "", at(start, 660))), "");
    }

    #[test]
    fn an_unchanged_pool_is_equal() {
        let now = Instant::now();
        let pool = then(&Pool::empty(resource()), &["a"], "", now);
        assert_eq!(pool, then(&pool, &["a"], "", at(now, 5)));
    }
}
