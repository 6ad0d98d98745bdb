//! A container may have several devices of a resource.

use std::collections::BTreeMap;

use super::allocated::for_each_match;
use crate::suite::{Case, Violation};
use sriovdp_provider_abi::wire;

/// What a container can have once, such as a variable: the device that brings it, and its value.
struct Only {
    device: String,
    value: String,
}

/// All devices that some selectors match can be in one container: no two contribute different values for one variable,
/// annotation or path.
///
/// # Errors
///
/// The first two devices that cannot.
pub(super) fn together(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        let mut containers: BTreeMap<String, BTreeMap<String, Only>> = BTreeMap::new();
        for_each_match(subject, |matched| {
            let id = matched.id;
            let Ok(allocation) = subject.allocate(matched.selectors, id)? else {
                return Ok(());
            };
            let container = containers.entry(matched.selectors.to_string());
            let container = container.or_default();
            for (what, value) in contributions(allocation) {
                let device = id.to_owned();
                let only = container.entry(what.clone()).or_insert_with(|| Only {
                    device,
                    value: value.clone(),
                });
                if only.value != value {
                    return Err(Violation::new(format!(
                        "no container can have `{}` and `{id}`: {what} is `{}` for one and `{value}` for the other; \
                         use `Allocation::env_list` for a variable, and another path for each device",
                        only.device, only.value
                    )));
                }
            }
            Ok(())
        })
    })
}

/// What a container can have once, with its value.
fn contributions(allocation: wire::Allocation) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, value) in allocation.env {
        all.push((format!("the environment variable `{name}`"), value));
    }
    for (key, value) in allocation.annotations {
        all.push((format!("the annotation `{key}`"), value));
    }
    for (on_node, in_container) in allocation.nodes.into_iter().chain(allocation.companions) {
        all.push((format!("the device node `{in_container}`"), on_node));
    }
    for (on_node, in_container, _) in allocation.mounts {
        all.push((format!("the mount at `{in_container}`"), on_node));
    }
    all
}
