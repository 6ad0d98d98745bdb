//! The devices of a device type after a discovery of some functions: which were kept, and where all of them are now.

use std::collections::{BTreeSet, HashMap};

use sriovdp_sdk::{DeviceId, Error, PciAddress};

use super::{DiscoveredDevice, DiscoveredDevices};

/// Where devices are now that some functions were discovered again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PartialMerge {
    /// For each device of before its position, unless it is on one of the functions.
    kept: Vec<Option<u32>>,
    /// For each device of the answer its position.
    answered: Vec<u32>,
}

impl PartialMerge {
    /// For each device of the answer its position.
    pub(super) fn answered(&self) -> &[u32] {
        &self.answered
    }

    /// The positions that a selector admits now: those of `before` that were kept, and of the answer the `selected`
    /// ones, which are positions in it.
    pub(super) fn positions(&self, before: &[u32], selected: &[u32]) -> Vec<u32> {
        let kept = before.iter().filter_map(|&at| *self.kept.get(at as usize)?);
        let new = selected
            .iter()
            .filter_map(|&at| self.answered.get(at as usize).copied());
        let mut positions: Vec<u32> = kept.chain(new).collect();
        positions.sort_unstable();
        positions
    }
}

impl DiscoveredDevices {
    /// These with what was found on the functions `part` instead of what was on them, in the order of a discovery of
    /// everything: a device stays at its place, and among ids that are in order a new one is where its id belongs.
    pub(super) fn renewed(
        &self,
        mut answer: Self,
        part: &BTreeSet<PciAddress>,
    ) -> Result<(Self, PartialMerge), Error> {
        if let Some(other) = answer.devices.iter().find(|d| !part.contains(&d.function)) {
            return Err(Error::new(format!(
                "the provider found the device `{}` on {}, which it was not asked about",
                other.id, other.function
            )));
        }
        let count = answer.devices.len();
        let excluded = self.excluded_elsewhere(&answer, part);
        let mut new: Vec<Option<DiscoveredDevice>> = answer.devices.drain(..).map(Some).collect();
        let places: HashMap<DeviceId, usize> = new
            .iter()
            .enumerate()
            .filter_map(|(at, device)| Some((device.as_ref()?.id.clone(), at)))
            .collect();
        let mut devices: Vec<(DiscoveredDevice, Origin)> =
            Vec::with_capacity(self.devices.len() + count);
        for (at, device) in self.devices.iter().enumerate() {
            let again = places.get(&device.id).copied();
            if part.contains(&device.function) {
                let found = again.and_then(|at| Some((new[at].take()?, Origin::Answer(at))));
                devices.extend(found);
            } else if again.is_some() {
                return Err(Error::new(format!(
                    "the provider found the device `{}` on two functions",
                    device.id
                )));
            } else {
                devices.push((device.clone(), Origin::Before(at)));
            }
        }
        let others = new.into_iter().enumerate();
        devices.extend(others.filter_map(|(at, device)| Some((device?, Origin::Answer(at)))));
        if self.devices.is_sorted_by(|a, b| a.id <= b.id) {
            devices.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
        }
        let mut renewed = PartialMerge {
            kept: vec![None; self.devices.len()],
            answered: vec![0; count],
        };
        for (position, (_, origin)) in (0u32..).zip(&devices) {
            match *origin {
                Origin::Before(at) => renewed.kept[at] = Some(position),
                Origin::Answer(at) => renewed.answered[at] = position,
            }
        }
        let now = Self {
            devices: devices.into_iter().map(|(device, _)| device).collect(),
            excluded: [excluded, answer.excluded].concat(),
        };
        Ok((now, renewed))
    }

    /// What was left out before and is not what `answer` speaks of.
    fn excluded_elsewhere(
        &self,
        answer: &Self,
        part: &BTreeSet<PciAddress>,
    ) -> Vec<(String, String)> {
        let excluded = answer.excluded.iter().map(|(id, _)| id.as_str());
        let found = answer.devices.iter().map(|device| device.id.as_str());
        let named: BTreeSet<&str> = excluded.chain(found).collect();
        let is_asked_about = |id: &str| id.parse().is_ok_and(|address| part.contains(&address));
        let mut elsewhere = self.excluded.clone();
        elsewhere.retain(|(id, _)| !named.contains(id.as_str()) && !is_asked_about(id));
        elsewhere
    }
}

