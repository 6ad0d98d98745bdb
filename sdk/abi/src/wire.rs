//! What crosses the library boundary, as JSON.
//!
//! The binary interface carries a method name and two texts. Everything that may grow is in here: a reader ignores
//! unknown fields, and a field that an older writer leaves out has a default.

mod allocate;
mod devlink;
mod explained;
mod function;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DeviceId, Finding, PciAddress};

pub use allocate::{AllocateRequest, Allocated, Allocation, Started};
pub use devlink::{DevlinkHandle, DevlinkQuestion};
pub use explained::{ExplainRequest, Explained};
pub use function::Function;

/// The methods of interface version 1.
pub mod method {
    /// `{}` to [`Manifest`](super::Manifest).
    pub const MANIFEST: &str = "manifest";
    /// [`DiscoverRequest`](super::DiscoverRequest) to [`Discovered`](super::Discovered).
    pub const DISCOVER: &str = "discover";
    /// [`CheckRequest`](super::CheckRequest) to [`Checked`](super::Checked).
    pub const CHECK: &str = "check";
    /// [`SelectRequest`](super::SelectRequest) to [`Selected`](super::Selected).
    pub const SELECT: &str = "select";
    /// [`ExplainRequest`](super::ExplainRequest) to [`Explained`](super::Explained).
    pub const EXPLAIN: &str = "explain";
    /// [`AllocateRequest`](super::AllocateRequest) to [`Allocated`](super::Allocated).
    pub const ALLOCATE: &str = "allocate";
    /// [`AllocateRequest`](super::AllocateRequest) to [`Started`](super::Started), before a container starts; for a provider
    /// with the feature [`PRE_START`](crate::feature::PRE_START).
    pub const PRE_START: &str = "pre_start";
    /// [`CheckSettingsRequest`](super::CheckSettingsRequest) to [`Checked`](super::Checked), for a provider whose
    /// [`Manifest`](super::Manifest) has `settings`.
    pub const CHECK_SETTINGS: &str = "check_settings";
    /// Host method: [`LogRecord`](super::LogRecord) to nothing.
    pub const LOG: &str = "log";
    /// Host method: [`DevlinkQuestion`](super::DevlinkQuestion) to the answer that each of its variants names.
    pub const DEVLINK: &str = "devlink";
    /// Host method: `{}` to [`DefaultRoutes`](super::DefaultRoutes), or to `null` where the kernel cannot be queried.
    pub const DEFAULT_ROUTES: &str = "default_routes";
}

/// What a provider declares about itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The package that was built.
    pub package: String,
    /// The package's version.
    pub version: String,
    /// The SDK that it was built with.
    pub sdk: String,
    /// One sentence.
    pub summary: String,
    /// The device type that it owns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_type: Option<String>,
    /// The class part of the CDI kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cdi_class: Option<String>,
    /// Whether it is meant by a resource that names no device type.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default_device_type: bool,
    /// The device types that it extends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extends: Vec<String>,
    /// Key and file name of selectors that others bring.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub brought_by_others: BTreeMap<String, String>,
    /// Pairs of keys that exclude each other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusive_keys: Vec<(String, String)>,
    /// The SDK that the host must have at least, `major.minor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_host: Option<String>,
    /// Kernel subsystems whose events matter to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subsystems: Vec<String>,
    /// Whether it has the feature [`INCREMENTAL`](crate::feature::INCREMENTAL), as interface 1.0 spells it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_function: bool,
    /// Its features, by the names in [`feature`](crate::feature).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// JSON schema of the selector object.
    pub schema: Value,
    /// JSON schema of its section of the configuration, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// For an owner: the parts of what it hands out that an extension can replace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaceable: Vec<String>,
    /// For an extension: the parts of what the owner hands out that it replaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
}

impl Manifest {
    /// Whether a discovery may be about a [`Part`] of the node.
    pub fn is_incremental(&self) -> bool {
        self.by_function || self.has(crate::feature::INCREMENTAL)
    }

    /// Whether it has a feature.
    pub fn has(&self, feature: &str) -> bool {
        self.features.iter().any(|name| name == feature)
    }
}

/// What a host passes to a provider when it attaches.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// The version of the SDK that the host was built with.
    #[serde(default)]
    pub host: String,
    /// The least severe level that the host logs: `off`, or `error` to `trace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<String>,
    /// The host's features, by the names in [`feature`](crate::feature).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
}

/// A device of its owner, for an extension.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExtendedDevice {
    /// The device type that it belongs to.
    #[serde(rename = "t")]
    pub device_type: String,
    /// The id by which the kubelet refers to it.
    pub id: String,
    /// The function that it is or belongs to.
    #[serde(rename = "a")]
    pub function: PciAddress,
}

impl ExtendedDevice {
    /// As the host sends it.
    pub fn new(device_type: &str, id: &str, function: PciAddress) -> Self {
        Self {
            device_type: device_type.to_owned(),
            id: id.to_owned(),
            function,
        }
    }
}

