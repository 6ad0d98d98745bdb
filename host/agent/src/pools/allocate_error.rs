//! Why a container cannot have devices.

use std::sync::Arc;

use super::JoinError;
use crate::config::ResourceName;
use sriovdp_report::{Hint, count};

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
