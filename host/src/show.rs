//! The commands that look at a node once and print what they see.

// Printing is what these commands are for.
#![allow(clippy::print_stdout, reason = "the output of a command")]

use crate::cli::Arguments;
use crate::cli::Exit;
use crate::config::Severity;
use crate::daemon;
use crate::reconcile::Reconciler;
use crate::report::Report;
use crate::report::one_line;

/// `sriovdp providers`: what each file of the provider directory brings, or why it is refused.
pub async fn providers(arguments: &Arguments) -> Exit {
    let mut state = Reconciler::new(daemon::settings(arguments), None);
    state.look().await;
    for provider in state.providers().loaded() {
        let manifest = provider.manifest();
        let brings = match &manifest.device_type {
            Some(device_type) => format!("device type {device_type}"),
            None => format!("extension of {}", manifest.extends.join(", ")),
        };
        println!("{}: {brings} ({} {}, SDK {})", provider.file_name(), manifest.package, manifest.version, manifest.sdk);
        println!("    {}", manifest.summary);
        println!("    selectors: {}", provider.keys().collect::<Vec<_>>().join(", "));
    }
    let refused = state.providers().refused();
    for refused in refused {
        println!("{}: refused: {}", refused.file.display(), one_line(&refused.reason));
    }
    if refused.is_empty() { Exit::Success } else { Exit::Failure }
}

/// `sriovdp check`: what is wrong with the configuration.
pub async fn check(arguments: &Arguments) -> Exit {
    let mut state = Reconciler::new(daemon::settings(arguments), None);
    let look = state.look().await;
    let mut exit = Exit::Success;
    if let Some(error) = &look.config_error {
        println!("{}", Report::error(error));
        exit = Exit::Failure;
    }
    for problem in &look.problems {
        match problem.severity {
            Severity::Refused => {
                println!("{}", Report::error(problem));
                exit = Exit::Failure;
            }
            Severity::Warning => println!("{}", Report::warning(problem)),
        }
    }
    for pool in state.pools() {
        println!("{}: {} devices, {} healthy", pool.resource.name, pool.devices.len(), pool.healthy());
    }
    exit
}
