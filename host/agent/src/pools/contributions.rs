//! Contributions of several providers for several devices to one container: equal ones merge, different ones conflict.

use std::collections::BTreeMap;

use sriovdp_sdk::{Allocation, DeviceId, DeviceNode, Mount, Permissions};

use super::{ContainerAllocation, DeviceEdits, PoolDevice};

/// Which provider contributes something, and for which device.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Origin<'a> {
    pub(super) provider: &'a str,
    pub(super) device: &'a DeviceId,
}

/// Two contributions that one container cannot have together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// Of two providers.
    #[error(
        "the providers `{first}` and `{second}` contribute different values for {what} to one container"
    )]
    Providers {
        /// The kind of contribution, and its key.
        what: String,
        /// The provider that comes first.
        first: String,
        /// The other one.
        second: String,
    },
    /// Of one provider for two devices.
    #[error(
        "the provider `{provider}` contributes different values for {what} to one container, for the devices `{first}` and `{second}`"
    )]
    Devices {
        /// The kind of contribution, and its key.
        what: String,
        /// The provider.
        provider: String,
        /// The device that comes first.
        first: DeviceId,
        /// The other one.
        second: DeviceId,
    },
}

/// What one provider contributes for one device.
#[derive(Debug)]
pub(super) struct Contribution {
    pub(super) provider: String,
    pub(super) allocation: Allocation,
}

/// The contributions to one container, by what must be unique in it.
pub(super) struct Merging<'a> {
    env: Merged<'a, String>,
    env_lists: BTreeMap<String, (Vec<String>, Origin<'a>)>,
    annotations: Merged<'a, String>,
    nodes: Merged<'a, (String, Permissions)>,
    mounts: Merged<'a, Mount>,
    cdi_devices: Vec<String>,
}

impl Conflict {
    pub(super) fn new(what: String, first: Origin<'_>, second: Origin<'_>) -> Self {
        if first.provider == second.provider {
            return Self::Devices {
                what,
                provider: first.provider.to_owned(),
                first: first.device.clone(),
                second: second.device.clone(),
            };
        }
        Self::Providers {
            what,
            first: first.provider.to_owned(),
            second: second.provider.to_owned(),
        }
    }
}

/// Values by key, each with its first origin.
#[derive(Debug)]
pub(super) struct Merged<'a, V> {
    kind: &'static str,
    values: BTreeMap<String, (V, Origin<'a>)>,
}

impl<'a, V: PartialEq> Merged<'a, V> {
    /// `kind` is what the values are, in front of a key.
    pub(super) fn new(kind: &'static str) -> Self {
        Self {
            kind,
            values: BTreeMap::new(),
        }
    }

    /// # Errors
    ///
    /// When there is another value for `key`.
    pub(super) fn add(&mut self, key: &str, value: V, origin: Origin<'a>) -> Result<(), Conflict> {
        match self.values.get(key) {
            None => {
                self.values.insert(key.to_owned(), (value, origin));
                Ok(())
            }
            Some((known, _)) if *known == value => Ok(()),
            Some((_, first)) => Err(self.conflict(key, *first, origin)),
        }
    }

    /// The origin of the value for `key`.
    pub(super) fn origin(&self, key: &str) -> Option<Origin<'a>> {
        self.values.get(key).map(|(_, origin)| *origin)
    }

    pub(super) fn conflict(&self, key: &str, first: Origin<'_>, second: Origin<'_>) -> Conflict {
        Conflict::new(format!("{} `{key}`", self.kind), first, second)
    }

    /// The values by key.
    pub(super) fn into_values(self) -> impl Iterator<Item = (String, V)> {
        let values = self.values.into_iter();
        values.map(|(key, (value, _))| (key, value))
    }
}

impl<'a> Merging<'a> {
    pub(super) fn new() -> Self {
        Self {
            env: Merged::new("the environment variable"),
            env_lists: BTreeMap::new(),
            annotations: Merged::new("the annotation"),
            nodes: Merged::new("the device node"),
            mounts: Merged::new("the mount at"),
            cdi_devices: Vec::new(),
        }
    }

