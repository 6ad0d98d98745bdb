//! One device of a pool, and whether new pods may have it.

use std::sync::Arc;

use sriovdp_providers::DeviceExtras;
use sriovdp_sdk::{DeviceId, FindingKind, PciAddress, PciFunction};
use tokio::time::Instant;

/// One device of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolDevice {
    /// The id for the kubelet.
    pub id: DeviceId,
    /// The PCI function that it is or belongs to.
    pub function: Option<PciAddress>,
    /// The physical function behind it, which may be `function` itself.
    pub physical_function: Option<PciAddress>,
    /// The first NUMA node.
    pub numa_node: Option<u32>,
    /// What few devices have.
    pub extras: Option<Arc<DeviceExtras>>,
    /// Whether new pods may have it.
    pub health: Health,
    /// The selector of the resource that it matched, if that is known.
    pub selector: Option<usize>,
    /// Whether it still matches a selector.
    pub fit: Fit,
}

/// Whether a device of a pool matches a selector now. If it matches none, it is in the pool because a pod has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It does.
    Matches,
    /// It matches none, and no value of the device contradicts the selector by which containers get it.
    Retained,
    /// A value of the device contradicts each selector, and no container gets it.
    Mismatch(Arc<str>),
}

/// Whether new pods may have a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// They may.
    Healthy,
    /// They may not.
    Unhealthy {
        /// What the reason is about.
        kind: UnhealthyKind,
        /// Why.
        reason: Arc<str>,
    },
    /// It is not in the pool any more; it is listed for the grace period.
    Removed {
        /// When it left.
        since: Instant,
        /// Why.
        reason: Arc<str>,
    },
}

/// What the reason for which a device is unhealthy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnhealthyKind {
    /// The link of its PF.
    Link,
    /// A device node that is missing.
    DeviceNode,
    /// A value of the device, such as its driver, that no selector of its resource matches any more.
    Mismatch,
    /// Something that the provider reports.
    Other,
}

impl UnhealthyKind {
    /// Its name, as a label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::DeviceNode => "device_node",
            Self::Mismatch => "mismatch",
            Self::Other => "other",
        }
    }
}

impl From<FindingKind> for UnhealthyKind {
    fn from(kind: FindingKind) -> Self {
        match kind {
            FindingKind::Link => Self::Link,
            FindingKind::DeviceNode => Self::DeviceNode,
            _ => Self::Other,
        }
    }
}

impl Health {
    /// Whether the device is listed for the grace period only.
    pub fn is_removed(&self) -> bool {
        matches!(self, Self::Removed { .. })
    }

    /// Why new pods may not have the device, if they may not.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Healthy => None,
            Self::Unhealthy { reason, .. } | Self::Removed { reason, .. } => Some(reason),
        }
    }
}

impl PoolDevice {
    /// A device that no provider offers, by its id and the `functions` of the node, which are in the order of addresses.
    pub fn absent(id: DeviceId, functions: &[PciFunction]) -> Self {
        let address: Option<PciAddress> = id.as_str().parse().ok();
        let at = address.and_then(|at| functions.binary_search_by_key(&at, |f| f.address).ok());
        let function = at.map(|n| &functions[n]);
        Self {
            id,
            function: function.map(|f| f.address),
            physical_function: function.map(|f| f.physical_function.unwrap_or(f.address)),
            numa_node: function.and_then(|f| f.numa_node),
            extras: None,
            health: Health::Healthy,
            selector: None,
            fit: Fit::Retained,
        }
    }

    /// The NUMA nodes after the first one.
    pub fn other_numa_nodes(&self) -> &[u32] {
        let extras = self.extras.as_ref();
        extras.map_or(&[], |extras| &extras.other_numa_nodes)
    }
}
