//! Keys that stand in the wrong place or in none: where each belongs, by the keys of resources and of every loaded
//! provider.

use std::sync::Arc;

use super::resolve::Context;
use crate::config::{Problem, RESOURCE_KEYS, SelectionSpec, SelectorMember, did_you_mean, is_near};
use sriovdp_providers::Provider;

/// A key beside `selectors` that no resource has. A selector there narrows nothing, so that the resource would get more
/// devices than the user meant, as one does with a typo in `selectors` or `deviceType`.
pub(super) fn beside_selectors(
    context: &Context<'_>,
    spec: &SelectionSpec,
    stray: &SelectorMember,
) -> Problem {
    let name = &stray.name;
    let nothing = stray.value.json().constrains_nothing();
    let of_type = match context.device_type {
        Some(_) => &context.providers[..],
        None => context.available,
    };
    let (message, hint, narrows) = if declares(of_type, name) {
        let message = "a selector has no effect beside `selectors`".to_owned();
        (
            message,
            "move it into the object `selectors`".to_owned(),
            true,
        )
    } else if let Some(owners) = other_device_types(context, name) {
        let message = format!("a selector of {owners} has no effect here");
        let hint = format!("remove it; {}", selectors_of(context));
        (message, hint, true)
    } else {
        let message = "the key is not known and has no effect".to_owned();
        let selectors = || keys(of_type);
        let narrowing = selectors().chain(["selectors", "deviceType"]);
        let narrows = narrowing.into_iter().any(|known| is_near(name, known));
        let hint = meant(name, selectors(), Level::Resource).unwrap_or_else(|| {
            "remove it; it is neither a key of a resource nor a selector of a provider".to_owned()
        });
        (message, hint, narrows)
    };
    Problem {
        severity: context.severity_of_unknown(nothing || !narrows),
        hint: Some(hint),
        ..context.problem(format!("{}.{name}", spec.key), stray, message)
    }
}

/// Where a key belongs that is in a selector object, and is no selector of the device type.
pub(super) fn hint_inside_selectors(context: &Context<'_>, name: &str) -> String {
    if name.eq_ignore_ascii_case("selectors") {
        return "write its members directly into the outer `selectors`".to_owned();
    }
    if let Some(known) = RESOURCE_KEYS
        .iter()
        .find(|known| known.eq_ignore_ascii_case(name))
    {
        return format!("`{known}` is a key of the resource: move it out of `selectors`");
    }
    if let Some(owners) = other_device_types(context, name) {
        return format!("it is a selector of {owners}; {}", selectors_of(context));
    }
    meant(name, keys(&context.providers), Level::Selector).unwrap_or_else(|| selectors_of(context))
}

/// The provider file that would declare a selector, by the manifests of the others.
pub(super) fn file_of<'p>(providers: &'p [Arc<Provider>], name: &str) -> Option<&'p String> {
    providers.iter().find_map(|provider| {
        let mut known = provider.manifest().brought_by_others.iter();
        let found = known.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, file)| file)
    })
}

/// Where a key stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Resource,
    Selector,
}

/// "Did you mean", among the keys of both levels.
fn meant<'k>(
    name: &str,
    selectors: impl Iterator<Item = &'k str>,
    stands: Level,
) -> Option<String> {
    let selectors: Vec<&str> = selectors.collect();
    let known = did_you_mean(
        name,
        RESOURCE_KEYS.into_iter().chain(selectors.iter().copied()),
    )?;
    let belongs = match selectors.contains(&known) {
        true => Level::Selector,
        false => Level::Resource,
    };
    Some(match belongs {
        _ if belongs == stands => format!("did you mean `{known}`?"),
        Level::Selector => format!("did you mean the selector `{known}`, inside `selectors`?"),
        Level::Resource => format!("did you mean `{known}`, outside `selectors`?"),
    })
}

fn declares(providers: &[Arc<Provider>], name: &str) -> bool {
    keys(providers).any(|key| key.eq_ignore_ascii_case(name)) || file_of(providers, name).is_some()
}

fn keys(providers: &[Arc<Provider>]) -> impl Iterator<Item = &str> {
    providers.iter().flat_map(|provider| provider.keys())
}

fn selectors_of(context: &Context<'_>) -> String {
    let keys: Vec<&str> = keys(&context.providers).collect();
    let device_type = context.device_type.unwrap_or_default();
    format!("the selectors of `{device_type}` are {}", keys.join(", "))
}

/// The device types that other providers declare the selector `name` for, as a sentence lists them.
fn other_device_types(context: &Context<'_>, name: &str) -> Option<String> {
    let declaring = context
        .available
        .iter()
        .filter(|provider| declares(std::slice::from_ref(provider), name));
    let mut types: Vec<String> = declaring
        .flat_map(|provider| {
            let manifest = provider.manifest();
            manifest.device_type.iter().chain(&manifest.extends)
        })
        .map(|device_type| format!("`{device_type}`"))
        .collect();
    types.sort();
    types.dedup();
    (!types.is_empty()).then(|| types.join(", "))
}
