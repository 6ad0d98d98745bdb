//! `sriovdp provider new`: what was written, and what to do next.

use std::path::Path;

use sriovdp_sdk::Error;

use super::Output;
use crate::new_provider::{NewProvider, PackageName};
use sriovdp_agent::config::did_you_mean;
use sriovdp_providers::{ProviderSettings, Providers};

pub(super) async fn begin(
    output: &mut Output,
    name: &PackageName,
    extends: Option<&str>,
    settings: &ProviderSettings,
) {
    if let Some(extended) = extends {
        warn_of_unknown(output, extended, settings).await;
    }
    let new = NewProvider {
        name: name.clone(),
        extends: extends.map(str::to_owned),
    };
    match new.write(Path::new("")) {
        Ok(files) => {
            for file in files {
                output.line(format_args!("{}", file.display()));
            }
            output.line(format_args!(
                "next: `cd {} && cargo test`, then follow its README.md",
                name.as_str()
            ));
        }
        Err(error) => output.error(&error),
    }
}

/// The device type may be one of a provider that is not here, but mostly it is a typo.
async fn warn_of_unknown(output: &mut Output, extended: &str, settings: &ProviderSettings) {
    let mut providers = Providers::default();
    providers.reload(settings).await;
    let known: Vec<&str> = providers.device_types().map(|(name, _)| name).collect();
    if known.contains(&extended) {
        return;
    }
    let hint = match did_you_mean(extended, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if known.is_empty() => {
            "`--provider-dir` names the directory of the providers to compare with".to_owned()
        }
        None => format!("the loaded device types are {}", known.join(", ")),
    };
    let message = format!("no loaded provider brings the device type `{extended}`");
    output.warning(&Error::new(message).with_hint(hint));
}
