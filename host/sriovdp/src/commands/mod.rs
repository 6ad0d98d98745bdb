//! The commands that look at a node once and print what they see.

// Whoever reads the output of a command must not find errors in it.
#![allow(clippy::print_stderr, reason = "the errors of a command")]

mod asked_device;
mod check;
mod explain;
mod list;
mod new_provider;
mod page;
mod provider_check;
mod providers;
mod rescan;
mod resources;
mod schema;

use std::path::Path;

use page::Output;
use sriovdp_sdk::Error;

use crate::cli::{Arguments, Command, Exit, ProviderCommand};
use crate::settings;
use sriovdp_agent::config::Severity;
use sriovdp_agent::reconcile::{Outcome, Reconciler, Settings};
use sriovdp_report::inline;

/// Runs one command to its end.
pub async fn run(arguments: &Arguments, command: &Command) -> Exit {
    let mut page = match command {
        Command::Check { .. } => Output::of_reports(),
        _ => Output::new(),
    };
    fill(&mut page, arguments, command).await;
    page.print()
}

async fn fill(page: &mut Output, arguments: &Arguments, command: &Command) {
    let settings = settings::settings(arguments);
    if let Err(error) = settings.tree.require_root() {
        return page.error(&error);
    }
    match command {
        Command::Rescan => rescan::rescan(page, arguments),
        Command::Provider(ProviderCommand::Check { file }) => {
            provider_check::check(page, file, &settings.providers).await;
        }
        Command::Provider(ProviderCommand::New { name, extends }) => {
            new_provider::begin(page, name, extends.as_deref(), &settings.providers).await;
        }
        Command::Check { file: Some(file) } => {
            let state = with_file(settings, file);
            show(page, state, command).await;
        }
        _ => show(page, Reconciler::new(settings, None), command).await,
    }
}

/// The file of `check` is looked up below the root, as that of `--config-file` is, and outside where there is none.
fn with_file(mut settings: Settings, file: &Path) -> Reconciler {
    settings.config_file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let (file, root) = (
        settings.config_file.clone(),
        settings.tree.root().to_owned(),
    );
    let is_outside = !settings.tree.below_root(&file).exists() && file.exists();
    let state = Reconciler::new(settings, None);
    if !is_outside {
        return state;
    }
    eprintln!(
        "note: below the root `{}` there is no `{}`, so the file outside of it is checked",
        root.display(),
        file.display()
    );
    state.with_configuration_outside()
}

async fn show(page: &mut Output, mut state: Reconciler, command: &Command) {
    let look = state.look().await;
    let (state, look) = (&state, &look);
    report_providers(page, state, *command != Command::Providers);
    // Without providers there is nothing to show, but mistakes in the configuration.
    let is_check = matches!(command, Command::Check { .. });
    if state.providers().loaded().is_empty() && !is_check && *command != Command::Providers {
        return;
    }
    match command {
        Command::Providers => return providers::providers(page, state),
        Command::Schema => return schema::schema(page, state),
        _ => report(page, state, look, is_check),
    }
    if look.config_error.is_some() {
        return;
    }
    match command {
        Command::Check { .. } => check::check(page, state, look).await,
        Command::List { output } => list::list(page, state, look, *output),
        Command::Explain {
            resource,
            device,
            named,
            output,
        } => {
            let asked = explain::DiscoveryPlan {
                resource: resource.as_deref(),
                device: device.as_deref().or(named.as_deref()),
            };
            explain::explain(page, state, look, &asked, *output).await;
        }
        Command::Providers
        | Command::Provider(_)
        | Command::Schema
        | Command::Rescan
        | Command::ProbeProvider => {}
    }
}

/// Reports why no provider can be used, and, for commands that do not list them, which files are refused.
fn report_providers(page: &mut Output, state: &Reconciler, with_refused: bool) {
    let providers = state.providers();
    if let Some(error) = providers.unusable() {
        page.error(error);
    }
    if let Some(error) = state.no_provider() {
        page.error(&error);
    }
    for refused in providers.refused().iter().filter(|_| with_refused) {
        page.warning(&Error::new(format!(
            "the provider `{}` is refused: {}",
            refused.file.display(),
            inline(&refused.reason)
        )));
    }
}

/// Reports what is wrong with the configuration, and what is not known about the node.
fn report(page: &mut Output, state: &Reconciler, look: &Outcome, with_warnings: bool) {
    if let Some(error) = &look.config_error {
        return page.error(error);
    }
    let mut problems = look.problems.clone();
    if with_warnings {
        problems.extend(state.additional_info_of_others());
        problems.sort_by_key(|problem| problem.place);
    }
    for problem in &problems {
        match problem.severity {
            Severity::Refused => page.error(problem),
            Severity::Warning if with_warnings => page.warning(problem),
            Severity::Warning => {}
        }
    }
    for warning in state.node_warnings().iter().filter(|_| with_warnings) {
        page.warning(warning);
    }
    for error in &look.failures {
        page.error(error);
    }
    if let Some(error) = state.pods_unknown() {
        page.error(&Error::new(error));
    }
    if state.specs().is_empty() && page.is_good() {
        page.warning(&Error::new(
            "the configuration has no resource, so nothing is offered",
        ));
    }
}
