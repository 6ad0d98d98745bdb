//! Queries the providers for what a container gets for some devices of a pool.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::contributions::Contribution;
use super::{ContainerAllocation, Fit, Health, JoinError, Pool, PoolDevice};
use crate::config::ResourceName;
use sriovdp_providers::AllocateRequest;
use sriovdp_report::{Hint, count};

/// How many devices an error names.
const NAMED: usize = 8;

/// Why a container cannot have the devices. The kubelet rejects its pod with this text.
#[derive(Debug, thiserror::Error)]
pub enum AllocateError {
    /// The kubelet names a device that the pool does not have.
    #[error("the resource `{resource}` has no device `{id}`")]
    UnknownDevice {
        /// The resource.
        resource: ResourceName,
        /// The id.
        id: String,
    },
    /// The kubelet names a device twice in one request.
    #[error("the request names the device `{id}` of `{resource}` twice")]
    Twice {
        /// The resource.
        resource: ResourceName,
        /// The id.
        id: String,
    },
    /// Not all of the containers can have a device.
    #[error(
        "the request has {}, and `{resource}` has {}",
        count(*containers, "container"),
        count(*devices, "device")
    )]
    TooManyContainers {
        /// The resource.
        resource: ResourceName,
        /// How many the request has.
        containers: usize,
        /// How many the pool has.
        devices: usize,
    },
    /// There are no more devices to choose from than these.
    #[error("the request names {}, and `{resource}` has {devices}", count(*ids, "device"))]
    TooManyIds {
        /// The resource.
        resource: ResourceName,
        /// How many the request names.
        ids: usize,
        /// How many the pool has.
        devices: usize,
    },
    /// The device has left the pool.
    #[error("the device `{id}` has left `{resource}`: {reason}")]
    Left {
        /// The resource.
        resource: ResourceName,
        /// The id.
        id: String,
        /// Why.
        reason: Arc<str>,
    },
    /// A pod has the device, and it no longer matches the resource.
    #[error("the device `{id}` does not fit `{resource}` any more: {reason}")]
    Mismatch {
        /// The resource.
        resource: ResourceName,
        /// The id.
        id: String,
        /// The selector key, and what the device has instead.
        reason: Arc<str>,
    },
    /// A provider fails.
    #[error("cannot allocate `{ids}` from `{resource}`")]
    Provider {
        /// The resource.
        resource: ResourceName,
        /// The devices, or the first of them.
        ids: String,
        /// The provider's error.
        #[source]
        source: Box<sriovdp_sdk::Error>,
    },
    /// A provider returns another number of allocations than that of the devices.
    #[error(
        "the provider `{provider}` returned {} for {}",
        count(*allocations, "allocation"),
        count(*devices, "device")
    )]
    WrongNumber {
        /// The provider's file.
        provider: String,
        /// How many it returned.
        allocations: usize,
        /// How many devices the request has.
        devices: usize,
    },
    /// A provider returns what no container may get.
    #[error("the provider `{provider}` returned an invalid allocation for `{id}`")]
    Invalid {
        /// The provider's file.
        provider: String,
        /// The device.
        id: String,
        /// What is invalid.
        #[source]
        source: Box<sriovdp_sdk::Error>,
    },
    /// A container cannot have all that the providers contribute.
    #[error(transparent)]
    Join(#[from] JoinError),
}

impl Hint for AllocateError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Provider { source, .. } | Self::Invalid { source, .. } => {
                source.hint().map(str::to_owned)
            }
            Self::Join(error) => error.hint(),
            Self::Mismatch { .. } => Some(
                "restore what the selectors of the resource require, or wait until the plugin has seen the end of the pod \
                 that has it"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

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
    let mut seen = HashSet::new();
    for id in containers.flatten() {
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

/// Builds what a container gets for the devices `ids`, in this order, until `deadline`. Changes nothing.
///
/// # Errors
///
/// When one of the devices is unknown or removed, when something that it needs is missing on the node, or when a provider
/// has not answered in time.
pub async fn allocate(
    pool: &Pool,
    ids: &[String],
    deadline: Instant,
) -> Result<ContainerAllocation, AllocateError> {
    let devices = ids
        .iter()
        .map(|id| find(pool, id))
        .collect::<Result<Vec<_>, _>>()?;
    // One call for all devices that are allocated by the same selector.
    let mut by_selector: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (n, &(_, selector)) in devices.iter().enumerate() {
        by_selector.entry(selector).or_default().push(n);
    }
    let devices: Vec<&PoolDevice> = devices.into_iter().map(|(device, _)| device).collect();
    let mut contributions: Vec<Vec<Contribution>> = devices.iter().map(|_| Vec::new()).collect();
    for (selector, members) in by_selector {
        let ids: Vec<String> = members.iter().map(|&n| devices[n].id.to_string()).collect();
        for part in parts(pool, selector, &ids, deadline).await? {
            for (&n, allocation) in members.iter().zip(part) {
                contributions[n].push(allocation);
            }
        }
    }
    Ok(ContainerAllocation::join(pool, &devices, &contributions)?)
}

/// The device with this id, and the position of the selector by which containers get it.
fn find<'a>(pool: &'a Pool, id: &str) -> Result<(&'a PoolDevice, usize), AllocateError> {
    let (resource, named) = (|| pool.resource.name.clone(), || id.to_owned());
    let mismatch = |reason: &Arc<str>| AllocateError::Mismatch {
        resource: resource(),
        id: named(),
        reason: Arc::clone(reason),
    };
    match pool.device(id) {
        None => Err(AllocateError::UnknownDevice {
            resource: resource(),
            id: named(),
        }),
        Some(PoolDevice {
            health: Health::Removed { reason, .. },
            ..
        }) => Err(AllocateError::Left {
            resource: resource(),
            id: named(),
            reason: Arc::clone(reason),
        }),
        Some(PoolDevice {
            fit: Fit::Mismatch(reason),
            ..
        }) => Err(mismatch(reason)),
        Some(device) => match device.selector {
            Some(selector) if selector < pool.resource.selectors.len() => Ok((device, selector)),
            // Without a selector no provider would be called, and the container would get no device node.
            _ => Err(mismatch(
                &"the selector that it matched is not known".into(),
            )),
        },
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
async fn parts(
    pool: &Pool,
    selector: usize,
    ids: &[String],
    deadline: Instant,
) -> Result<Vec<Vec<Contribution>>, AllocateError> {
    let resource = &pool.resource;
    let name = resource.name.to_string();
    let mut parts = Vec::new();
    for part in &resource.selectors[selector].provider_selectors {
        let (provider, device_type) = (&part.provider, &resource.device_type);
        let request = AllocateRequest {
            device_type,
            resource: &name,
            selectors: &part.selectors,
            ids,
        };
        let allocated = provider.allocate(deadline, request);
        let allocated = allocated.await.map_err(|error| AllocateError::Provider {
            resource: resource.name.clone(),
            ids: named(ids),
            source: Box::new(error.error),
        })?;
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
