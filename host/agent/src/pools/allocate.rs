//! Queries the providers for what a container gets for some devices of a pool.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::contributions::Contribution;
use super::{
    AllocateError, ContainerAllocation, Fit, Health, Pool, PoolDevice, ProviderSelector, Resource,
};
use sriovdp_providers::{AllocateRequest, CallError, Provider, ThreadCalls};

/// How many devices an error names.
const NAMED: usize = 8;

/// Checks the ids of `containers` before anything is copied: each is a device of the pool, and none is named twice, so
/// there are no more ids than devices.
///
/// # Errors
///
/// When no kubelet sends such a request, or when a device is unknown or removed.
pub fn check_request<'a>(
    pool: &Pool,
    containers: impl ExactSizeIterator<Item = &'a [String]>,
) -> Result<(), AllocateError> {
    check_containers(pool, containers.len())?;
    check_ids(pool, containers.flatten(), find)
}

/// Checks the ids of a container that is about to start, as [`check_request`] does. The container may be one that starts
/// again, so the device may mismatch by now, or be removed.
///
/// # Errors
///
/// When no kubelet sends such a request, or when a device is unknown.
pub fn check_pre_start_request(pool: &Pool, ids: &[String]) -> Result<(), AllocateError> {
    check_ids(pool, ids, find_of_pod)
}

fn check_ids<'a>(
    pool: &Pool,
    ids: impl IntoIterator<Item = &'a String>,
    find: Find,
) -> Result<(), AllocateError> {
    let mut seen = HashSet::new();
    for id in ids {
        find(pool, id)?;
        check_first(pool, id, &mut seen)?;
    }
    Ok(())
}

/// Checks the ids of `containers`, each with the devices to choose from and those that are required. The kubelet's list
/// may be older than the pool, so an id may be unknown, and there may be somewhat more ids than devices.
///
/// # Errors
///
/// When no kubelet sends such a request.
pub fn check_preferred_request<'a>(
    pool: &Pool,
    containers: impl ExactSizeIterator<Item = [&'a [String]; 2]>,
) -> Result<(), AllocateError> {
    check_containers(pool, containers.len())?;
    let devices = pool.devices.len();
    for ids in containers.flatten() {
        if ids.len() > 2 * devices.max(NAMED) {
            return Err(AllocateError::TooManyIds {
                resource: pool.resource.name.clone(),
                ids: ids.len(),
                devices,
            });
        }
        let mut seen = HashSet::new();
        for id in ids {
            check_first(pool, id, &mut seen)?;
        }
    }
    Ok(())
}

fn check_containers(pool: &Pool, containers: usize) -> Result<(), AllocateError> {
    let devices = pool.devices.len();
    if containers > devices.max(1) {
        return Err(AllocateError::TooManyContainers {
            resource: pool.resource.name.clone(),
            containers,
            devices,
        });
    }
    Ok(())
}

fn check_first<'a>(
    pool: &Pool,
    id: &'a str,
    seen: &mut HashSet<&'a str>,
) -> Result<(), AllocateError> {
    if seen.insert(id) {
        return Ok(());
    }
    Err(AllocateError::Twice {
        resource: pool.resource.name.clone(),
        id: id.to_owned(),
    })
}

/// Builds what a container gets for the devices `ids`, in this order. Changes nothing.
///
/// # Errors
///
/// When one of the devices is unknown or removed, when something that it needs is missing on the node, or when a provider
/// fails.
pub fn allocate(
    pool: &Pool,
    ids: &[String],
    calls: &ThreadCalls,
) -> Result<ContainerAllocation, AllocateError> {
    let by_selector = BySelector::new(pool, ids, find)?;
    let devices = &by_selector.devices;
    let mut contributions: Vec<Vec<Contribution>> = devices.iter().map(|_| Vec::new()).collect();
    for (&selector, members) in &by_selector.members {
        let ids = by_selector.ids(members);
        for part in parts(pool, selector, &ids, calls)? {
            for (&n, allocation) in members.iter().zip(part) {
                contributions[n].push(allocation);
            }
        }
    }
    Ok(ContainerAllocation::join(pool, devices, &contributions)?)
}

/// Prepares the devices `ids` before their container starts, by the providers that do so. A container of a running pod
/// starts again with the devices that it has, whether or not a new pod would get them.
///
/// # Errors
///
/// When one of the devices, or its selector, is unknown, or when a provider fails.
pub fn pre_start(pool: &Pool, ids: &[String], calls: &ThreadCalls) -> Result<(), AllocateError> {
    let by_selector = BySelector::new(pool, ids, find_of_pod)?;
    for (&selector, members) in &by_selector.members {
        let ids = by_selector.ids(members);
        for call in ProviderCall::all(pool, selector, &ids) {
            if call.provider().has_pre_start() {
                let started = call.provider().pre_start(calls, call.request());
                started.map_err(|error| call.failed(error))?;
            }
        }
    }
    Ok(())
}

/// The devices of a request by the selectors by which containers get them: one call is about all devices of one.
struct BySelector<'a> {
    devices: Vec<&'a PoolDevice>,
    /// Positions in `devices`.
    members: BTreeMap<usize, Vec<usize>>,
}

