//! Devices that no pool gets because another pool has the whole that they are parts of, or parts of them.

use std::borrow::Cow;
use std::collections::HashMap;

use sriovdp_sdk::DeviceId;

use super::Reconciler;
use super::node_notes::KeptOut;
use crate::config::ResourceName;
use crate::pools::{Claim, Claims, DiscoveredDevice, Pool};

impl Reconciler {
    /// The devices that match a resource and are in no pool, because another pool has the whole that they are parts of, or
    /// parts of them.
    pub fn divided(&self) -> Vec<KeptOut<'_>> {
        let resources = || self.snapshot.resources.iter();
        let found = resources().filter_map(|matched| {
            let devices = self.snapshot.devices_of(&matched.resource)?;
            Some((matched.resource.device_type.as_str(), devices))
        });
        let claims = Claims::new(found);
        if claims.are_empty() {
            return Vec::new();
        }
        let pools = self.servers.pools();
        let mut owners: HashMap<&DeviceId, &ResourceName> = HashMap::new();
        let mut taken: HashMap<String, (&DiscoveredDevice, &ResourceName)> = HashMap::new();
        for pool in &pools {
            for (device, claim) in self.claimed(&claims, pool) {
                owners.insert(&device.id, &pool.resource.name);
                if let Some(claim) = claim {
                    let taken = taken.entry(claim.whole().to_owned());
                    taken.or_insert((device, &pool.resource.name));
                }
            }
        }
        let mut all = Vec::new();
        for matched in resources() {
            let Some(devices) = self.snapshot.devices_of(&matched.resource) else {
                continue;
            };
            let matching = matched.matches.iter().flat_map(|matches| &matches.devices);
            let free = matching.filter(|id| !owners.contains_key(id));
            for device in free.filter_map(|id| devices.device(id)) {
                let Some(claim) = claims.of(device) else {
                    continue;
                };
                let Some((other, owner)) = taken.get(claim.whole()) else {
                    continue;
                };
                let reason = match claim {
                    Claim::Whole(_) => format!("`{owner}` has `{}`, a part of it", other.id),
                    Claim::Part(whole) => {
                        format!(
                            "it is a part of `{whole}`, and `{owner}` has `{}`",
                            other.id
                        )
                    }
                };
                let kept_out = KeptOut {
                    resource: &matched.resource,
                    device: &device.id,
                    reason: Cow::Owned(reason),
                };
                let is_known = |known: &KeptOut<'_>| {
                    known.device == kept_out.device && known.resource.name == kept_out.resource.name
                };
                if !all.iter().any(is_known) {
                    all.push(kept_out);
                }
            }
        }
        all
    }

    /// The devices of a pool, as they were discovered.
    fn claimed<'a>(
        &'a self,
        claims: &'a Claims<'_>,
        pool: &'a Pool,
    ) -> impl Iterator<Item = (&'a DiscoveredDevice, Option<Claim>)> {
        let devices = self.snapshot.devices_of(&pool.resource);
        let present = pool.present().into_iter();
        let found = present.filter_map(move |device| devices?.device(&device.id));
        found.map(|device| (device, claims.of(device)))
    }
}
