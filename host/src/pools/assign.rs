//! Divides the devices among the resources: a function of values.

use std::collections::HashSet;

use super::FoundDevice;

/// One resource's claims.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The devices of its device type.
    pub devices: &'a [FoundDevice],
    /// For each of its selectors, the positions of the devices that it admits.
    pub alternatives: Vec<Vec<u32>>,
}

/// One device of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its position among the devices of its type.
    pub position: u32,
    /// The first selector that admits it.
    pub selector: usize,
}

/// Gives each device to the first resource that claims it, and within the resource to the first selector; those that
/// are `kept` are given to nobody.
pub fn assign<'a>(
    requests: &[Request<'a>],
    kept: impl IntoIterator<Item = &'a str>,
) -> Vec<Vec<Member>> {
    let mut taken: HashSet<&str> = kept.into_iter().collect();
    requests
        .iter()
        .map(|request| {
            let mut members = Vec::new();
            for (selector, positions) in request.alternatives.iter().enumerate() {
                for &position in positions {
                    let device = request.devices.get(position as usize);
                    if device.is_some_and(|device| taken.insert(device.id.as_str())) {
                        members.push(Member { position, selector });
                    }
                }
            }
            members
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pools::sample;

    fn devices(count: u8) -> Vec<FoundDevice> {
        let device = |n: u8| sample::found(&format!("0000:00:{:02x}.{}", n / 8, n % 8));
        (0..count).map(device).collect()
    }

    #[test]
    fn the_first_resource_and_its_first_selector_win() {
        let devices = devices(4);
        let request = |alternatives: &[&[u32]]| Request {
            devices: &devices,
            alternatives: alternatives
                .iter()
                .map(|positions| positions.to_vec())
                .collect(),
        };
        let members = |pairs: &[(u32, usize)]| -> Vec<Member> {
            pairs
                .iter()
                .map(|&(position, selector)| Member { position, selector })
                .collect()
        };
        let assigned = assign(
            &[
                request(&[&[2], &[0, 2]]),
                request(&[&[0, 1]]),
                request(&[&[0, 1, 2, 3, 9]]),
            ],
            [],
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

    proptest! {
        #[test]
        fn no_device_is_in_two_pools_and_none_is_lost(
            claims in prop::collection::vec(prop::collection::vec(prop::collection::vec(0u32..20, 0..20), 1..4), 1..6)
        ) {
            let devices = devices(16);
            let requests: Vec<Request<'_>> = claims
                .iter()
                .map(|alternatives| Request { devices: &devices, alternatives: alternatives.clone() })
                .collect();
            let kept = [devices[0].id.as_str(), devices[15].id.as_str()];
            let assigned = assign(&requests, kept);
            let mut seen = HashSet::new();
            for (pool, members) in assigned.iter().enumerate() {
                for member in members {
                    prop_assert!(seen.insert(member.position), "device {} is in two pools", member.position);
                    prop_assert!(claims[pool][member.selector].contains(&member.position));
                    let earlier = claims[..pool].iter().flatten().any(|positions| positions.contains(&member.position));
                    prop_assert!(!earlier, "an earlier pool claims device {}", member.position);
                }
            }
            let claimed: HashSet<u32> = claims.iter().flatten().flatten().copied().filter(|p| (1..15).contains(p)).collect();
            prop_assert_eq!(seen, claimed);
        }
    }
}
