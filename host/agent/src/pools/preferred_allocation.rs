//! The preferred ones of the available devices: a function of values.

use std::collections::BTreeMap;

use sriovdp_sdk::PciAddress;

use super::{Pool, PoolDevice};
use crate::config::AllocationPolicy;

/// A kubelet's request: `size` of the `available` devices, those in `must_include` among them.
#[derive(Clone, Copy, Debug)]
pub struct PreferredAllocationRequest<'a> {
    /// The devices to choose from, those of `must_include` too.
    pub available: &'a [String],
    /// The devices that the container has already.
    pub must_include: &'a [String],
    /// How many devices it is to have.
    pub size: usize,
}

/// The ids of `request.size` devices, those that the container must have first; nothing when there is no such choice,
/// which leaves it to the kubelet. An error would refuse the pod.
pub fn preferred_allocation<'a>(
    pool: &'a Pool,
    policy: AllocationPolicy,
    request: PreferredAllocationRequest<'_>,
) -> Vec<&'a str> {
    choose(pool, policy, request).unwrap_or_default()
}

fn choose<'a>(
    pool: &'a Pool,
    policy: AllocationPolicy,
    request: PreferredAllocationRequest<'_>,
) -> Option<Vec<&'a str>> {
    let known = |ids: &[String]| -> Vec<&'a PoolDevice> {
        let mut devices: Vec<_> = ids.iter().filter_map(|id| pool.device(id)).collect();
        devices.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        devices.dedup_by(|a, b| a.id == b.id);
        devices
    };
    let mut chosen = known(request.must_include);
    let available = known(request.available);
    let missing = request.size.checked_sub(chosen.len())?;
    let is_odd = chosen.len() != request.must_include.len()
        || chosen.iter().any(|device| !contains(&available, device));
    if is_odd {
        return None;
    }
    let free: Vec<_> = available
        .into_iter()
        .filter(|device| !contains(&chosen, device))
        .collect();
    if free.len() < missing {
        return None;
    }
    let mut ports = PhysicalFunctions::new(&chosen, free);
    match policy {
        AllocationPolicy::Balanced => {
            ports.keep_one_node(&chosen, missing);
            for _ in 0..missing {
                chosen.push(ports.take(|port, _| std::cmp::Reverse(port.free.len()))?);
            }
        }
        AllocationPolicy::Spread => {
            for _ in 0..missing {
                chosen
                    .push(ports.take(|port, _| (port.taken, std::cmp::Reverse(port.free.len())))?);
            }
        }
        AllocationPolicy::Packed => {
            for left in (1..=missing).rev() {
                chosen.push(ports.take(|port, node| packed(port, node, left))?);
            }
        }
    }
    Some(chosen.iter().map(|device| device.id.as_str()).collect())
}

/// The smaller, the better: a function that the container uses already; one that has enough for it, and then the one
/// that has the least too many; the largest of those that have not; near the others.
fn packed(port: &PfDevices<'_>, last: Option<Option<u32>>, left: usize) -> impl Ord + use<> {
    let free = port.free.len();
    let (too_small, waste) = match free.checked_sub(left) {
        Some(waste) => (false, waste),
        None => (true, left - free),
    };
    let far = last.is_some_and(|node| node != port.numa_node);
    (port.taken == 0, too_small, far, waste)
}

/// `devices` are in the order of their ids.
fn contains(devices: &[&PoolDevice], device: &PoolDevice) -> bool {
    devices
        .binary_search_by(|known| known.id.cmp(&device.id))
        .is_ok()
}

/// The devices of one physical function. Devices without one are on several NUMA nodes, and those of each node are as if
/// they were of one function.
#[derive(Default)]
struct PfDevices<'a> {
    numa_node: Option<u32>,
    /// How many of them the container has.
    taken: usize,
    /// The others that it can have, the first one last.
    free: Vec<&'a PoolDevice>,
}

/// By address, so that equal choices end equally.
struct PhysicalFunctions<'a> {
    by_address: BTreeMap<(Option<PciAddress>, Option<u32>), PfDevices<'a>>,
    /// The NUMA node of the device that was chosen last.
    last: Option<Option<u32>>,
}

impl<'a> PhysicalFunctions<'a> {
    fn new(chosen: &[&'a PoolDevice], free: Vec<&'a PoolDevice>) -> Self {
        let mut by_address: BTreeMap<_, PfDevices<'a>> = BTreeMap::new();
        let address_of = |device: &PoolDevice| (device.physical_function, device.numa_node);
        for device in chosen {
            let port = by_address.entry(address_of(device)).or_default();
            port.numa_node = device.numa_node;
            port.taken += 1;
        }
        for device in free.into_iter().rev() {
            let port = by_address.entry(address_of(device)).or_default();
            port.numa_node = device.numa_node;
            port.free.push(device);
        }
        Self {
            by_address,
            last: chosen.last().map(|device| device.numa_node),
        }
    }

    /// Forgets the devices of other NUMA nodes, when all can come from one: the one of the devices that the container
    /// has, or else the one with the most free devices.
    fn keep_one_node(&mut self, chosen: &[&PoolDevice], missing: usize) {
        let mut free_by_node: BTreeMap<Option<u32>, usize> = BTreeMap::new();
        for port in self.by_address.values() {
            *free_by_node.entry(port.numa_node).or_default() += port.free.len();
        }
        let fits = free_by_node.iter().filter(|&(&node, &free)| {
            free >= missing && chosen.iter().all(|d| d.numa_node == node)
        });
        let most = fits.min_by_key(|&(_, &free)| std::cmp::Reverse(free));
        if let Some((&node, _)) = most {
            self.by_address.retain(|_, port| port.numa_node == node);
        }
    }

    /// Takes the next device of the physical function that ranks first.
    fn take<R: Ord>(
        &mut self,
        rank: impl Fn(&PfDevices<'a>, Option<Option<u32>>) -> R,
    ) -> Option<&'a PoolDevice> {
        let last = self.last;
        let ports = self.by_address.values_mut();
        let port = ports
            .filter(|port| !port.free.is_empty())
            .min_by_key(|port| rank(port, last))?;
        let device = port.free.pop()?;
        port.taken += 1;
        self.last = Some(port.numa_node);
        Some(device)
    }
}

#[cfg(test)]
mod tests;
