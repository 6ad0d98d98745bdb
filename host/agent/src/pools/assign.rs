//! Assigns devices to resources: a function of values.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sriovdp_providers::Matches;
use sriovdp_sdk::DeviceId;

use super::claims::Claims;
use super::{DiscoveredDevice, DiscoveredDevices};

/// What one resource may get.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Its device type.
    pub device_type: &'a str,
    /// The devices of its device type.
    pub devices: &'a DiscoveredDevices,
    /// For each of its selectors, the devices that match it.
    pub matches: &'a [Arc<Matches>],
}

/// One device of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignedDevice<'a> {
    /// The device.
    pub device: &'a DiscoveredDevice,
    /// The first selector that it matches. It matches none where it is assigned because a pod has it.
    pub selector: Option<usize>,
}

/// The owner of each device that pods have: the position of a request, or nothing where it is a resource without one.
pub type OwnerByDevice<'a> = HashMap<&'a str, Option<usize>>;

/// Assigns each device to the first resource, and within it to the first selector, that it matches; the devices `kept`
/// are assigned to none. A match by an alias counts only where no resource has one without. A device that is a part of
/// another one, or of which others are parts, is assigned only beside parts of the same device type.
///
/// A device that a pod has is assigned to the resource by whose name the pod has it, whether it matches or not: what
/// selectors compare may be in the pod now.
pub fn assign<'a>(
    requests: &[Request<'a>],
    kept: impl IntoIterator<Item = &'a str>,
    owners: &OwnerByDevice<'_>,
) -> Vec<Vec<AssignedDevice<'a>>> {
    let mut assigned: HashSet<&str> = kept.into_iter().collect();
    let mut assignments = vec![Vec::new(); requests.len()];
    let mut claims = initial_claims(requests, &assigned, owners);
    let mut assign_to = |n: usize, id: &'a DeviceId, selector| {
        let owner = owners.get(id.as_str());
        let is_free = owner.is_none_or(|&owner| owner == Some(n));
        if is_free
            && !assigned.contains(id.as_str())
            && let Some(device) = requests[n].devices.device(id)
        {
            if let (Some(claim), None) = (claims.of(device), owner) {
                if !claims.is_free(&claim, requests[n].device_type) {
                    return;
                }
                claims.take(&claim, requests[n].device_type);
            }
            assigned.insert(id.as_str());
            assignments[n].push(AssignedDevice { device, selector });
        }
    };
    for is_alias in [false, true] {
        for (n, request) in requests.iter().enumerate() {
            for (selector, matches) in request.matches.iter().enumerate() {
                for id in &matches.devices {
                    if matches.by_alias.contains(id) == is_alias {
                        assign_to(n, id, Some(selector));
                    }
                }
            }
        }
    }
    let used: HashSet<usize> = owners.values().copied().flatten().collect();
    for (n, request) in requests.iter().enumerate() {
        if used.contains(&n) {
            for device in &request.devices.devices {
                if owners.get(device.id.as_str()) == Some(&Some(n)) {
                    assign_to(n, &device.id, None);
                }
            }
        }
    }
    assignments
}

