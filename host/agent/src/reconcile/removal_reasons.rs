//! Why devices have left their pool.

use std::collections::HashMap;
use std::sync::Arc;

use sriovdp_sdk::DeviceId;

use crate::pools::{Pool, PoolDevice, Resource, Scan};

/// The reason of each device that left.
pub(super) type RemovalReasons = HashMap<DeviceId, Arc<str>>;

/// Why each device of the pool `before` that is not among `devices`, and each of `absent`, is not in the pool of
/// `resource` now.
pub(super) async fn removal_reasons(
    scan: &Scan,
    resource: &Resource,
    before: Option<&Pool>,
    devices: &[PoolDevice],
    absent: &[PoolDevice],
) -> RemovalReasons {
    let earlier = before.into_iter().flat_map(|pool| &pool.devices);
    let earlier = earlier.chain(absent).map(|device| (&device.id, device));
    let mut left: HashMap<&DeviceId, &PoolDevice> = earlier.collect();
    for device in devices {
        left.remove(&device.id);
    }
    if left.is_empty() {
        return RemovalReasons::new();
    }
    let found = scan.devices_of(&resource.device_type).into_iter();
    let excluded = found.clone().flat_map(|found| &found.excluded);
    let offered = found.flat_map(|found| &found.devices);
    let excluded =
        excluded.map(|excluded| (excluded.name.as_str(), Some(excluded.reason.as_str())));
    let offered = offered.map(|device| (device.id.as_str(), None));
    let by_id: HashMap<&str, Option<&str>> = offered.chain(excluded).collect();
    let mut reasons = RemovalReasons::new();
    for device in left.into_values() {
        let reason = match by_id.get(device.id.as_str()) {
            None => "it is no longer on this node".into(),
            Some(Some(reason)) => Arc::from(*reason),
            Some(None) => mismatch(scan, resource, before, device).await,
        };
        reasons.insert(device.id.clone(), reason);
    }
    reasons
}

/// Why a device that is on the node does not match: by the selector that it matched before, if that is known. If it
/// still matches one, another resource has it.
async fn mismatch(
    scan: &Scan,
    resource: &Resource,
    before: Option<&Pool>,
    device: &PoolDevice,
) -> Arc<str> {
    let mut mismatches = Vec::new();
    for selector in &resource.selectors {
        match scan.mismatch(selector, device.id.as_str()).await {
            Ok(Some(why)) => mismatches.push(why),
            Ok(None) => return "another resource has it".into(),
            Err(_) => return "its resource does not select it any more".into(),
        }
    }
    let selector = before.zip(device.selector);
    let selector = selector.and_then(|(before, n)| resource.same_selector(&before.resource, n));
    let why = selector.and_then(|position| mismatches.get(position));
    let why = why.or_else(|| mismatches.first());
    let why = why.map(|why| format!("it no longer matches its resource: {why}"));
    why.unwrap_or_else(|| "its resource has no selector any more".to_owned())
        .into()
}
