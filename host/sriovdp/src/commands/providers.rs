//! `sriovdp providers`: what each file of the provider directory brings, or why it is refused.

use sriovdp_provider_abi::wire::Manifest;

use super::Output;
use sriovdp_agent::reconcile::Reconciler;
use sriovdp_report::inline;

pub(super) fn providers(page: &mut Output, state: &Reconciler) {
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
    for refused in state.providers().refused() {
        page.line(format_args!(
            "{}: refused: {}",
            refused.file.display(),
            inline(&refused.reason)
        ));
        page.fail();
    }
}

/// What a provider is there for, in a few words.
pub(super) fn brings(manifest: &Manifest) -> String {
    match &manifest.device_type {
        Some(device_type) => format!("device type {device_type}"),
        None => format!("extension of {}", manifest.extends.join(", ")),
    }
}
