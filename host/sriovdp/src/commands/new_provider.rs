//! `sriovdp provider new`: what was written, and what to do next.

use std::path::Path;

use sriovdp_sdk::Error;

use super::Output;
use crate::new_provider::{NewProvider, PackageName, SdkCheckout};
use sriovdp_agent::config::did_you_mean;
use sriovdp_providers::{ProviderSettings, Providers};

pub(super) async fn begin(
    output: &mut Output,
    name: &PackageName,
    extends: Option<&str>,
    sdk: Option<&Path>,
    settings: &ProviderSettings,
) {
    let sdk = match sdk.map(SdkCheckout::at) {
        Some(Ok(sdk)) => Some(sdk),
        None => SdkCheckout::around(),
        Some(Err(error)) => return output.error(&error),
    };
    if let Some(extended) = extends {
        warn_of_unknown(output, extended, settings).await;
    }
    let new = NewProvider {
        name: name.clone(),
        extends: extends.map(str::to_owned),
        sdk,
    };
    match new.write(Path::new("")) {
        Ok(files) => {
            for file in files {
                output.line(format_args!("{}", file.display()));
            }
            output.line(format_args!("next:"));
            for command in next(name) {
                output.line(format_args!("  {command}"));
            }
            if new.sdk.is_none() {
                let missing = Error::new("cargo takes `sriovdp-sdk` from crates.io");
                output.warning(&missing.with_hint(
                    "where it is not there, `--sdk PATH` names a checkout of sriovdp to take it from",
                ));
            }
        }
        Err(error) => output.error(&error),
    }
}

/// The commands from the new directory to a file for the provider directory.
fn next(name: &PackageName) -> [String; 4] {
    let library = format!("target/release/lib{}.so", name.snake_case());
    [
        format!("cd {}", name.as_str()),
        "cargo test".to_owned(),
        "cargo build --release".to_owned(),
        format!("sriovdp provider check {library}"),
    ]
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
        None => format!("the device types are {}", known.join(", ")),
    };
    let message = format!("no provider brings the device type `{extended}`");
    output.warning(&Error::new(message).with_hint(hint));
}
