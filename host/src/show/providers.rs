//! `sriovdp providers`: what each file of the provider directory brings, or why it is refused.

use super::Page;
use crate::cli::Exit;
use crate::reconcile::Reconciler;
use crate::report::one_line;

pub(super) fn providers(page: &mut Page, state: &Reconciler) -> Exit {
    for provider in state.providers().loaded() {
        let manifest = provider.manifest();
        let brings = match &manifest.device_type {
            Some(device_type) => format!("device type {device_type}"),
            None => format!("extension of {}", manifest.extends.join(", ")),
        };
        page.line(format_args!(
            "{}: {brings} ({} {}, SDK {})",
            provider.file_name(),
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
    let refused = state.providers().refused();
    for refused in refused {
        page.line(format_args!(
            "{}: refused: {}",
            refused.file.display(),
            one_line(&refused.reason)
        ));
    }
    if refused.is_empty() {
        Exit::Success
    } else {
        Exit::Failure
    }
}
