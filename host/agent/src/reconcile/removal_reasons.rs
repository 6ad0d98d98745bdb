//! Why devices are not in their pool any more.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sriovdp_sdk::DeviceId;

use crate::pools::{Pool, PoolDevice, Resource, Scan};

/// The reason of each device that left.
pub(super) type RemovalReasons = HashMap<DeviceId, Arc<str>>;

/// Why each device of the pool `before` that is not among `devices` is not in the pool of `resource` now.
pub(super) async fn absences(
    scan: &Scan,
    resource: &Resource,
    before: &Pool,
    devices: &[PoolDevice],
) -> RemovalReasons {
    let present: HashSet<&DeviceId> = devices.iter().map(|device| &device.id).collect();
    let absent = before.devices.iter();
    let absent: Vec<&PoolDevice> = absent.filter(|d| !present.contains(&d.id)).collect();
    if absent.is_empty() {
        return RemovalReasons::new();
    }
    let found = scan.found(&resource.device_type).into_iter();
    let excluded = found.clone().flat_map(|found| &found.excluded);
    let offered = found.flat_map(|found| &found.devices);
    let excluded =
        excluded.map(|excluded| (excluded.name.as_str(), Some(excluded.reason.as_str())));
    let offered = offered.map(|device| (device.id.as_str(), None));
    let by_id: HashMap<&str, Option<&str>> = offered.chain(excluded).collect();
    let mut absences = RemovalReasons::new();
    for device in absent {
        let reason = match by_id.get(device.id.as_str()) {
            None => "it is no longer on this node".into(),
            Some(Some(reason)) => Arc::from(*reason),
            Some(None) => refusal(scan, resource, before, device).await,
        };
        absences.insert(device.id.clone(), reason);
    }
    absences
}

/// What the selector that admitted a device says about it now. One that still does, or any other of them, tells that the
/// device is elsewhere.
async fn refusal(scan: &Scan, resource: &Resource, before: &Pool, device: &PoolDevice) -> Arc<str> {
    let mut refusals = Vec::new();
    for selector in &resource.selectors {
        match scan.mismatch(selector, device.id.as_str()).await {
            Ok(Some(why)) => refusals.push(why),
            Ok(None) => return "another resource has it".into(),
            Err(_) => return "its resource does not select it any more".into(),
        }
    }
    let selector = device
        .selector
        .and_then(|position| resource.same_selector(&before.resource, position));
    let why = selector.and_then(|position| refusals.get(position));
    let why = why.or_else(|| refusals.first());
    let why = why.map(|why| format!("it no longer fits its resource: {why}"));
    why.unwrap_or_else(|| "its resource has no selector any more".to_owned())
        .into()
}
