//! The character devices by which programs use an RDMA device (rdma-core's `libibverbs`, `libibumad`, `librdmacm`).

use sriovdp_sdk::{Allocation, Error, Finding, FindingKind};

use crate::rdma_device::Parent;

const DIRECTORY: &str = "/dev/infiniband";
/// One for the whole node: the connection manager.
const CONNECTION_MANAGER: &str = "/dev/infiniband/rdma_cm";
/// Without this one a program cannot even open the RDMA device.
const VERBS: &str = "uverbs";

/// Class directory, beginning of the names, key in `_INFO`; in the order in which containers get them. The kernel makes
/// these devices siblings of the RDMA device, so that no other one has to be read (Linux:
/// `drivers/infiniband/core`, the `dev.parent` of each).
const KINDS: [(&str, &str, Option<&str>); 4] = [
    // Of the module `ib_ucm`, which newer kernels do not have.
    ("infiniband_cm", "ucm", None),
    ("infiniband_mad", "issm", Some("issm")),
    ("infiniband_mad", "umad", Some("umad")),
    ("infiniband_verbs", VERBS, Some("uverbs")),
];

/// Adds those of the RDMA device `name`, a child of `parent`. A port has a umad and an issm of its own, and a container
/// gets all of them; `_INFO` has room for one of each kind, the last.
pub(crate) fn add(
    parent: &Parent<'_>,
    name: &str,
    allocation: &mut Allocation,
) -> Result<(), Error> {
    let (node, id) = (parent.node, parent.id);
    let mut has_verbs = false;
    for CharacterDevice { path, kind, key } in of(parent, name) {
        require(parent, name, &path)?;
        has_verbs |= kind == VERBS;
        if let Some(key) = key {
            allocation.info("rdma", key, path.as_str());
        }
        allocation.node(path);
    }
    if !has_verbs {
        return Err(Error::new(format!(
            "the RDMA device `{name}` of `{id}` has no character device `{VERBS}N`"
        ))
        .with_hint("load the module `ib_uverbs` on this node"));
    }
    if node.require_device_node(CONNECTION_MANAGER).is_ok()
        && !allocation.nodes.iter().any(is_connection_manager)
    {
        allocation
            .node(CONNECTION_MANAGER)
            .info("rdma", "rdma_cm", CONNECTION_MANAGER);
    }
    Ok(())
}

/// That the node of a character device of one of the RDMA devices `names` is missing. A character device that the kernel
/// does not have, or not yet, is no finding.
pub(crate) fn finding(parent: &Parent<'_>, names: &[String]) -> Option<Finding> {
    let all = names
        .iter()
        .flat_map(|name| of(parent, name).map(move |d| (name, d)));
    let missing = all.filter_map(|(name, device)| require(parent, name, &device.path).err());
    let missing = missing.map(|error| error.to_finding(FindingKind::DeviceNode));
    { missing }.next()
}

struct CharacterDevice {
    path: String,
    kind: &'static str,
    key: Option<&'static str>,
}

fn of(parent: &Parent<'_>, name: &str) -> impl Iterator<Item = CharacterDevice> {
    KINDS.into_iter().flat_map(move |(class, kind, key)| {
        let entries = parent.list(class).into_iter();
        let is_its_own = move |entry: &String| {
            let of = || parent.attribute(&format!("{class}/{entry}/ibdev"));
            entry.starts_with(kind) && of().as_deref() == Some(name)
        };
        entries
            .filter(is_its_own)
            .map(move |entry| CharacterDevice {
                path: format!("{DIRECTORY}/{entry}"),
                kind,
                key,
            })
    })
}

fn require(parent: &Parent<'_>, name: &str, path: &str) -> Result<(), Error> {
    let id = parent.id;
    parent.node.require_device_node(path).map_err(|missing| {
        missing
            .context(format!(
                "cannot hand out the RDMA device `{name}` of `{id}`"
            ))
            .with_hint("see that the plugin sees the `/dev` of the node")
    })
}

fn is_connection_manager(node: &sriovdp_sdk::DeviceNode) -> bool {
    node.host_path == CONNECTION_MANAGER
}
