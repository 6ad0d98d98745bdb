//! The log of a pool and of its devices' health: one line for each change, with its reason.

use std::collections::BTreeMap;

use crate::pools::{Pool, PoolDevice, device_names};
use sriovdp_report::excerpt;

/// Logs the devices whose health has changed, one event for each reason.
pub(super) fn log_changes(before: &Pool, after: &Pool) {
    let mut changed: BTreeMap<Option<&str>, Vec<&PoolDevice>> = BTreeMap::new();
    for device in &after.devices {
        let was = before.device(device.id.as_str());
        let (was, is) = (
            was.and_then(|was| was.health.reason()),
            device.health.reason(),
        );
        if was != is {
            changed.entry(is).or_default().push(device);
        }
    }
    for (reason, devices) in changed {
        let resource = &after.resource.name;
        match reason {
            Some(reason) => {
                tracing::warn!(
                    event = "device_unhealthy",
                    %resource,
                    devices = device_names(&devices),
                    reason = excerpt(reason),
                    "unhealthy"
                )
            }
            None => tracing::info!(
                event = "device_healthy",
                %resource,
                devices = device_names(&devices),
                "healthy again"
            ),
        }
    }
}

/// Logs the devices that a pool has and had not before.
pub(super) fn log_joined(before: &Pool, after: &Pool) {
    let is_member = |device: &&PoolDevice| !device.health.is_removed();
    let was_member = |device: &&PoolDevice| {
        let was = before.device(device.id.as_str());
        was.as_ref().is_some_and(is_member)
    };
    let devices = after.devices.iter().filter(is_member);
    let joined: Vec<&PoolDevice> = devices.filter(|device| !was_member(device)).collect();
    if !joined.is_empty() {
        tracing::info!(
            event = "device_joined",
            resource = %after.resource.name,
            devices = device_names(&joined),
            "joined the pool"
        );
    }
}

/// Logs the size of a pool, and its devices for debugging.
pub(super) fn log_pool(pool: &Pool) {
    let (devices, healthy) = (pool.devices.len(), pool.healthy());
    tracing::info!(event = "pool_published", resource = %pool.resource.name, devices, healthy, "pool");
    for device in &pool.devices {
        tracing::debug!(event = "pool_device", resource = %pool.resource.name, device = %device.id, health = ?device.health, "member");
    }
}
