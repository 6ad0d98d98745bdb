//! What a container gets, joined from what the providers contribute: a function of values.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use sriovdp_sdk::{Allocation, DeviceId, DeviceNode, Mount};

use super::{Pool, PoolDevice};

/// Version of the Device Information Specification that the files follow.
const DEVICE_INFO_VERSION: &str = "1.1.0";

/// What one container gets.
#[derive(Debug, Default, PartialEq)]
pub struct ContainerAllocation {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// The devices, in the order of the request.
    pub devices: Vec<AllocatedDevice>,
    /// Mounts; none twice.
    pub mounts: Vec<Mount>,
    /// Files for CNIs.
    pub device_info: Vec<DeviceInfoFile>,
}

/// A device of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct AllocatedDevice {
    /// Its id.
    pub id: DeviceId,
    /// Its device nodes.
    pub nodes: Vec<DeviceNode>,
}

/// What a CNI may read about one device.
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceInfoFile {
    /// The file's name.
    pub name: String,
    /// Its JSON.
    pub content: String,
}

/// A path that no container may get.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider returned the device node `{0}`, which is not below `/dev`")]
pub struct ForbiddenPath(String);

impl ContainerAllocation {
    /// Joins the contributions of each device's providers; `contributions` has one list for each of `devices`.
    ///
    /// # Errors
    ///
    /// When a provider names a device node outside `/dev`.
    pub(super) fn join(
        pool: &Pool,
        devices: &[&PoolDevice],
        contributions: Vec<Vec<Allocation>>,
    ) -> Result<Self, ForbiddenPath> {
        let mut allocation = Self::default();
        let mut about: BTreeMap<&str, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
        for (device, parts) in devices.iter().zip(contributions) {
            let mut sections = BTreeMap::from([(
                "generic".to_owned(),
                BTreeMap::from([("deviceID".to_owned(), device.id.to_string())]),
            )]);
            let mut device_info = Value::Null;
            let mut companions = Vec::new();
            let mut nodes = Vec::new();
            for part in parts {
                nodes.extend(part.nodes);
                companions.extend(part.companions);
                allocation.mounts.extend(part.mounts);
                for (section, values) in part.info {
                    sections.entry(section).or_default().extend(values);
                }
                if !part.device_info.is_empty() {
                    merge(&mut device_info, part.device_info.into_iter().collect());
                }
            }
            nodes.append(&mut companions);
            let paths = nodes.iter().flat_map(|n| [&n.host_path, &n.container_path]);
            if let Some(path) = paths.into_iter().find(|path| !is_device_path(path)) {
                return Err(ForbiddenPath(path.clone()));
            }
            allocation.devices.push(AllocatedDevice {
                id: device.id.clone(),
                nodes,
            });
            if let Some(additional) = &pool.resource.additional_info {
                sections.insert(
                    "extra".to_owned(),
                    additional.of(device.id.as_str(), &device.function.to_string()),
                );
            }
            about.insert(device.id.as_str(), sections);
            if !device_info.is_null() {
                allocation
                    .device_info
                    .push(device_info_file(pool, device, device_info));
            }
        }
        let order = |mount: &Mount| {
            let paths = (mount.host_path.clone(), mount.container_path.clone());
            (paths, mount.read_only)
        };
        allocation.mounts.sort_by_cached_key(order);
        allocation.mounts.dedup();
        let variable = pool.resource.name.variable();
        let ids: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
        allocation
            .variables
            .insert(format!("{variable}_INFO"), as_go_writes_it(&json!(about)));
        allocation.variables.insert(variable, ids.join(","));
        Ok(allocation)
    }

    /// The device nodes of all devices; none twice.
    pub fn nodes(&self) -> impl Iterator<Item = &DeviceNode> {
        let mut seen = HashSet::new();
        let nodes = self.devices.iter().flat_map(|device| &device.nodes);
        nodes.filter(move |node| seen.insert(&node.host_path))
    }
}

fn is_device_path(path: &str) -> bool {
    path.strip_prefix("/dev/").is_some_and(|rest| {
        !rest.is_empty() && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
    })
}

/// Puts `over` into `base`: objects member by member, anything else replaced.
fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

fn device_info_file(pool: &Pool, device: &PoolDevice, mut info: Value) -> DeviceInfoFile {
    merge(&mut info, json!({"version": DEVICE_INFO_VERSION}));
    DeviceInfoFile {
        name: pool.resource.name.device_info_file(device.id.as_str()),
        content: as_go_writes_it(&info),
    }
}

/// Go's encoder escapes these characters, and programs that compare texts have got used to it. In JSON they occur in
/// strings only.
fn as_go_writes_it(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_device_nodes_are_allocated() {
        for (path, expected) in [
            ("/dev/vfio/19", true),
            ("/dev/", false),
            ("/dev", false),
            ("/dev/../etc/shadow", false),
            ("/dev//x", false),
            ("/etc/shadow", false),
            ("dev/null", false),
        ] {
            assert_eq!(is_device_path(path), expected, "{path}");
        }
    }

    #[test]
    fn objects_merge_member_by_member() {
        let mut info = json!({"type": "pci", "pci": {"pci-address": "0000:03:02.0"}});
        merge(&mut info, json!({"pci": {"rdma-device": "mlx5_1"}}));
        assert_eq!(
            info,
            json!({"type": "pci", "pci": {"pci-address": "0000:03:02.0", "rdma-device": "mlx5_1"}})
        );
    }

    #[test]
    fn go_escapes_what_html_would_read() {
        assert_eq!(
            as_go_writes_it(&json!({"a": "<&>"})),
            r#"{"a":"\u003c\u0026\u003e"}"#
        );
    }
}
