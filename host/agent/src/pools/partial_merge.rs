//! The result of an incremental discovery, merged into what was known before.

use std::collections::BTreeSet;
use std::sync::Arc;

use sriovdp_providers::{Excluded, Matches};
use sriovdp_sdk::{DeviceId, Error, PciAddress};

use super::{DiscoveredDevice, DiscoveredDevices};

impl DiscoveredDevices {
    /// These devices, with `answer` in place of the devices on the functions `part`.
    pub(super) fn merge_partial(
        &self,
        mut answer: Self,
        part: &BTreeSet<PciAddress>,
    ) -> Result<Self, Error> {
        let is_in_scope =
            |device: &&DiscoveredDevice| device.function.is_some_and(|at| part.contains(&at));
        if let Some(other) = answer.devices.iter().find(|device| !is_in_scope(device)) {
            let at = other.function.map(|function| format!(" on {function}"));
            return Err(Error::new(format!(
                "the provider found the device `{}`{}, which is outside of the scope of the discovery",
                other.id,
                at.unwrap_or_default()
            )));
        }
        let kept = self.devices.iter().filter(|device| !is_in_scope(device));
        if let Some(twice) = kept.clone().find(|kept| answer.device(&kept.id).is_some()) {
            return Err(Error::new(format!(
                "the provider found the device `{}` on two functions",
                twice.id
            )));
        }
        let mut excluded = self.excluded_elsewhere(&answer, part);
        excluded.append(&mut answer.excluded);
        let mut devices = answer.devices;
        devices.extend(kept.cloned());
        devices.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Self { devices, excluded })
    }

    /// What was excluded before, and is neither on one of the functions nor named by `answer`.
    fn excluded_elsewhere(&self, answer: &Self, part: &BTreeSet<PciAddress>) -> Vec<Excluded> {
        let excluded = answer
            .excluded
            .iter()
            .map(|excluded| excluded.name.as_str());
        let found = answer.devices.iter().map(|device| device.id.as_str());
        let named: BTreeSet<&str> = excluded.chain(found).collect();
        let is_in_scope = |name: &str| name.parse().is_ok_and(|address| part.contains(&address));
        let elsewhere = self.excluded.iter().filter(|excluded| {
            let name = excluded.name.as_str();
            !named.contains(name) && !is_in_scope(name)
        });
        elsewhere.cloned().collect()
    }
}