/// A device of its owner that belongs to no PCI function, for an extension.
#[derive(Debug, Serialize, Deserialize)]
pub struct NonPciDevice {
    /// The device type that it belongs to.
    #[serde(rename = "t")]
    pub device_type: String,
    /// The id by which the kubelet refers to it.
    pub id: String,
}

impl NonPciDevice {
    /// As the host sends it.
    pub fn new(device_type: &str, id: &str) -> Self {
        Self {
            device_type: device_type.to_owned(),
            id: id.to_owned(),
        }
    }
}

/// One scan of the node.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct DiscoverRequest {
    /// The directory that stands for `/`.
    pub root: String,
    /// Which scan this is; later calls name it.
    pub generation: u64,
    /// The PCI bus.
    pub functions: Vec<Function>,
    /// For an extension: the devices that it extends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<ExtendedDevice>,
    /// For an extension: the devices that it extends and that belong to no PCI function.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub non_pci: Vec<NonPciDevice>,
    /// The scope, when it is not the whole node; then `functions` and `devices` have no others either, and
    /// everything else is as it was. Only for an incremental provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The provider's section of the configuration, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
}

impl DiscoverRequest {
    /// Limits it to `part`.
    pub fn restrict_to(&mut self, part: Part) {
        let scope: BTreeSet<PciAddress> = part.functions.iter().copied().collect();
        self.functions.retain(|f| scope.contains(&f.address));
        self.devices.retain(|d| scope.contains(&d.function));
        self.non_pci.clear();
        self.part = Some(part);
    }
}

/// Some functions of the node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// The scan that the provider answered last.
    pub since: u64,
    /// These, whether they are there or not.
    pub functions: Vec<PciAddress>,
}

/// What a provider found, on the whole node or on the [`Part`] in scope.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Discovered {
    /// In an order that [`Selected::admitted`] refers to.
    #[serde(default)]
    pub devices: Vec<Device>,
    /// What is left out on purpose: name and reason.
    #[serde(default)]
    pub excluded: Vec<(String, String)>,
    /// Functions of which something could not be read; the host repeats the discovery of these soon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<PciAddress>,
}

/// One device of a discovery.
#[derive(Debug, Serialize, Deserialize)]
pub struct Device {
    /// The id by which the kubelet refers to it.
    pub id: DeviceId,
    /// The PCI function that it is or belongs to, when its id is not its address. A device that has neither belongs to no
    /// PCI function.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub function: Option<PciAddress>,
    /// NUMA node.
    #[serde(rename = "numa", default, skip_serializing_if = "Option::is_none")]
    pub numa_node: Option<u32>,
    /// Further NUMA nodes.
    #[serde(rename = "numas", default, skip_serializing_if = "Vec::is_empty")]
    pub other_numa_nodes: Vec<u32>,
    /// The directory in `/sys/devices` of the device that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// It takes nothing of its function or parent, which may be in another pool.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub independent: bool,
    /// Its attributes by their ids, each an [`Attribute`](crate::Attribute); a reader ignores those of other types.
    #[serde(rename = "attrs", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Value>,
    /// Why it is unhealthy, if it is; for hosts without `findings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealthy: Option<String>,
    /// The same by kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Whether these selectors are valid.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckRequest {
    /// The device type of the resource.
    pub device_type: String,
    /// The provider's own keys, in the schema's spelling.
    pub selectors: Value,
}

/// Selectors that a resource can have.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Checked {
    /// Warnings for the user, such as a value that no device can have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Failure>,
}

/// Which devices of the last discovery match.
#[derive(Debug, Serialize, Deserialize)]
pub struct SelectRequest {
    /// The scan that is meant.
    pub generation: u64,
    /// The device type of the resource.
    pub device_type: String,
    /// The provider's own keys.
    pub selectors: Value,
}

/// The devices that match.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Selected {
    /// Positions in [`Discovered::devices`].
    pub admitted: Vec<u32>,
    /// Those of the matching devices that match by an alias only, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_alias: Vec<u32>,
    /// Findings for these selectors: for each the position of its device, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<(u32, Finding)>,
    /// The devices that match and that the resource does not get all the same, with the reason, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_out: Vec<(u32, String)>,
    /// Warnings about these selectors on this node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Failure>,
}

/// Whether a section of the configuration is valid.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckSettingsRequest {
    /// The section, in the schema's spelling.
    pub settings: Value,
}

/// Where the default routes that the host's machine uses lead to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefaultRoutes {
    /// The network interfaces of all next hops.
    #[serde(default)]
    pub netdevs: Vec<String>,
}

/// A failed call, or something that will fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Outermost message first.
    pub chain: Vec<String>,
    /// How to correct it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The place in the selectors that is meant, such as `pfNames[0]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// One line for the host's log.
#[derive(Debug, Serialize, Deserialize)]
pub struct LogRecord {
    /// The provider's package.
    pub provider: String,
    /// `error` to `trace`.
    pub level: String,
    /// The text.
    pub message: String,
}
