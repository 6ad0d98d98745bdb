//! One resource's devices, as its front ends see them.

use std::sync::Arc;
use std::time::Duration;

use sriovdp_sdk::{DeviceId, PciAddress};
use tokio::time::Instant;

use super::Resource;

/// How long a device that has left stays in its pool as unhealthy.
///
/// Kubelets from 1.34 on crash when a device leaves the list between the choice of it and the answer to Allocate.
pub const PARTING: Duration = Duration::from_secs(60);

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
    /// How the kubelet knows it.
    pub id: DeviceId,
    /// The PCI function that it is or belongs to.
    pub function: PciAddress,
    /// The physical function behind it, which may be `function` itself.
    pub physical_function: PciAddress,
    /// The NUMA node.
    pub numa_node: Option<u32>,
    /// Whether new pods may have it.
    pub health: Health,
    /// The selector of the resource that admitted it.
    pub selector: usize,
}

/// Whether new pods may have a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// They may.
    Healthy,
    /// They may not.
    Unhealthy(Arc<str>),
    /// It is not in the pool any more, and the kubelet is given time to notice.
    Left {
        /// When it left.
        since: Instant,
    },
}

impl Health {
    /// Why new pods may not have the device, if they may not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Healthy => None,
            Self::Unhealthy(reason) => Some(reason),
            Self::Left { .. } => Some("it is no longer on this node"),
        }
    }
}

impl Pool {
    /// The pool with `devices` now, after it had been `self`: a device that left stays a while as unhealthy.
    #[must_use]
    pub fn then(
        &self,
        resource: Arc<Resource>,
        mut devices: Vec<PoolDevice>,
        now: Instant,
    ) -> Self {
        devices.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let left = self
            .devices
            .iter()
            .filter(|old| devices.binary_search_by(|new| new.id.cmp(&old.id)).is_err());
        let mut parting: Vec<PoolDevice> = left
            .filter_map(|old| {
                let since = match old.health {
                    Health::Left { since } => since,
                    _ => now,
                };
                (now.duration_since(since) < PARTING).then(|| PoolDevice {
                    health: Health::Left { since },
                    ..old.clone()
                })
            })
            .collect();
        if !parting.is_empty() {
            devices.append(&mut parting);
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

    /// How many devices new pods may have.
    pub fn healthy(&self) -> usize {
        self.devices
            .iter()
            .filter(|device| device.health == Health::Healthy)
            .count()
    }

    /// When the last parting device may go, if there is one.
    pub fn parts_at(&self) -> Option<Instant> {
        let since = self
            .devices
            .iter()
            .filter_map(|device| match device.health {
                Health::Left { since } => Some(since + PARTING),
                _ => None,
            });
        since.max()
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
            Health::Unhealthy(_) => "!",
            Health::Left { .. } => "?",
        };
        pool.devices
            .iter()
            .map(|d| format!("{}{} ", d.id, mark(&d.health)))
            .collect()
    }

    #[test]
    fn a_device_leaves_as_unhealthy_first() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let pool = Pool::empty(resource()).then(resource(), devices(&["b", "a"]), at(0));
        assert_eq!(show(&pool), "a b ");
        let pool = pool.then(resource(), devices(&["b"]), at(10));
        assert_eq!(show(&pool), "a? b ");
        let pool = pool.then(resource(), devices(&["b"]), at(69));
        assert_eq!(show(&pool), "a? b ");
        assert_eq!(
            show(&pool.then(resource(), devices(&["a", "b"]), at(69))),
            "a b "
        );
        assert_eq!(show(&pool.then(resource(), devices(&["b"]), at(70))), "b ");
    }

    #[test]
    fn an_unchanged_pool_is_equal() {
        let now = Instant::now();
        let pool = Pool::empty(resource()).then(resource(), devices(&["a"]), now);
        let later = pool.then(resource(), devices(&["a"]), now + Duration::from_secs(5));
        assert_eq!(pool, later);
    }
}