#[derive(Clone, Copy)]
enum Origin {
    /// A position before.
    Before(usize),
    /// A position in the answer.
    Answer(usize),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pools::sample;

    /// Devices of the functions `0000:00:00.n`; with a generation, to tell old from new.
    fn found(devices: &[u32], numa: u32) -> DiscoveredDevices {
        let device = |n: &u32| DiscoveredDevice {
            function: address(*n),
            numa_node: Some(numa),
            ..sample::found(&address(*n).to_string())
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
    fn what_is_not_asked_about_stays() {
        let before = found(&[1, 2, 3, 5], 0);
        let part = [2, 3, 4].map(address).into();
        let (now, renewed) = before.renewed(found(&[4, 2], 1), &part).unwrap();
        let told: Vec<(&str, Option<u32>)> = now
            .devices
            .iter()
            .map(|device| (device.id.as_str(), device.numa_node))
            .collect();
        assert_eq!(
            told,
            [
                ("0000:00:00.1", Some(0)),
                ("0000:00:00.2", Some(1)),
                ("0000:00:00.4", Some(1)),
                ("0000:00:00.5", Some(0)),
            ]
        );
        // Of before, a selector admitted the first and the third, and of the answer it admits the first.
        assert_eq!(renewed.positions(&[0, 2], &[0]), [0, 2]);
        assert_eq!(renewed.positions(&[1, 3], &[0, 1]), [1, 2, 3]);
    }

    #[test]
    fn an_order_of_the_providers_own_is_kept() {
        let before = found(&[3, 1, 2], 0);
        let part = [1, 7].map(address).into();
        let (now, _) = before.renewed(found(&[7, 1], 1), &part).unwrap();
        let ids: Vec<&str> = now
            .devices
            .iter()
            .map(|device| device.id.as_str())
            .collect();
        assert_eq!(
            ids,
            [
                "0000:00:00.3",
                "0000:00:00.1",
                "0000:00:00.2",
                "0000:00:00.7"
            ]
        );
    }

    #[test]
    fn what_was_left_out_is_told_once() {
        let excluded = |pairs: &[(&str, &str)]| DiscoveredDevices {
            devices: Vec::new(),
            excluded: pairs
                .iter()
                .map(|(id, why)| ((*id).to_owned(), (*why).to_owned()))
                .collect(),
        };
        let before = excluded(&[
            ("0000:00:00.1", "no driver"),
            ("0000:00:00.2", "no driver"),
            ("sf.1", "no parent"),
            ("sf.2", "no parent"),
        ]);
        let answer = excluded(&[("sf.2", "another reason")]);
        let (now, _) = before.renewed(answer, &[address(1)].into()).unwrap();
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
        answer.devices[0].function = address(3);
        let part = [address(3)].into();
        let error = before.renewed(answer, &part).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the provider found the device `0000:00:00.1` on two functions"
        );
        let error = before.renewed(found(&[4], 1), &part).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the provider found the device `0000:00:00.4` on 0000:00:00.4, which it was not asked about"
        );
    }

    proptest! {
        #[test]
        fn some_functions_after_all_are_all(
            before in prop::collection::btree_set(0u32..30, 0..20),
            now in prop::collection::btree_set(0u32..30, 0..20),
            more in prop::collection::btree_set(0u32..30, 0..5),
            admitted in prop::collection::btree_set(0u32..30, 0..30),
        ) {
            // Everything that differs is asked about, and perhaps more.
            let part: BTreeSet<u32> = before.symmetric_difference(&now).chain(&more).copied().collect();
            let answer: Vec<u32> = now.intersection(&part).copied().collect();
            let all = |devices: &BTreeSet<u32>| found(&Vec::from_iter(devices.iter().copied()), 0);
            let selected = |devices: &[u32]| -> Vec<u32> {
                (0u32..).zip(devices).filter(|(_, n)| admitted.contains(n)).map(|(at, _)| at).collect()
            };
            let addresses = part.iter().map(|&n| address(n)).collect();
            let (merged, renewed) = all(&before).renewed(found(&answer, 0), &addresses).unwrap();
            prop_assert_eq!(&merged, &all(&now));
            let of_before = selected(&Vec::from_iter(before.iter().copied()));
            let positions = renewed.positions(&of_before, &selected(&answer));
            prop_assert_eq!(positions, selected(&Vec::from_iter(now.iter().copied())));
        }
    }
}
