//! Divides the devices among the resources: a function of values.

use std::collections::{HashMap, HashSet};

use super::{DiscoveredDevice, Matches};

/// One resource's claims.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The devices of its device type.
    pub devices: &'a [DiscoveredDevice],
    /// For each of its selectors, the devices that it admits.
    pub alternatives: Vec<Matches>,
}

/// One device of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssignedDevice {
    /// Its position among the devices of its type.
    pub position: u32,
    /// The first selector that admits it. None does where it is a member because a pod has it.
    pub selector: Option<usize>,
}

/// Whose pods have which devices: the position of a request, or nothing where it is a resource without one.
pub type OwnerByDevice<'a> = HashMap<&'a str, Option<usize>>;

/// Gives each device to the first resource that claims it, and within the resource to the first selector; those that
/// are `kept` are given to nobody. A claim by an alias counts only where no resource has one without.
///
/// A device that a pod has belongs to the resource by whose name the pod has it, whatever the selectors say: what they
/// are compared with may be in the pod now.
pub fn assign<'a>(
    requests: &[Request<'a>],
    kept: impl IntoIterator<Item = &'a str>,
    holders: &OwnerByDevice<'_>,
) -> Vec<Vec<AssignedDevice>> {
    let mut taken: HashSet<&str> = kept.into_iter().collect();
    let holding: HashSet<usize> = holders.values().copied().flatten().collect();
    let mut shares = vec![Vec::new(); requests.len()];
    let mut take = |n: usize, position: u32, selector| {
        let device = requests[n].devices.get(position as usize);
        let is_free = |id: &str| holders.get(id).is_none_or(|&holder| holder == Some(n));
        let id = device.map(|device| device.id.as_str());
        if id.is_some_and(|id| is_free(id) && taken.insert(id)) {
            shares[n].push(AssignedDevice { position, selector });
        }
    };
    for is_alias in [false, true] {
        for (n, request) in requests.iter().enumerate() {
            for (selector, admitted) in request.alternatives.iter().enumerate() {
                for &position in &admitted.positions {
                    if admitted.by_alias.binary_search(&position).is_ok() == is_alias {
                        take(n, position, Some(selector));
                    }
                }
            }
        }
    }
    for (n, request) in requests.iter().enumerate() {
        if holding.contains(&n) {
            for (position, device) in (0..).zip(request.devices) {
                if holders.get(device.id.as_str()) == Some(&Some(n)) {
                    take(n, position, None);
                }
            }
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pools::sample;

    fn devices(count: u8) -> Vec<DiscoveredDevice> {
        let device = |n: u8| sample::found(&format!("0000:00:{:02x}.{}", n / 8, n % 8));
        (0..count).map(device).collect()
    }

    fn admitted(positions: &[u32], by_alias: &[u32]) -> Matches {
        Matches {
            positions: positions.to_vec(),
            by_alias: by_alias.to_vec(),
            ..Matches::default()
        }
    }

    #[test]
    fn an_alias_counts_only_where_no_resource_matches_without_one() {
        let devices = devices(4);
        let request = |alternatives: Vec<Matches>| Request {
            devices: &devices,
            alternatives,
        };
        let requests = [
            request(vec![admitted(&[0, 1, 2, 3], &[0, 1, 2])]),
            request(vec![admitted(&[1, 2], &[1, 2]), admitted(&[1], &[])]),
            request(vec![admitted(&[0, 3], &[])]),
        ];
        let holders = OwnerByDevice::new();
        let assigned = assign(&requests, [], &holders);
        let member = |position, selector| AssignedDevice {
            position,
            selector: Some(selector),
        };
        let expected = [
            vec![member(3, 0), member(2, 0)],
            vec![member(1, 1)],
            vec![member(0, 0)],
        ];
        assert_eq!(assigned, expected);
        let alone = assign(&requests[..1], [], &holders);
        assert_eq!(alone[0].len(), 4);
    }

    #[test]
    fn the_first_resource_and_its_first_selector_win() {
        let devices = devices(4);
        let request = |alternatives: &[&[u32]]| Request {
            devices: &devices,
            alternatives: alternatives.iter().map(|at| admitted(at, &[])).collect(),
        };
        let members = |pairs: &[(u32, usize)]| -> Vec<AssignedDevice> {
            pairs
                .iter()
                .map(|&(position, selector)| AssignedDevice {
                    position,
                    selector: Some(selector),
                })
                .collect()
        };
        let assigned = assign(
            &[
                request(&[&[2], &[0, 2]]),
                request(&[&[0, 1]]),
                request(&[&[0, 1, 2, 3, 9]]),
            ],
            [],
            &OwnerByDevice::new(),
        );
        assert_eq!(
            assigned,
            [
                members(&[(2, 0), (0, 1)]),
                members(&[(1, 0)]),
                members(&[(3, 0)])
            ]
        );
    }

    #[test]
    fn a_device_in_a_pod_belongs_to_the_resource_of_the_pod() {
        let devices = devices(5);
        let request = |positions: &[u32]| Request {
            devices: &devices,
            alternatives: vec![admitted(positions, &[])],
        };
        let holders = [(0, Some(1)), (1, Some(0)), (2, Some(1)), (3, None)];
        let holders = holders.map(|(n, holder): (usize, _)| (devices[n].id.as_str(), holder));
        let assigned = assign(
            &[request(&[0, 1, 3]), request(&[2, 4])],
            [],
            &holders.into_iter().collect(),
        );
        let member = |position, selector| AssignedDevice { position, selector };
        assert_eq!(
            assigned,
            [
                vec![member(1, Some(0))],
                // The first request admits device 0, and nobody hands it out twice.
                vec![member(2, Some(0)), member(4, Some(0)), member(0, None)]
            ]
        );
    }

    proptest! {
        #[test]
        fn no_device_is_in_two_pools_and_none_is_lost(
            claims in prop::collection::vec(prop::collection::vec(prop::collection::vec(0u32..20, 0..20), 1..4), 1..6),
            aliases in prop::collection::hash_set((0usize..6, 0u32..20), 0..60),
            held in prop::collection::hash_map(0usize..16, prop::option::of(0usize..6), 0..8),
        ) {
            let is_alias = |n, position| aliases.contains(&(n, position));
            let devices = devices(16);
            let requests: Vec<Request<'_>> = claims
                .iter()
                .enumerate()
                .map(|(n, alternatives)| {
                    let alternatives = alternatives.iter().map(|at| {
                        let mut by_alias = at.clone();
                        by_alias.retain(|&at| is_alias(n, at));
                        by_alias.sort_unstable();
                        admitted(at, &by_alias)
                    });
                    Request { devices: &devices, alternatives: alternatives.collect() }
                })
                .collect();
            let kept = [devices[0].id.as_str(), devices[15].id.as_str()];
            let holders: OwnerByDevice<'_> = held.iter().map(|(&n, &holder)| (devices[n].id.as_str(), holder)).collect();
            let assigned = assign(&requests, kept, &holders);
            let mut seen = HashSet::new();
            for (pool, members) in assigned.iter().enumerate() {
                for member in members {
                    let position = member.position;
                    prop_assert!(seen.insert(position), "device {} is in two pools", position);
                    let holder = held.get(&(position as usize));
                    match (holder, member.selector) {
                        (Some(&holder), None) => {
                            prop_assert_eq!(holder, Some(pool));
                            prop_assert!(!claims[pool].iter().flatten().any(|&claimed| claimed == position));
                        }
                        (Some(&holder), Some(selector)) => {
                            prop_assert_eq!(holder, Some(pool));
                            prop_assert!(claims[pool][selector].contains(&position));
                        }
                        (None, selector) => {
                            let selector = selector.expect("nobody holds it");
                            prop_assert!(claims[pool][selector].contains(&position));
                            let claim = |&n: &usize| claims[n].iter().flatten().any(|&claimed| claimed == position);
                            let first = (0..claims.len()).filter(claim).min_by_key(|&n| is_alias(n, position));
                            prop_assert_eq!(first, Some(pool), "device {}", position);
                        }
                    }
                }
            }
            let free = |position: u32| (1..15).contains(&position);
            let claimed = claims.iter().flatten().flatten().copied().filter(|p| !held.contains_key(&(*p as usize)));
            let held_here = held.iter().filter(|(_, holder)| holder.is_some_and(|n| n < requests.len()));
            let held_here = held_here.filter_map(|(&n, _)| u32::try_from(n).ok());
            let expected: HashSet<u32> = claimed.chain(held_here).filter(|&p| free(p)).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
