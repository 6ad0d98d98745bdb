//! The commands, which print and exit.

mod check;
mod daemon;
mod device_attributes;
mod events;
mod explain;
mod health;
mod list;
mod metrics;
mod named_device;
mod new_provider;
mod node_write;
mod output;
mod provider_check;
mod providers;
mod replay;
mod report;
mod rescan;
mod resources;
mod schema;
mod status;
mod version;

use std::path::{Path, PathBuf};

use output::{Output, Reported};
use sriovdp_sdk::{Error, regular};

use crate::cli::{Arguments, Command, Exit, NodeCommand, OutputFormat, ProviderCommand};
use crate::settings;
use crate::style;
use sriovdp_agent::config::{self, Severity};
use sriovdp_agent::pools::Strictness;
use sriovdp_agent::reconcile::{ConfigurationSource, Outcome, Reconciler, Settings};
use sriovdp_providers::Providers;
use sriovdp_report::inline;

/// Runs one command to its end.
pub async fn run(arguments: &Arguments, command: &Command) -> Exit {
    let Command::Replay { report, command } = command else {
        return run_here(arguments, command).await;
    };
    match replay::prepare(arguments, report, command) {
        Ok(replay) => run_here(&replay.arguments, &replay.command).await,
        Err(error) => {
            let mut output = Output::new(OutputFormat::Text);
            output.error(&error);
            output.print()
        }
    }
}

async fn run_here(arguments: &Arguments, command: &Command) -> Exit {
    let format = command.output_format();
    let mut output = match command {
        Command::Check { migrate: false, .. } => Output::of_reports(format),
        _ => Output::new(format),
    };
    execute(&mut output, arguments, command).await;
    output.print()
}

async fn execute(output: &mut Output, arguments: &Arguments, command: &Command) {
    if matches!(command, Command::Version { .. }) {
        return version::version(output);
    }
    let settings = settings::settings(arguments);
    if let Err(error) = settings.tree.require_root() {
        return match command {
            Command::Health { .. } => output.no_answer(&error),
            _ => output.error(&error),
        };
    }
    match command {
        Command::Rescan => rescan::rescan(output, arguments),
        Command::Health { check } => {
            health::health(output, *check, &socket_directory(arguments, &settings)).await;
        }
        Command::Events { since, .. } => {
            let directory = socket_directory(arguments, &settings);
            events::events(output, &directory, *since).await;
        }
        Command::Status { .. } => {
            let tree = &settings.tree;
            let pod_resources = tree.below_root(tree.pod_resources_socket());
            let directory = socket_directory(arguments, &settings);
            status::status(output, &directory, &pod_resources).await;
        }
        Command::Metrics => {
            metrics::metrics(output, &socket_directory(arguments, &settings)).await;
        }
        Command::Provider(ProviderCommand::Check { file, .. }) => {
            provider_check::check(output, file, &settings.providers).await;
        }
        Command::Provider(ProviderCommand::New { name, extends, sdk }) => {
            let (extends, sdk) = (extends.as_deref(), sdk.as_deref());
            new_provider::begin(output, name, extends, sdk, &settings.providers).await;
        }
        Command::Node(NodeCommand::Write {
            file,
            directory,
            config,
        }) => {
            let node = node_write::NewNode {
                file,
                directory,
                config: config.as_deref(),
            };
            node_write::write(output, &node, &arguments.common);
        }
        Command::Report { file } => {
            report::report(output, arguments, settings, file.as_deref()).await;
        }
        Command::Check { file, migrate, .. } => match with_file(settings, file.as_deref()) {
            Ok((settings, source)) if *migrate => {
                let there = Settings {
                    strictness: Strictness::GoPlugin,
                    ..settings.clone()
                };
                let there = state(there).with_configuration(source.clone());
                let here = state(settings).with_configuration(source);
                check::migrate(output, here, there, arguments).await;
            }
            Ok((settings, source)) => {
                let state = state(settings).with_configuration(source);
                show(output, state, command).await;
            }
            Err(error) => output.error(&error),
        },
        _ => show(output, state(settings), command).await,
    }
}

fn state(settings: Settings) -> Reconciler {
    Reconciler::new(settings, Providers::default(), None)
}

fn socket_directory(arguments: &Arguments, settings: &Settings) -> PathBuf {
    let directory = &arguments.common.healthcheck_socket_dir;
    settings.tree.below_root(directory)
}