impl<'a> BySelector<'a> {
    fn new(pool: &'a Pool, ids: &[String], find: Find) -> Result<Self, AllocateError> {
        let mut by_selector = Self {
            devices: Vec::with_capacity(ids.len()),
            members: BTreeMap::new(),
        };
        for (n, id) in ids.iter().enumerate() {
            let (device, selector) = find(pool, id)?;
            by_selector.devices.push(device);
            by_selector.members.entry(selector).or_default().push(n);
        }
        Ok(by_selector)
    }

    fn ids(&self, members: &[usize]) -> Vec<String> {
        let ids = members.iter().map(|&n| self.devices[n].id.to_string());
        ids.collect()
    }
}

/// The device with this id, and the position of the selector by which containers get it.
type Find = for<'a> fn(&'a Pool, &str) -> Result<(&'a PoolDevice, usize), AllocateError>;

/// A device that a new pod may get.
fn find<'a>(pool: &'a Pool, id: &str) -> Result<(&'a PoolDevice, usize), AllocateError> {
    match pool.device(id) {
        Some(PoolDevice {
            health: Health::Removed { reason, .. },
            ..
        }) => Err(AllocateError::Left {
            resource: pool.resource.name.clone(),
            id: id.to_owned(),
            reason: Arc::clone(reason),
        }),
        Some(PoolDevice {
            fit: Fit::Mismatch(reason),
            ..
        }) => Err(mismatch(pool, id, Arc::clone(reason))),
        _ => find_of_pod(pool, id),
    }
}

/// A device that a pod may have already.
fn find_of_pod<'a>(pool: &'a Pool, id: &str) -> Result<(&'a PoolDevice, usize), AllocateError> {
    let device = pool
        .device(id)
        .ok_or_else(|| AllocateError::UnknownDevice {
            resource: pool.resource.name.clone(),
            id: id.to_owned(),
        })?;
    match device.selector {
        Some(selector) if selector < pool.resource.selectors.len() => Ok((device, selector)),
        // Without a selector no provider would be called, and the container would get no device node.
        _ => Err(mismatch(
            pool,
            id,
            "the selector that it matched is not known".into(),
        )),
    }
}

fn mismatch(pool: &Pool, id: &str, reason: Arc<str>) -> AllocateError {
    AllocateError::Mismatch {
        resource: pool.resource.name.clone(),
        id: id.to_owned(),
        reason,
    }
}

/// The first ids: the reason follows them, on a line of limited length.
fn named(ids: &[String]) -> String {
    let (first, more) = ids.split_at(ids.len().min(NAMED));
    match more.len() {
        0 => first.join(","),
        more => format!("{} and {more} more", first.join(",")),
    }
}

/// The contributions of the providers of a selector for `ids`: the owner's first.
fn parts(
    pool: &Pool,
    selector: usize,
    ids: &[String],
    calls: &ThreadCalls,
) -> Result<Vec<Vec<Contribution>>, AllocateError> {
    let mut parts = Vec::new();
    for call in ProviderCall::all(pool, selector, ids) {
        let provider = call.provider();
        let allocated = provider.allocate(calls, call.request());
        let allocated = allocated.map_err(|error| call.failed(error))?;
        if allocated.len() != ids.len() {
            return Err(AllocateError::WrongNumber {
                provider: provider.file_name(),
                allocations: allocated.len(),
                devices: ids.len(),
            });
        }
        let contributions = ids.iter().zip(allocated).map(|(id, allocation)| {
            let contribution = Contribution {
                provider: provider.file_name(),
                allocation,
            };
            match contribution.allocation.validate() {
                Ok(()) => Ok(contribution),
                Err(error) => Err(AllocateError::Invalid {
                    provider: contribution.provider,
                    id: id.clone(),
                    source: Box::new(error),
                }),
            }
        });
        parts.push(contributions.collect::<Result<_, _>>()?);
    }
    Ok(parts)
}

/// A call of one provider about devices that a container gets by one selector.
struct ProviderCall<'a> {
    resource: &'a Resource,
    name: String,
    part: &'a ProviderSelector,
    ids: &'a [String],
    replaced: Vec<String>,
}

impl<'a> ProviderCall<'a> {
    /// Of each provider of the selector, the owner's first.
    fn all(pool: &'a Pool, selector: usize, ids: &'a [String]) -> impl Iterator<Item = Self> {
        let resource = &*pool.resource;
        let selector = &resource.selectors[selector];
        let parts = selector.provider_selectors.iter();
        parts.map(move |part| Self {
            resource,
            name: resource.name.to_string(),
            part,
            ids,
            replaced: selector.replaced(),
        })
    }

    fn provider(&self) -> &'a Arc<Provider> {
        &self.part.provider
    }

    fn request(&self) -> AllocateRequest<'_> {
        AllocateRequest {
            device_type: &self.resource.device_type,
            resource: &self.name,
            selectors: &self.part.selectors,
            ids: self.ids,
            settings: self.part.settings.as_deref(),
            replaced: &self.replaced,
        }
    }

    fn failed(&self, error: CallError) -> AllocateError {
        failed(self.resource, self.ids, error)
    }
}

pub(super) fn failed(resource: &Resource, ids: &[String], error: CallError) -> AllocateError {
    AllocateError::Provider {
        resource: resource.name.clone(),
        ids: named(ids),
        source: Box::new(error.error),
    }
}
