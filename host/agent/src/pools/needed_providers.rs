//! Which providers a configuration needs; the others are not loaded into the daemon.

use super::provider_sections;
use crate::config::{ProviderSection, SelectionSpec};
use sriovdp_providers::Provider;

/// Whether a provider can have an effect: it owns the device type of one of `selections`, one of them has a selector key
/// of the extension, without which no extension is called, or a section is its own.
pub fn is_needed<'s>(
    provider: &Provider,
    selections: impl IntoIterator<Item = &'s SelectionSpec>,
    sections: &[ProviderSection],
) -> bool {
    let mut selections = selections.into_iter();
    selections.any(|selection| owns(provider, selection) || extends(provider, selection))
        || sections
            .iter()
            .any(|section| provider_sections::is_of(provider, &section.name))
}

fn owns(provider: &Provider, selection: &SelectionSpec) -> bool {
    let manifest = provider.manifest();
    match &selection.device_type {
        Some(name) => manifest.device_type.as_ref() == Some(name),
        None => manifest.default_device_type,
    }
}

fn extends(provider: &Provider, selection: &SelectionSpec) -> bool {
    let extended = &provider.manifest().extends;
    let is_extended = match &selection.device_type {
        Some(name) => extended.contains(name),
        // The manifest of the owner names the default device type.
        None => !extended.is_empty(),
    };
    let members = selection.alternatives.iter().flat_map(|s| &s.members);
    let mut names = members.map(|member| &member.name);
    is_extended && names.any(|name| provider.keys().any(|key| key.eq_ignore_ascii_case(name)))
}