/// The file of `check` is below the root, like that of `--config-file`, or else outside of the root; `-` is standard
/// input.
fn with_file(
    mut settings: Settings,
    file: Option<&Path>,
) -> Result<(Settings, ConfigurationSource), Error> {
    let Some(file) = file else {
        return Ok((settings, ConfigurationSource::BelowRoot));
    };
    if file == Path::new("-") {
        let text = regular::read(std::io::stdin(), config::MAX_SIZE);
        let text =
            text.map_err(|error| Error::from_std(&error).context("cannot read standard input"))?;
        settings.config_file = PathBuf::from("standard input");
        return Ok((settings, ConfigurationSource::Text(text.into())));
    }
    settings.config_file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let file = &settings.config_file;
    if settings.tree.below_root(file).exists() || file.symlink_metadata().is_err() {
        return Ok((settings, ConfigurationSource::BelowRoot));
    }
    let note = format!(
        "note: the root `{}` has no `{}`; checking the file outside of the root",
        settings.tree.root().display(),
        file.display()
    );
    anstream::eprintln!("{}", style::report(&note));
    Ok((settings, ConfigurationSource::OutsideRoot))
}

async fn show(output: &mut Output, mut state: Reconciler, command: &Command) {
    let outcome = state.reconcile().await;
    present(output, &state, &outcome, command).await;
}

/// Prints what a command shows of the state.
async fn present(output: &mut Output, state: &Reconciler, outcome: &Outcome, command: &Command) {
    let lists_refused = matches!(command, Command::Providers { .. });
    report_providers(output, state);
    if !lists_refused {
        report_refused_files(output, state);
    }
    match command {
        Command::Providers { .. } => return providers::providers(output, state),
        // Without providers, mistakes in the configuration can be shown.
        Command::Check { .. } => {
            report(output, state, outcome, Severity::Warning);
            return check::check(output, state, outcome).await;
        }
        _ if state.providers().all().is_empty() => return,
        Command::Schema => return schema::schema(output, state),
        _ => report(output, state, outcome, Severity::Refused),
    }
    if outcome.config_error.is_some() {
        return;
    }
    match command {
        Command::List { .. } => list::list(output, state, outcome).await,
        Command::Explain {
            resource,
            device,
            named,
            ..
        } => {
            let query = explain::Query {
                resource: resource.as_deref(),
                device: device.as_deref().or(named.as_deref()),
            };
            explain::explain(output, state, outcome, &query).await;
        }
        _ => {}
    }
}

/// Reports why no provider is loaded.
fn report_providers(output: &mut Output, state: &Reconciler) {
    for error in state.providers().unusable() {
        output.error(error);
    }
    if let Some(error) = state.no_provider() {
        output.error(&error);
    }
}

/// Reports the refused files, for commands that do not list them.
fn report_refused_files(output: &mut Output, state: &Reconciler) {
    for refused in state.providers().refused() {
        output.warning(&Error::new(format!(
            "the provider `{}` is refused: {}",
            refused.file.display(),
            inline(&refused.reason)
        )));
    }
}

/// Reports mistakes in the configuration from the severity `least` on, and failed queries of the node.
fn report(output: &mut Output, state: &Reconciler, outcome: &Outcome, least: Severity) {
    let with_warnings = least == Severity::Warning;
    if let Some(error) = &outcome.config_error {
        output.report(Reported::rejected(error));
        return output.fail();
    }
    let mut problems = outcome.problems.clone();
    if with_warnings {
        problems.extend(state.additional_info_of_others());
        problems.sort_by_key(|problem| problem.place);
    }
    for problem in &problems {
        match problem.severity {
            Severity::Refused => output.fail(),
            Severity::Warning if with_warnings => {}
            Severity::Warning => continue,
        }
        output.report(Reported::problem(problem));
    }
    for warning in state.node_warnings().iter().filter(|_| with_warnings) {
        output.warning(warning);
    }
    for error in &outcome.failures {
        output.error(error);
    }
    if let Some(error) = state.pod_devices_error() {
        output.error(&Error::new(error));
    }
    if state.specs().is_empty() && output.is_good() {
        output.warning(&Error::new(
            "the configuration has no resource, so nothing is offered",
        ));
    }
}
