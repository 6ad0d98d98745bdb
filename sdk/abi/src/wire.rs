//! What crosses the library boundary, as JSON.
//!
//! The binary interface carries a method name and two texts. Everything that may grow is in here: a reader ignores
//! unknown fields, and a field that an older writer leaves out has a default.

mod devlink;
mod explained;
mod function;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DeviceId, Finding, PciAddress};

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
}

impl Manifest {
    /// Whether a discovery may be about a [`Part`] of the node.
    pub fn is_incremental(&self) -> bool {
        let is_named = |name: &String| name == crate::feature::INCREMENTAL;
        self.by_function || self.features.iter().any(is_named)
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

/// One scan of the node.
#[derive(Debug, Serialize, Deserialize)]
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
    /// The scope, when it is not the whole node; then `functions` and `devices` have no others either, and
    /// everything else is as it was. Only for an incremental provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

impl DiscoverRequest {
    /// Limits it to `part`.
    pub fn restrict_to(&mut self, part: Part) {
        let scope: BTreeSet<PciAddress> = part.functions.iter().copied().collect();
        self.functions.retain(|f| scope.contains(&f.address));
        self.devices.retain(|d| scope.contains(&d.function));
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
    /// The PCI function that it is or belongs to, when its id is not its address.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub function: Option<PciAddress>,
    /// NUMA node.
    #[serde(rename = "numa", default, skip_serializing_if = "Option::is_none")]
    pub numa_node: Option<u32>,
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

/// What a container gets for these devices.
#[derive(Debug, Serialize, Deserialize)]
pub struct AllocateRequest {
    /// The device type of the resource.
    pub device_type: String,
    /// The provider's own keys of the selector object that matched them.
    pub selectors: Value,
    /// The devices.
    pub ids: Vec<String>,
    /// The resource, as the kubelet names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
}

/// One entry for each id of the request, in its order.
#[derive(Debug, Serialize, Deserialize)]
pub struct Allocated {
    /// What each device contributes.
    pub devices: Vec<Allocation>,
}

/// What one device contributes to a container.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Allocation {
    /// Host path and container path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<(String, String)>,
    /// Host path and container path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<(String, String)>,
    /// The permissions of device nodes by their container path, in letters of `rwm`; `rw` for the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub permissions: BTreeMap<String, String>,
    /// Host path, container path, read only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<(String, String, bool)>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Environment variables with one item for each device.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env_lists: BTreeMap<String, String>,
    /// Annotations of the container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Qualified names of CDI devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cdi_devices: Vec<String>,
    /// Sections of `_INFO`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub info: BTreeMap<String, BTreeMap<String, String>>,
    /// Fields of the device-info file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub device_info: BTreeMap<String, Value>,
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