/// The claims of devices that pools keep and of those that pods have, which come before all others.
fn initial_claims<'a>(
    requests: &[Request<'a>],
    kept: &HashSet<&str>,
    owners: &OwnerByDevice<'_>,
) -> Claims<'a> {
    let mut claims = Claims::new(
        requests
            .iter()
            .map(|request| (request.device_type, request.devices)),
    );
    if claims.are_empty() {
        return claims;
    }
    let used = kept.iter().copied().chain(owners.keys().copied());
    for id in used {
        for request in requests {
            let Ok(at) = request
                .devices
                .devices
                .binary_search_by(|d| d.id.as_str().cmp(id))
            else {
                continue;
            };
            if let Some(claim) = claims.of(&request.devices.devices[at]) {
                claims.take(&claim, request.device_type);
            }
        }
    }
    claims
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::pools::sample;

    fn id(n: u8) -> String {
        format!("0000:00:{:02x}.{}", n / 8, n % 8)
    }

    fn devices(count: u8) -> DiscoveredDevices {
        DiscoveredDevices {
            devices: (0..count).map(|n| sample::discovered(&id(n))).collect(),
            excluded: Vec::new(),
        }
    }

    fn matches(devices: &[u8], by_alias: &[u8]) -> Arc<Matches> {
        let ids = |numbers: &[u8]| -> BTreeSet<DeviceId> {
            let ids = numbers.iter().map(|&n| DeviceId::new(id(n)).unwrap());
            ids.collect()
        };
        Arc::new(Matches {
            devices: ids(devices),
            by_alias: ids(by_alias),
            ..Matches::default()
        })
    }

    /// Each assignment as the numbers of its devices, with their selectors.
    fn numbers(assignments: &[Vec<AssignedDevice<'_>>]) -> Vec<Vec<(u8, Option<usize>)>> {
        let number = |device: &AssignedDevice<'_>| {
            let n = (0..=u8::MAX).find(|&n| id(n) == device.device.id.as_str());
            (n.unwrap(), device.selector)
        };
        let assignments = assignments.iter();
        assignments
            .map(|devices| devices.iter().map(number).collect())
            .collect()
    }

    #[test]
    fn an_alias_counts_only_where_no_resource_matches_without_one() {
        let devices = devices(4);
        let all = [
            vec![matches(&[0, 1, 2, 3], &[0, 1, 2])],
            vec![matches(&[1, 2], &[1, 2]), matches(&[1], &[])],
            vec![matches(&[0, 3], &[])],
        ];
        let requests: Vec<Request<'_>> = all
            .iter()
            .map(|matches| Request {
                device_type: "t",
                devices: &devices,
                matches,
            })
            .collect();
        let owners = OwnerByDevice::new();
        assert_eq!(
            numbers(&assign(&requests, [], &owners)),
            [
                vec![(3, Some(0)), (2, Some(0))],
                vec![(1, Some(1))],
                vec![(0, Some(0))],
            ]
        );
        let alone = assign(&requests[..1], [], &owners);
        assert_eq!(alone[0].len(), 4);
    }

    #[test]
    fn the_first_resource_and_its_first_selector_win() {
        let devices = devices(4);
        let all = [
            vec![matches(&[2], &[]), matches(&[0, 2], &[])],
            vec![matches(&[0, 1], &[])],
            vec![matches(&[0, 1, 2, 3, 9], &[])],
        ];
        let requests = all.each_ref().map(|matches| Request {
            device_type: "t",
            devices: &devices,
            matches,
        });
        assert_eq!(
            numbers(&assign(&requests, [], &OwnerByDevice::new())),
            [
                vec![(2, Some(0)), (0, Some(1))],
                vec![(1, Some(0))],
                vec![(3, Some(0))],
            ]
        );
    }

    #[test]
    fn a_device_in_a_pod_belongs_to_the_resource_of_the_pod() {
        let devices = devices(5);
        let all = [vec![matches(&[0, 1, 3], &[])], vec![matches(&[2, 4], &[])]];
        let requests = all.each_ref().map(|matches| Request {
            device_type: "t",
            devices: &devices,
            matches,
        });
        let owners = [(0, Some(1)), (1, Some(0)), (2, Some(1)), (3, None)];
        let owners = owners.map(|(n, owner): (usize, _)| (devices.devices[n].id.as_str(), owner));
        assert_eq!(
            numbers(&assign(&requests, [], &owners.into_iter().collect())),
            [
                vec![(1, Some(0))],
                // Device 0 matches the first resource, and is in a pod of the second one.
                vec![(2, Some(0)), (4, Some(0)), (0, None)],
            ]
        );
    }

    proptest! {
        #[test]
        fn no_device_is_in_two_pools_and_none_is_lost(
            matching in prop::collection::vec(prop::collection::vec(prop::collection::btree_set(0u8..20, 0..20), 1..4), 1..6),
            aliases in prop::collection::hash_set((0usize..6, 0u8..20), 0..60),
            used in prop::collection::hash_map(0u8..16, prop::option::of(0usize..6), 0..8),
        ) {
            let is_alias = |n, device| aliases.contains(&(n, device));
            let devices = devices(16);
            let all: Vec<Vec<Arc<Matches>>> = matching
                .iter()
                .enumerate()
                .map(|(n, alternatives)| {
                    let alternatives = alternatives.iter().map(|devices| {
                        let devices = Vec::from_iter(devices.iter().copied());
                        let mut by_alias = devices.clone();
                        by_alias.retain(|&device| is_alias(n, device));
                        matches(&devices, &by_alias)
                    });
                    alternatives.collect()
                })
                .collect();
            let requests: Vec<Request<'_>> = all
                .iter()
                .map(|matches| Request { device_type: "t", devices: &devices, matches })
                .collect();
            let (first, last) = (id(0), id(15));
            let ids: Vec<String> = (0..16).map(id).collect();
            let owners: OwnerByDevice<'_> =
                used.iter().map(|(&n, &owner)| (ids[usize::from(n)].as_str(), owner)).collect();
            let assignments = numbers(&assign(&requests, [first.as_str(), last.as_str()], &owners));
            let mut seen = HashSet::new();
            for (pool, assigned) in assignments.iter().enumerate() {
                for &(device, selector) in assigned {
                    prop_assert!(seen.insert(device), "device {} is in two pools", device);
                    match (used.get(&device), selector) {
                        (Some(&owner), None) => {
                            prop_assert_eq!(owner, Some(pool));
                            prop_assert!(!matching[pool].iter().flatten().any(|&matching| matching == device));
                        }
                        (Some(&owner), Some(selector)) => {
                            prop_assert_eq!(owner, Some(pool));
                            prop_assert!(matching[pool][selector].contains(&device));
                        }
                        (None, selector) => {
                            let selector = selector.expect("no pod has it");
                            prop_assert!(matching[pool][selector].contains(&device));
                            let matches = |&n: &usize| matching[n].iter().flatten().any(|&matching| matching == device);
                            let first = (0..matching.len()).filter(matches).min_by_key(|&n| is_alias(n, device));
                            prop_assert_eq!(first, Some(pool), "device {}", device);
                        }
                    }
                }
            }
            let is_free = |device: u8| (1..15).contains(&device);
            let unused = matching.iter().flatten().flatten().copied().filter(|device| !used.contains_key(device));
            let used_here = used.iter().filter(|(_, owner)| owner.is_some_and(|n| n < requests.len()));
            let expected = unused.chain(used_here.map(|(&device, _)| device));
            let expected: HashSet<u8> = expected.filter(|&device| is_free(device)).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
