//! What a container gets, and what precedes its start.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a container gets for these devices.
#[derive(Debug, Default, Serialize, Deserialize)]
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
    /// The provider's section of the configuration, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// For an owner: its parts that extensions replace for these devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<String>,
}

/// A container may start.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Started {}

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
