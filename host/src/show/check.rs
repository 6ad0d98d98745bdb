//! `sriovdp check`: what is wrong with the configuration.

use crate::cli::Exit;
use crate::config::Severity;
use crate::reconcile::{Look, Reconciler};
use crate::report::Report;

pub(super) fn check(state: &Reconciler, look: &Look) -> Exit {
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
        println!(
            "{}: {} devices, {} healthy",
            pool.resource.name,
            pool.devices.len(),
            pool.healthy()
        );
    }
    exit
}
