//! The commands that look at a node once and print what they see.

// Printing is what these commands are for.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the output of a command"
)]

mod check;
mod explain;
mod list;
mod providers;
mod schema;

use crate::cli::{Arguments, Command, Exit};
use crate::daemon;
use crate::reconcile::Reconciler;
use crate::report::Report;

/// Runs one command to its end.
pub async fn run(arguments: &Arguments, command: &Command) -> Exit {
    let mut settings = daemon::settings(arguments);
    if let Command::Check { file: Some(file) } = command {
        settings.config_file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
    }
    let mut state = Reconciler::new(settings, None);
    let look = state.look().await;
    match command {
        Command::Providers => return providers::providers(&state),
        Command::Schema => return schema::schema(&state),
        Command::Check { .. } => return check::check(&state, &look),
        Command::List { .. } | Command::Explain { .. } => {}
    }
    if let Some(error) = &look.config_error {
        eprintln!("{}", Report::error(error));
        return Exit::Failure;
    }
    match command {
        Command::Explain {
            resource,
            device,
            output,
        } => explain::explain(&state, resource.as_deref(), device.as_deref(), *output).await,
        Command::List { output } => list::list(&state, *output),
        Command::Providers | Command::Schema | Command::Check { .. } => Exit::Success,
    }
}
