//! The RDMA devices of a PCI function or subfunction: which there are, and whether a pod has them now.

use std::collections::BTreeSet;

use sriovdp_sdk::node::Netdev;
use sriovdp_sdk::{Error, Node, PciAddress};

use crate::PartitionKey;

/// Whether a device carries RDMA devices, and where these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It carries none.
    Absent,
    /// They are in the node's network namespace.
    Here,
    /// They are in another network namespace: RDMA is in exclusive mode, and a pod has them.
    InPod,
}

/// The device that an RDMA device is a child of.
#[derive(Debug)]
pub(crate) struct Parent<'a> {
    pub(crate) node: &'a Node,
    pub(crate) id: &'a str,
    /// Its directory in sysfs.
    directory: String,
    function: PciAddress,
    /// Its bus, as devlink names it.
    bus: &'static str,
}

impl<'a> Parent<'a> {
    /// The device `id`, which is a PCI function itself, or an auxiliary device of `function`.
    pub(crate) fn of(node: &'a Node, id: &'a str, function: PciAddress) -> Self {
        let bus = if id == function.to_string() {
            "pci"
        } else {
            "auxiliary"
        };
        Self {
            node,
            id,
            directory: format!("/sys/bus/{bus}/devices/{id}"),
            function,
            bus,
        }
    }

    /// The names of its RDMA devices in the node's network namespace.
    pub(crate) fn rdma_devices(&self) -> Vec<String> {
        self.list("infiniband")
    }

    /// Where its RDMA devices are; `names` are those that it [has here](Self::rdma_devices).
    ///
    /// In exclusive mode the kernel shows an RDMA device only in the network namespace that it is in, and its
    /// character devices everywhere (Linux: `drivers/infiniband/core`; `ib_class` has a namespace type and
    /// `uverbs_class` has none). Without these, the driver's parameter counts: devlink is queried for `enable_rdma`
    /// where `in_devlink` has the device.
    pub(crate) fn presence(&self, names: &[String], in_devlink: &BTreeSet<String>) -> Presence {
        if !names.is_empty() {
            return Presence::Here;
        }
        let elsewhere = !self.list("infiniband_verbs").is_empty() || {
            in_devlink.contains(&format!("{}/{}", self.bus, self.id))
                && self
                    .node
                    .devlink(self.bus, self.id)
                    .parameter("enable_rdma")
                    == Some(true)
        };
        if elsewhere {
            Presence::InPod
        } else {
            Presence::Absent
        }
    }

    /// The partition key at index 0 of the first port of the first of its RDMA devices, `names`.
    ///
    /// Only InfiniBand has partitions; on Ethernet every device shows the default key, and there is none here. The
    /// inner value is absent where the key cannot be read now.
    pub(crate) fn partition_key(&self, names: &[String]) -> Option<Option<PartitionKey>> {
        let name = names.first()?;
        let key = || {
            let key = format!("infiniband/{name}/ports/1/pkeys/0");
            self.attribute(&key)?.parse().ok()
        };
        self.is_infiniband(name).then(key)
    }

    /// Makes sure that those of its RDMA devices, `names`, that are on InfiniBand have a node GUID: the subnet manager
    /// gives a function without one no address.
    ///
    /// A virtual function has none until the administrator of its physical function has set one, and its driver reads it
    /// when it binds the function (Linux: `mlx5_query_node_guid` in `drivers/infiniband/hw/mlx5/main.c`). So the kernel's
    /// event of the new RDMA device announces it. A CNI plugin may set it after Allocate, so this is a finding that the
    /// configuration can switch off, and no error of Allocate.
    pub(crate) fn require_node_guids(&self, names: &[String]) -> Result<(), Error> {
        let is_without = |name: &&String| {
            let guid = self.attribute(&format!("infiniband/{name}/node_guid"));
            let digits = |guid: &String| guid.bytes().all(|digit| matches!(digit, b'0' | b':'));
            guid.is_some_and(|guid| digits(&guid)) && self.is_infiniband(name)
        };
        match names.iter().find(is_without) {
            None => Ok(()),
            Some(name) => {
                let id = self.id;
                let message =
                    format!("the node GUID of the RDMA device `{name}` of `{id}` is all zero");
                Err(Error::new(message).with_hint(
                    "set one with `ip link set dev PF vf N node_guid GUID`, and bind the function again",
                ))
            }
        }
    }

    fn is_infiniband(&self, name: &str) -> bool {
        let layer = self.attribute(&format!("infiniband/{name}/ports/1/link_layer"));
        layer.map_or_else(|| self.has_infiniband_link(), |layer| layer == "InfiniBand")
    }

    pub(crate) fn has_no_rdma_device(&self) -> Error {
        let id = self.id;
        Error::new(format!("`{id}` has no RDMA device in the network namespace of the node")).with_hint(
            "an RDMA device that a pod has in exclusive mode comes back when the pod ends; `rdma link show` lists what \
             there is, and `rdma system show` the mode",
        )
    }

    /// The names in a directory of the device.
    pub(crate) fn list(&self, directory: &str) -> Vec<String> {
        self.node
            .root()
            .list(&format!("{}/{directory}", self.directory))
    }

    /// The text of an attribute of the device, or of something below it.
    pub(crate) fn attribute(&self, path: &str) -> Option<String> {
        self.node.root().read(&format!("{}/{path}", self.directory))
    }

    /// By the network interface of the function, or of its physical function while a pod has the function's own.
    fn has_infiniband_link(&self) -> bool {
        let link = |function| {
            let netdevs = self.node.pf_netdevs(function);
            netdevs.iter().find_map(Netdev::link_type)
        };
        let physical = || {
            self.node
                .function(self.function)
                .and_then(|function| function.physical_function)
        };
        link(self.function)
            .or_else(|| link(physical()?))
            .is_some_and(|link| link == "infiniband")
    }
}
