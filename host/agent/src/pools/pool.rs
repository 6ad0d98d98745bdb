//! One resource's devices, as they are published.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sriovdp_sdk::DeviceId;
use tokio::time::Instant;

use super::Resource;
use super::pool_device::{Health, PoolDevice};

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

/// The context in which devices leave a pool.
#[derive(Clone, Copy)]
pub struct Removal<'a> {
    /// The time.
    pub now: Instant,
    /// Whether a device still is in use: a pod has it, or is just getting it.
    pub is_in_use: &'a dyn Fn(&DeviceId) -> bool,
    /// Devices that pods have of the resource and that no provider offers. A new pool lists them as removed.
    pub absent: &'a [PoolDevice],
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
        let unknown = removal.absent.iter();
        let unknown = unknown.filter(|absent| self.device(absent.id.as_str()).is_none());
        let before = self.devices.iter().chain(unknown);
        let left =
            before.filter(|old| devices.binary_search_by(|new| new.id.cmp(&old.id)).is_err());
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
            absent: &[],
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
    fn a_new_pool_lists_a_device_of_a_pod_that_no_provider_offers() {
        let (start, absent) = (Instant::now(), devices(&["a", "b"]));
        let removal = |now| Removal {
            now,
            is_in_use: &|_| true,
            absent: &absent,
            reason: &|_| "gone".into(),
        };
        let pool = Pool::empty(resource());
        let pool = pool.then(resource(), devices(&["b"]), removal(start));
        assert_eq!(show(&pool), "a? b ");
        let pool = pool.then(resource(), devices(&["b"]), removal(at(start, 600)));
        assert_eq!(show(&pool), "a? b ");
        assert_eq!(pool.requeue_at(at(start, 600)), Some(at(start, 660)));
    }

    #[test]
    fn an_unchanged_pool_is_equal() {
        let now = Instant::now();
        let pool = then(&Pool::empty(resource()), &["a"], "", now);
        assert_eq!(pool, then(&pool, &["a"], "", at(now, 5)));
    }
}
