//! `sriovdp providers`: the device type or extension of each provider file, or why the file is refused.

use serde::Serialize;
use sriovdp_provider_abi::wire::Manifest;

use super::Output;
use super::output::{Columns, Document};
use sriovdp_agent::reconcile::Reconciler;
use sriovdp_report::inline;

#[derive(Serialize)]
struct ProviderList {
    items: Vec<Item>,
}

/// One file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    file: String,
    /// What it provides, if it is loaded.
    provider: Option<Provider>,
    /// Why it is refused.
    refused: Option<String>,
}

/// What a file provides.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provider {
    /// The device type that it owns.
    device_type: Option<String>,
    /// The device types that it extends.
    extends: Vec<String>,
    package: String,
    version: String,
    sdk: String,
    summary: String,
    /// The keys of its selectors.
    selectors: Vec<String>,
}

impl Provider {
    pub(super) fn new(manifest: &Manifest, keys: impl Iterator<Item = String>) -> Self {
        Self {
            device_type: manifest.device_type.clone(),
            extends: manifest.extends.clone(),
            package: manifest.package.clone(),
            version: manifest.version.clone(),
            sdk: manifest.sdk.clone(),
            summary: manifest.summary.clone(),
            selectors: keys.collect(),
        }
    }

    /// Its role, for people, with its package and versions.
    pub(super) fn title(&self) -> String {
        let role = match &self.device_type {
            Some(device_type) => format!("device type {device_type}"),
            None => format!("extension of {}", self.extends.join(", ")),
        };
        let Self {
            package,
            version,
            sdk,
            ..
        } = self;
        format!("{role} ({package} {version}, SDK {sdk})")
    }

    pub(super) fn print_details(&self, output: &mut Output) {
        output.line(format_args!("    {}", self.summary));
        output.line(format_args!("    selectors: {}", self.selectors.join(", ")));
    }
}

pub(super) fn providers(output: &mut Output, state: &Reconciler) {
    let vetted = state.providers().all().iter().map(|provider| Item {
        file: provider.file_name(),
        provider: Some(Provider::new(
            provider.manifest(),
            provider.keys().map(str::to_owned),
        )),
        refused: None,
    });
    let refused = state.providers().refused().iter().map(|refused| Item {
        file: refused.file.display().to_string(),
        provider: None,
        refused: Some(inline(&refused.reason)),
    });
    let list = ProviderList {
        items: vetted.chain(refused).collect(),
    };
    if list.items.iter().any(|item| item.refused.is_some()) {
        output.fail();
    }
    output.document(&list);
}

impl Document for ProviderList {
    const KIND: &'static str = "ProviderList";

    fn print(&self, output: &mut Output, _: Columns) {
        for item in &self.items {
            let file = &item.file;
            if let Some(provider) = &item.provider {
                output.line(format_args!("{file}: {}", provider.title()));
                provider.print_details(output);
            }
            if let Some(reason) = &item.refused {
                output.line(format_args!("{file}: refused: {reason}"));
            }
        }
    }
}
