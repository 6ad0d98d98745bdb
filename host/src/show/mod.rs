//! The commands that look at a node once and print what they see.

// Whoever reads the output of a command must not find errors in it.
#![allow(clippy::print_stderr, reason = "the errors of a command")]

mod begin;
mod check;
mod explain;
mod inspect;
mod list;
mod providers;
mod rescan;
mod schema;

use std::fmt;
use std::fmt::Write as _;
use std::io::Write as _;

use crate::cli::{Arguments, Command, Exit, ProviderCommand};
use crate::config::Severity;
use crate::daemon;
use crate::reconcile::Reconciler;
use crate::report::{Escaped, Report};

/// What a command prints, written in one piece at its end.
#[derive(Debug, Default)]
struct Page(String);

impl Page {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Texts of providers and names from the node are among them.
        let _ = writeln!(self.0, "{:#}", Escaped(&line.to_string()));
    }

    /// A reader that has seen enough and closed the pipe is no failure; a full disk is one.
    fn print(self, exit: Exit) -> Exit {
        let mut output = std::io::stdout();
        let written = output.write_all(self.0.as_bytes());
        match written.and_then(|()| output.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                eprintln!("error: cannot write the output\nCaused by: {error}");
                Exit::Failure
            }
            _ => exit,
        }
    }
}

/// Runs one command to its end.
pub async fn run(arguments: &Arguments, command: &Command) -> Exit {
    let mut page = Page::default();
    let exit = fill(&mut page, arguments, command).await;
    page.print(exit)
}

async fn fill(page: &mut Page, arguments: &Arguments, command: &Command) -> Exit {
    if *command == Command::Rescan {
        return rescan::rescan(page, arguments);
    }
    let mut settings = daemon::settings(arguments);
    match command {
        Command::Provider(ProviderCommand::Check { file }) => {
            return inspect::check(page, file, &settings.providers).await;
        }
        Command::Provider(ProviderCommand::New { name, extends }) => {
            return begin::begin(page, name, extends.as_deref());
        }
        _ => {}
    }
    if let Command::Check { file: Some(file) } = command {
        settings.config_file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
    }
    let mut state = Reconciler::new(settings, None);
    let look = state.look().await;
    match command {
        Command::Providers => return providers::providers(page, &state),
        Command::Schema => return schema::schema(page, &state),
        Command::Check { .. } => return check::check(page, &state, &look),
        Command::List { .. }
        | Command::Explain { .. }
        | Command::Provider(_)
        | Command::Rescan
        | Command::ProbeProvider => {}
    }
    if let Some(error) = &look.config_error {
        eprintln!("{}", Report::error(error));
        return Exit::Failure;
    }
    if let Some(error) = state.no_provider() {
        eprintln!("{}", Report::error(&error));
        return Exit::Failure;
    }
    // A resource that is not in the list is missed there.
    for problem in &look.problems {
        if problem.severity == Severity::Refused {
            eprintln!("{}", Report::error(problem));
        }
    }
    match command {
        Command::Explain {
            resource,
            device,
            output,
        } => {
            explain::explain(
                page,
                &state,
                resource.as_deref(),
                device.as_deref(),
                *output,
            )
            .await
        }
        Command::List { output } => list::list(page, &state, *output),
        Command::Providers
        | Command::Provider(_)
        | Command::Schema
        | Command::Check { .. }
        | Command::Rescan
        | Command::ProbeProvider => Exit::Success,
    }
}
