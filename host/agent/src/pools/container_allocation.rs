//! What a container gets, joined from what the providers contribute: a function of values.

use std::collections::{BTreeMap, HashSet};

use serde_json::json;
use sriovdp_sdk::{DeviceId, DeviceNode, Mount};

use super::container_info::{as_go_writes_it, device_info_file, sections};
use super::contributions::{Conflict, Contribution, Merging};
use super::{Pool, PoolDevice};

/// The longest `NAME=value` of a process, with its end (Linux: `MAX_ARG_STRLEN`).
const LONGEST_VARIABLE: usize = 128 * 1024;
/// The most bytes of all environment variables and annotations: a process has at least 2 MiB for these and its arguments,
/// and the kubelet reads responses of 4 MiB.
const LARGEST: usize = 1024 * 1024;

/// What one container gets.
#[derive(Debug, Default, PartialEq)]
pub struct ContainerAllocation {
    /// Environment variables that are not those of one device.
    pub variables: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
    /// The devices, in the order of the request.
    pub devices: Vec<AllocatedDevice>,
    /// Devices of CDI specifications that other programs write; none twice.
    pub cdi_devices: Vec<String>,
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
    /// What the container gets with it, from the kubelet or from the container runtime.
    pub edits: DeviceEdits,
}

/// What a container gets with one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceEdits {
    /// Device nodes; no path in the container twice.
    pub nodes: Vec<DeviceNode>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
}

impl DeviceEdits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.env.is_empty()
    }
}

/// What a CNI may read about one device.
#[derive(Debug, PartialEq, Eq)]
pub struct DeviceInfoFile {
    /// The file's name.
    pub name: String,
    /// Its JSON.
    pub content: String,
}

/// Why a container cannot have all contributions.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Two of them exclude each other.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A process cannot have such a variable.
    #[error(
        "the environment variable `{name}` would have {bytes} bytes, and the kernel accepts {LONGEST_VARIABLE}"
    )]
    LongVariable {
        /// Its name.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// They are too much for one response.
    #[error(
        "environment variables and annotations of one container would have {bytes} bytes, and the limit is {LARGEST}"
    )]
    TooLarge {
        /// Their size.
        bytes: usize,
    },
}

impl sriovdp_report::Hint for JoinError {
    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Conflict(Conflict::Providers { .. }) => {
                    "remove the selector keys of one of the two providers from the resource"
                }
                Self::Conflict(Conflict::Devices { .. }) => {
                    "request one device of the resource for each container"
                }
                Self::LongVariable { .. } | Self::TooLarge { .. } => {
                    "request fewer devices for one container"
                }
            }
            .to_owned(),
        )
    }
}

impl ContainerAllocation {
    /// Joins the contributions of each device's providers; `contributions` has one list for each of `devices`.
    ///
    /// # Errors
    ///
    /// When two contributions conflict, or a process cannot have all.
    pub(super) fn join(
        pool: &Pool,
        devices: &[&PoolDevice],
        contributions: &[Vec<Contribution>],
    ) -> Result<Self, JoinError> {
        let mut merging = Merging::new();
        let mut joined = Self::default();
        let mut about: BTreeMap<&str, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
        for (device, parts) in devices.iter().zip(contributions) {
            about.insert(device.id.as_str(), sections(pool, device, parts)?);
            let edits = merging.add(device, parts)?;
            joined.devices.push(AllocatedDevice {
                id: device.id.clone(),
                edits,
            });
            joined
                .device_info
                .extend(device_info_file(pool, device, parts));
        }
        merging.finish(&mut joined)?;
        let variable = pool.resource.name.variable();
        let ids: Vec<&str> = devices.iter().map(|device| device.id.as_str()).collect();
        joined
            .variables
            .insert(format!("{variable}_INFO"), as_go_writes_it(&json!(about)));
        joined.variables.insert(variable, ids.join(","));
        joined.check_size()?;
        Ok(joined)
    }

    /// The device nodes of all devices; none twice.
    pub fn nodes(&self) -> impl Iterator<Item = &DeviceNode> {
        let mut seen = HashSet::new();
        let nodes = self.devices.iter().flat_map(|device| &device.edits.nodes);
        nodes.filter(move |node| seen.insert(&node.container_path))
    }

    /// The environment variables of all devices.
    pub fn device_env(&self) -> impl Iterator<Item = (&String, &String)> {
        self.devices.iter().flat_map(|device| &device.edits.env)
    }

    fn check_size(&self) -> Result<(), JoinError> {
        let variables = || self.variables.iter().chain(self.device_env());
        let size = |(name, value): (&String, &String)| name.len() + value.len() + 2;
        if let Some(variable) = variables().find(|v| size(*v) > LONGEST_VARIABLE) {
            return Err(JoinError::LongVariable {
                name: variable.0.clone(),
                bytes: size(variable),
            });
        }
        let bytes = variables().chain(&self.annotations).map(size).sum();
        if bytes > LARGEST {
            return Err(JoinError::TooLarge { bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sriovdp_sdk::Allocation;

    use super::*;
    use crate::pools::sample;

    fn joined(allocations: &[Allocation]) -> Result<ContainerAllocation, JoinError> {
        let devices: Vec<PoolDevice> = (0..allocations.len())
            .map(|n| sample::device(&format!("d{n}")))
            .collect();
        let pool = Pool::empty(sample::resource("intel.com", "x"));
        let contributions = allocations.iter().map(|allocation| {
            vec![Contribution {
                provider: "p.so".to_owned(),
                allocation: allocation.clone(),
            }]
        });
        let contributions: Vec<_> = contributions.collect();
        ContainerAllocation::join(&pool, &devices.iter().collect::<Vec<_>>(), &contributions)
    }

    #[test]
    fn one_node_can_have_two_paths_in_a_container() {
        let mut allocation = Allocation::default();
        allocation.node("/dev/a").node_as("/dev/a", "/dev/b");
        let joined = joined(&[allocation.clone(), allocation]).unwrap();
        let paths: Vec<&str> = joined.nodes().map(|node| &*node.container_path).collect();
        assert_eq!(paths, ["/dev/a", "/dev/b"]);
    }

    #[test]
    fn devices_of_one_provider_conflict_by_their_ids() {
        let allocation = |value: &str| {
            let mut allocation = Allocation::default();
            allocation.env("A", value).info("s", "k", value);
            allocation
        };
        // `_INFO` has an entry for each device.
        joined(&[allocation("1"), allocation("1")]).unwrap();
        let conflict = joined(&[allocation("1"), allocation("2")]).unwrap_err();
        assert_eq!(
            conflict.to_string(),
            "the provider `p.so` contributes different values for the environment variable `A` to one container, for the \
             devices `d0` and `d1`"
        );
    }

    #[test]
    fn what_a_process_cannot_have_is_refused() {
        let mut allocation = Allocation::default();
        allocation.info("s", "k", "x".repeat(140_000));
        let refused = joined(&[allocation]).unwrap_err().to_string();
        assert!(
            refused.starts_with(
                "the environment variable `PCIDEVICE_INTEL_COM_X_INFO` would have 1400"
            ),
            "{refused}"
        );
        let with = |n: usize| {
            let mut allocation = Allocation::default();
            allocation.env(format!("A{n}"), "x".repeat(120_000));
            allocation
        };
        let many: Vec<Allocation> = (0..9).map(with).collect();
        joined(&many[..8]).unwrap();
        let refused = joined(&many).unwrap_err().to_string();
        assert!(refused.contains("and the limit is 1048576"), "{refused}");
    }
}
