//! What a container gets is there, or the allocation fails.

use std::path::Path;

use serde_json::{Value, json};

use crate::suite::Violation;
use crate::suite::stage::Stage;
use crate::suite::subject::{Subject, with_causes};
use sriovdp_provider_abi::wire;
use sriovdp_sdk::{HostRoot, Provider};

/// Each device is handed out with device nodes that exist, or refused with a reason; also on a node without any.
///
/// # Errors
///
/// The device that is handed out without something.
pub fn allocated<P: Provider>(author: &str) -> Result<(), Violation> {
    for stage in &Stage::all(author)? {
        for mut subject in Subject::<P>::each()? {
            subject.discover_all(stage)?;
            hand_out(&subject, stage)?;
        }
    }
    for stage in &Stage::all(author)? {
        for mut subject in Subject::<P>::each()? {
            subject.discover_all(stage)?;
            // The devices are gone between the discovery and the allocation.
            let emptied = std::fs::remove_dir_all(stage.root().join("dev"));
            emptied
                .or_else(|_| std::fs::create_dir_all(stage.root().join("dev")))
                .map_err(|error| Violation::new(format!("cannot empty `/dev`: {error}")))?;
            hand_out(&subject, stage).map_err(|violation| violation.on("`/dev` is empty"))?;
        }
    }
    Ok(())
}

/// Allocates every device that selectors match, for those that may change what a container gets.
pub(super) fn hand_out<P: Provider>(subject: &Subject<P>, stage: &Stage) -> Result<(), Violation> {
    let root = HostRoot::new(stage.root());
    for_each_match(subject, |selectors, id| {
        judge(subject, selectors, id, &root)
    })
}

/// Calls `judge` with each pair of selectors and a device that they match: no selectors, and each flag alone.
pub(super) fn for_each_match<P: Provider>(
    subject: &Subject<P>,
    mut judge: impl FnMut(&Value, &str) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let keys = subject.keys();
    let flags = keys
        .iter()
        .filter(|(_, schema)| schema["type"] == "boolean");
    let wanted = flags.map(|(key, _)| json!({ key.as_str(): true }));
    for selectors in std::iter::once(json!({})).chain(wanted) {
        if subject.check(&selectors)?.is_err() {
            continue;
        }
        let Ok(ids) = subject.select(&selectors)? else {
            continue;
        };
        for id in ids {
            judge(&selectors, &id).map_err(|violation| {
                violation.on(format!("`{id}` with the selectors {selectors}"))
            })?;
        }
    }
    Ok(())
}

fn judge<P: Provider>(
    subject: &Subject<P>,
    selectors: &Value,
    id: &str,
    root: &HostRoot,
) -> Result<(), Violation> {
    let allocation: wire::Allocation = match subject.allocate(selectors, id)? {
        Ok(allocation) => allocation,
        Err(error) if with_causes(&error).trim().is_empty() => {
            return Err(Violation::new("the allocation is refused without a word"));
        }
        Err(_) => return Ok(()),
    };
    for (on_node, in_container) in allocation.nodes.iter().chain(&allocation.companions) {
        for path in [on_node, in_container] {
            if !path.starts_with("/dev/") || !is_plain(path) {
                return Err(Violation::new(format!(
                    "`{path}` is no path of a device node"
                )));
            }
        }
        if !root.exists(on_node) {
            return Err(Violation::new(format!(
                "the container is promised `{on_node}`, which does not exist; call `Node::require_device_node` first"
            )));
        }
    }
    for (on_node, in_container, _) in &allocation.mounts {
        if let Some(path) = [on_node, in_container]
            .into_iter()
            .find(|path| !is_plain(path))
        {
            return Err(Violation::new(format!("`{path}` cannot be mounted")));
        }
    }
    Ok(())
}

/// Absolute, and without a way up.
fn is_plain(path: &str) -> bool {
    use std::path::Component;
    let mut parts = Path::new(path).components();
    parts.next() == Some(Component::RootDir)
        && parts.all(|part| matches!(part, Component::Normal(_)))
        && !path.contains('\0')
}
