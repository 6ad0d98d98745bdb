//! `sriovdp providers`: the device type or extension of each provider file, or why the file is refused.

use sriovdp_provider_abi::wire::Manifest;

use super::Output;
use sriovdp_agent::reconcile::Reconciler;
use sriovdp_report::inline;

pub(super) fn providers(output: &mut Output, state: &Reconciler) {
    for provider in state.providers().loaded() {
        let manifest = provider.manifest();
        output.line(format_args!(
            "{}: {} ({} {}, SDK {})",
            provider.file_name(),
            role(manifest),
            manifest.package,
            manifest.version,
            manifest.sdk
        ));
        output.line(format_args!("    {}", manifest.summary));
        output.line(format_args!(
            "    selectors: {}",
            provider.keys().collect::<Vec<_>>().join(", ")
        ));
    }
    for refused in state.providers().refused() {
        output.line(format_args!(
            "{}: refused: {}",
            refused.file.display(),
            inline(&refused.reason)
        ));
        output.fail();
    }
}

/// The role of a provider, for people.
pub(super) fn role(manifest: &Manifest) -> String {
    match &manifest.device_type {
        Some(device_type) => format!("device type {device_type}"),
        None => format!("extension of {}", manifest.extends.join(", ")),
    }
}
