//! What a container gets is there, or the allocation fails.

use std::path::Path;

use serde_json::{Value, json};

use crate::suite::stage::Stage;
use crate::suite::subject::{Subject, with_causes};
use crate::suite::{Case, Violation};
use sriovdp_provider_abi::wire;
use sriovdp_sdk::{Allocation, Error, HostRoot};

/// Each device is handed out with device nodes that exist, or refused with a reason; also on a node without any.
///
/// # Errors
///
/// The device that is handed out without something.
pub(super) fn allocated(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        hand_out(subject, stage)
    })?;
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        // The devices are gone between the discovery and the allocation.
        let emptied = std::fs::remove_dir_all(stage.root().join("dev"));
        emptied
            .or_else(|_| std::fs::create_dir_all(stage.root().join("dev")))
            .map_err(|error| Violation::new(format!("cannot empty `/dev`: {error}")))?;
        hand_out(subject, stage).map_err(|violation| violation.on("`/dev` is empty"))
    })
}

/// Each healthy device of a node without any fault can be handed out without a selector.
///
/// # Errors
///
/// The device that is refused.
pub(super) fn available(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        let selectors = json!({});
        let Ok(selected) = subject.selected(&selectors)? else {
            return Ok(());
        };
        let healthy = selected.admitted.iter().copied();
        let healthy = healthy.filter(|&at| is_healthy(subject, &selected, at));
        for id in healthy.map(|at| subject.found.devices[at as usize].id.as_str()) {
            if let Err(error) = subject.allocate(&selectors, id)? {
                return Err(Violation::new(format!(
                    "`allocate` refuses the healthy device `{id}`: {}; what an allocation needs is a finding of the \
                     discovery when it is missing, so that no pod gets the device",
                    with_causes(&error)
                )));
            }
        }
        Ok(())
    })
}

/// Allocates every device that selectors match, for those that may change what a container gets.
pub(super) fn hand_out(subject: &Subject, stage: &Stage) -> Result<(), Violation> {
    let root = HostRoot::new(stage.root());
    for_each_match(subject, |matched| judge(subject, matched, &root))
}

/// Selectors, and a device that they match.
pub(super) struct Match<'a> {
    pub(super) selectors: &'a Value,
    pub(super) id: &'a str,
    pub(super) is_healthy: bool,
}

fn is_healthy(subject: &Subject, selected: &wire::Selected, position: u32) -> bool {
    subject.found.devices[position as usize].findings.is_empty()
        && !selected.findings.iter().any(|(of, _)| *of == position)
}

/// Calls `judge` with each pair of selectors and a device that they match: no selectors, and each flag alone.
pub(super) fn for_each_match(
    subject: &Subject,
    mut judge: impl FnMut(&Match<'_>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let keys = subject.keys();
    let flags = keys
        .iter()
        .filter(|(_, schema)| schema["type"] == "boolean");
    let wanted = flags.map(|(key, _)| json!({ key.as_str(): true }));
    for selectors in std::iter::once(json!({})).chain(wanted) {
        if subject.refuses(&selectors)? {
            continue;
        }
        let Ok(selected) = subject.selected(&selectors)? else {
            continue;
        };
        for &position in &selected.admitted {
            let id = subject.found.devices[position as usize].id.as_str();
            let matched = Match {
                selectors: &selectors,
                id,
                is_healthy: is_healthy(subject, &selected, position),
            };
            judge(&matched).map_err(|violation| {
                violation.on(format!("`{id}` with the selectors {selectors}"))
            })?;
        }
    }
    Ok(())
}

fn judge(subject: &Subject, matched: &Match<'_>, root: &HostRoot) -> Result<(), Violation> {
    let allocated = subject.allocate(matched.selectors, matched.id)?;
    let allocation: wire::Allocation = match allocated {
        Ok(allocation) => allocation,
        Err(error) if with_causes(&error).trim().is_empty() => {
            return Err(Violation::new("the allocation is refused without a word"));
        }
        Err(_) => return Ok(()),
    };
    let allocation: Result<Allocation, Error> = allocation.try_into();
    let valid = allocation.and_then(|allocation| allocation.validate().map(|()| allocation));
    let allocation = valid
        .map_err(|error| Violation::new(format!("the host refuses the allocation: {error}")))?;
    for node in allocation.nodes.iter().chain(&allocation.companions) {
        let on_node = &node.host_path;
        if !root.exists(on_node) {
            return Err(Violation::new(format!(
                "the container is promised `{on_node}`, which does not exist; call `Node::require_device_node` first"
            )));
        }
    }
    for mount in &allocation.mounts {
        let (on_node, in_container) = (&mount.host_path, &mount.container_path);
        if let Some(path) = [on_node, in_container]
            .into_iter()
            .find(|path| !is_plain(path))
        {
            return Err(Violation::new(format!("`{path}` cannot be mounted")));
        }
        if is_too_much(on_node, mount.read_only) {
            let access = if mount.read_only { "" } else { ", writable" };
            return Err(Violation::new(format!(
                "the container gets `{on_node}` of the node{access}; mount what belongs to the device"
            )));
        }
        if Path::new(in_container).components().count() < 2 {
            return Err(Violation::new("the container gets a mount at its `/`"));
        }
    }
    let info = json!(allocation.info).to_string().len();
    if info > INFO_BYTES {
        return Err(Violation::new(format!(
            "the device has {info} bytes in `PCIDEVICE_…_INFO`, and {INFO_BYTES} are allowed: the variable has the \
             values of all devices of a container, and Linux limits it to 128 KiB"
        )));
    }
    Ok(())
}

/// A container may have 32 devices of a resource.
const INFO_BYTES: usize = 4096;
/// No container of a pod with a device gets these directories as a whole, nor anything in the last ones.
const DIRECTORIES: [&str; 3] = ["/var/lib", "/var/run", "/usr/lib"];
const FORBIDDEN: [&str; 2] = ["/var/lib/kubelet", "/proc"];
const READ_ONLY: [&str; 7] = ["/etc", "/usr", "/boot", "/lib", "/sys", "/bin", "/sbin"];

/// Whether a mount has what belongs to the node and not to a device.
fn is_too_much(on_node: &str, read_only: bool) -> bool {
    let path = Path::new(on_node);
    let below = |all: &[&str]| all.iter().any(|directory| path.starts_with(directory));
    // `/` and its entries, such as `/etc`.
    path.components().count() < 3
        || DIRECTORIES
            .iter()
            .any(|directory| path == Path::new(directory))
        || below(&FORBIDDEN)
        || !read_only && below(&READ_ONLY)
}

/// Absolute, and without a way up.
fn is_plain(path: &str) -> bool {
    use std::path::Component;
    let mut parts = Path::new(path).components();
    parts.next() == Some(Component::RootDir)
        && parts.all(|part| matches!(part, Component::Normal(_)))
        && !path.contains('\0')
}