/// The matches `before`, with the `new` ones in place of those of the `replaced` devices, which were on the functions of
/// an incremental discovery.
pub(super) fn merge_matches(
    before: &Arc<Matches>,
    new: Matches,
    replaced: &[DeviceId],
) -> Arc<Matches> {
    let matched = |id: &DeviceId| before.devices.contains(id) || before.kept_out.contains_key(id);
    let is_unchanged = new.devices.is_empty()
        && new.kept_out.is_empty()
        && new.warnings == before.warnings
        && !replaced.iter().any(matched);
    if is_unchanged {
        return Arc::clone(before);
    }
    let mut all = Matches::clone(before);
    for id in replaced {
        all.devices.remove(id);
        all.by_alias.remove(id);
        all.findings.remove(id);
        all.kept_out.remove(id);
    }
    all.devices.extend(new.devices);
    all.by_alias.extend(new.by_alias);
    all.findings.extend(new.findings);
    all.kept_out.extend(new.kept_out);
    all.warnings = new.warnings;
    Arc::new(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pools::sample;

    /// Devices of the functions `0000:00:00.n`; with a NUMA node, to distinguish old from new.
    fn found(devices: &[u32], numa: u32) -> DiscoveredDevices {
        let device = |n: &u32| DiscoveredDevice {
            function: Some(address(*n)),
            numa_node: Some(numa),
            ..sample::discovered(&address(*n).to_string())
        };
        DiscoveredDevices {
            devices: devices.iter().map(device).collect(),
            excluded: Vec::new(),
        }
    }

    fn address(n: u32) -> PciAddress {
        format!("0000:00:{:02x}.{}", n / 8, n % 8).parse().unwrap()
    }

    #[test]
    fn devices_out_of_scope_are_kept() {
        let before = found(&[1, 2, 3, 5], 0);
        let part = [2, 3, 4].map(address).into();
        let now = before.merge_partial(found(&[2, 4], 1), &part).unwrap();
        let numa: Vec<(&str, Option<u32>)> = now
            .devices
            .iter()
            .map(|device| (device.id.as_str(), device.numa_node))
            .collect();
        assert_eq!(
            numa,
            [
                ("0000:00:00.1", Some(0)),
                ("0000:00:00.2", Some(1)),
                ("0000:00:00.4", Some(1)),
                ("0000:00:00.5", Some(0)),
            ]
        );
    }

    #[test]
    fn an_exclusion_is_reported_once() {
        let excluded = |pairs: &[(&str, &str)]| DiscoveredDevices {
            devices: Vec::new(),
            excluded: pairs
                .iter()
                .map(|(name, reason)| Excluded {
                    name: (*name).to_owned(),
                    reason: (*reason).to_owned(),
                })
                .collect(),
        };
        let before = excluded(&[
            ("0000:00:00.1", "no driver"),
            ("0000:00:00.2", "no driver"),
            ("sf.1", "no parent"),
            ("sf.2", "no parent"),
        ]);
        let answer = excluded(&[("sf.2", "another reason")]);
        let now = before.merge_partial(answer, &[address(1)].into()).unwrap();
        assert_eq!(
            now,
            excluded(&[
                ("0000:00:00.2", "no driver"),
                ("sf.1", "no parent"),
                ("sf.2", "another reason"),
            ])
        );
    }

    #[test]
    fn one_device_on_two_functions_is_refused() {
        let before = found(&[1, 2], 0);
        let mut answer = found(&[1], 1);
        answer.devices[0].function = Some(address(3));
        let part = [address(3)].into();
        let error = before.merge_partial(answer, &part).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the provider found the device `0000:00:00.1` on two functions"
        );
        let error = before.merge_partial(found(&[4], 1), &part).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the provider found the device `0000:00:00.4` on 0000:00:00.4, which is outside of the scope of the discovery"
        );
    }

    proptest! {
        #[test]
        fn incremental_equals_full(
            before in prop::collection::btree_set(0u32..30, 0..20),
            now in prop::collection::btree_set(0u32..30, 0..20),
            more in prop::collection::btree_set(0u32..30, 0..5),
            matching in prop::collection::btree_set(0u32..30, 0..30),
            aliases in prop::collection::btree_set(0u32..30, 0..30),
        ) {
            // Everything that differs is in scope, and perhaps more.
            let part: BTreeSet<u32> = before.symmetric_difference(&now).chain(&more).copied().collect();
            let answer: BTreeSet<u32> = now.intersection(&part).copied().collect();
            let all = |devices: &BTreeSet<u32>| found(&Vec::from_iter(devices.iter().copied()), 0);
            let id = |n: u32| DeviceId::from(address(n));
            let matches = |devices: &BTreeSet<u32>| {
                let by_alias = devices.intersection(&matching).filter(|n| aliases.contains(n));
                Matches {
                    devices: devices.intersection(&matching).map(|&n| id(n)).collect(),
                    by_alias: by_alias.map(|&n| id(n)).collect(),
                    kept_out: devices.difference(&matching).map(|&n| (id(n), n.to_string())).collect(),
                    ..Matches::default()
                }
            };
            let addresses = part.iter().map(|&n| address(n)).collect();
            let merged = all(&before).merge_partial(all(&answer), &addresses).unwrap();
            prop_assert_eq!(&merged, &all(&now));
            let replaced: Vec<DeviceId> = before.intersection(&part).map(|&n| id(n)).collect();
            let merged = merge_matches(&Arc::new(matches(&before)), matches(&answer), &replaced);
            prop_assert_eq!(&*merged, &matches(&now));
        }
    }
}
