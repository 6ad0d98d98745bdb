//! The program `sriovdp`: parses the command line, then serves or runs one command.
#![forbid(unsafe_code)]

use std::panic;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;

use sriovdp::cli::{Arguments, Exit};
use sriovdp::commands;
use sriovdp::logging;
use sriovdp::process;
use sriovdp::settings;
use sriovdp::style;
use sriovdp_agent::daemon;
use sriovdp_agent::events::NodeEvents;
use sriovdp_agent::history::History;
use sriovdp_agent::metrics::Recorded;
use sriovdp_providers::limits;
use sriovdp_providers::{exit_now, malloc, probe};
use sriovdp_report::Report;

fn main() -> ExitCode {
    malloc::limit();
    process::disable_core_file();
    // The probe is part of each start, and the command line costs it more than all the rest.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|command| command == probe::COMMAND)
    {
        exit_now(match probe::answer() {
            Ok(()) => Exit::Success as u8,
            Err(_) => Exit::Failure as u8,
        });
    }
    let arguments = match Arguments::parse_go_style(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error).into(),
    };
    style::choose(arguments.common.color);
    let history = Arc::<History>::default();
    let recorded = arguments.metrics_listen.map(|_| Arc::<Recorded>::default());
    // Only the daemon logs; a command prints.
    if arguments.command.is_none() {
        process::set_umask();
        logging::start(&arguments.logging, &history, recorded.as_ref());
        limits::raise_open_files();
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            return fail(&sriovdp_sdk::Error::from_std(&error).context("cannot start the runtime"))
                .into();
        }
    };
    // A panic has printed its message; the exit code is that of a failure.
    let exit = panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(run(&arguments, history, recorded))
    }));
    // Neither a provider that hangs in a call nor one whose destructors fail may delay the exit.
    runtime.shutdown_background();
    exit_now(exit.unwrap_or(Exit::Failure) as u8)
}

async fn run(
    arguments: &Arguments,
    history: Arc<History>,
    recorded: Option<Arc<Recorded>>,
) -> Exit {
    match &arguments.command {
        None => {
            for option in arguments.logging.without_effect.given() {
                tracing::info!(
                    event = "option_ignored",
                    option,
                    "an option of the Go plugin without effect: the log goes to standard error"
                );
            }
            let events = NodeEvents::of_node(&arguments.common.root);
            match daemon::run(
                settings::options(arguments, history, recorded),
                settings::settings(arguments),
                events,
            )
            .await
            {
                Ok(()) => Exit::Success,
                Err(error) => fail(&error),
            }
        }
        Some(command) => commands::run(arguments, command).await,
    }
}

/// Prints clap's error. Help and version go to standard output and are a success.
fn usage(error: &clap::Error) -> Exit {
    // A closed standard output cannot be reported anywhere.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Success
    }
}

fn fail(error: &impl sriovdp_report::Hint) -> Exit {
    if logging::is_standard_error_writable() {
        anstream::eprintln!("{}", style::report(&Report::error(error)));
    }
    Exit::Failure
}
