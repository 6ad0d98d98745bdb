//! `sriovdp providers`: what each file of the provider directory brings, or why it is refused.

use sriovdp_sdk::abi::wire::Manifest;

use super::Page;
use crate::cli::Exit;
use crate::reconcile::Reconciler;
use crate::report::{Report, one_line};

pub(super) fn providers(page: &mut Page, state: &Reconciler) -> Exit {
    for provider in state.providers().loaded() {
        let manifest = provider.manifest();
        page.line(format_args!(
            "{}: {} ({} {}, SDK {})",
            provider.file_name(),
            brings(manifest),
            manifest.package,
            manifest.version,
            manifest.sdk
        ));
        page.line(format_args!("    {}", manifest.summary));
        page.line(format_args!(
            "    selectors: {}",
            provider.keys().collect::<Vec<_>>().join(", ")
        ));
    }
    let unusable = state.providers().unusable();
    if let Some(error) = unusable {
        page.line(format_args!("{}", one_line(error)));
    }
    let refused = state.providers().refused();
    for refused in refused {
        page.line(format_args!(
            "{}: refused: {}",
            refused.file.display(),
            one_line(&refused.reason)
        ));
    }
    let none = state.no_provider();
    if let Some(error) = &none {
        eprintln!("{}", Report::error(error));
    }
    if refused.is_empty() && unusable.is_none() && none.is_none() {
        Exit::Success
    } else {
        Exit::Failure
    }
}

/// What a provider is there for, in a few words.
pub(super) fn brings(manifest: &Manifest) -> String {
    match &manifest.device_type {
        Some(device_type) => format!("device type {device_type}"),
        None => format!("extension of {}", manifest.extends.join(", ")),
    }
}