    /// Adds what the providers contribute for `device`, and returns what belongs to it alone.
    ///
    /// # Errors
    ///
    /// When the container has another value for one of them.
    pub(super) fn add(
        &mut self,
        device: &'a PoolDevice,
        parts: &'a [Contribution],
    ) -> Result<DeviceEdits, Conflict> {
        let mut edits = DeviceEdits::default();
        let companions = parts.iter().map(|part| (part, &part.allocation.companions));
        let nodes = parts.iter().map(|part| (part, &part.allocation.nodes));
        for (part, nodes) in nodes.chain(companions) {
            let origin = part.origin(device);
            for node in nodes {
                let value = (node.host_path.clone(), node.permissions);
                self.nodes.add(&node.container_path, value, origin)?;
                let is_same = |other: &DeviceNode| other.container_path == node.container_path;
                if !edits.nodes.iter().any(is_same) {
                    edits.nodes.push(node.clone());
                }
            }
        }
        for part in parts {
            let (allocation, origin) = (&part.allocation, part.origin(device));
            for (name, value) in &allocation.env {
                self.env.add(name, value.clone(), origin)?;
                edits.env.insert(name.clone(), value.clone());
            }
            for (name, item) in &allocation.env_lists {
                let list = self.env_lists.entry(name.clone());
                let (items, _) = list.or_insert_with(|| (Vec::new(), origin));
                if !items.contains(item) {
                    items.push(item.clone());
                }
            }
            for (key, value) in &allocation.annotations {
                self.annotations.add(key, value.clone(), origin)?;
            }
            for mount in &allocation.mounts {
                self.mounts
                    .add(&mount.container_path, mount.clone(), origin)?;
            }
            for name in &allocation.cdi_devices {
                if !self.cdi_devices.contains(name) {
                    self.cdi_devices.push(name.clone());
                }
            }
        }
        Ok(edits)
    }

    /// Adds what belongs to no device alone.
    ///
    /// # Errors
    ///
    /// When a list has the name of a variable.
    pub(super) fn finish(self, joined: &mut ContainerAllocation) -> Result<(), Conflict> {
        for (name, (items, origin)) in self.env_lists {
            if let Some(first) = self.env.origin(&name) {
                return Err(self.env.conflict(&name, first, origin));
            }
            joined.variables.insert(name, items.join(","));
        }
        joined.annotations = self.annotations.into_values().collect();
        joined.cdi_devices = self.cdi_devices;
        joined.mounts = self.mounts.into_values().map(|(_, mount)| mount).collect();
        joined.mounts.sort_by(|a, b| a.host_path.cmp(&b.host_path));
        Ok(())
    }
}

impl Contribution {
    pub(super) fn origin<'a>(&'a self, device: &'a PoolDevice) -> Origin<'a> {
        Origin {
            provider: &self.provider,
            device: &device.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_merge_and_different_ones_name_both_origins() {
        let devices = ["d1", "d2"].map(|id| DeviceId::new(id).unwrap());
        let of = |provider, device: usize| Origin {
            provider,
            device: &devices[device],
        };
        let mut merged = Merged::new("the environment variable");
        merged.add("A", 1, of("a.so", 0)).unwrap();
        merged.add("A", 1, of("b.so", 1)).unwrap();
        let conflict = merged.add("A", 2, of("b.so", 0)).unwrap_err();
        assert_eq!(
            conflict.to_string(),
            "the providers `a.so` and `b.so` contribute different values for the environment variable `A` to one container"
        );
        let conflict = merged.add("A", 2, of("a.so", 1)).unwrap_err();
        assert_eq!(
            conflict.to_string(),
            "the provider `a.so` contributes different values for the environment variable `A` to one container, for the \
             devices `d1` and `d2`"
        );
        assert_eq!(
            merged.into_values().collect::<Vec<_>>(),
            [("A".to_owned(), 1)]
        );
    }
}
