//! `sriovdp check`: what is wrong with the configuration.

use super::Page;
use crate::cli::Exit;
use crate::config::Severity;
use crate::reconcile::{Look, Reconciler};
use crate::report::Report;

pub(super) fn check(page: &mut Page, state: &Reconciler, look: &Look) -> Exit {
    let mut exit = Exit::Success;
    if let Some(error) = &look.config_error {
        page.line(format_args!("{}", Report::error(error)));
        exit = Exit::Failure;
    }
    let mut problems = look.problems.clone();
    problems.extend(state.additional_info_of_others());
    problems.sort_by_key(|problem| problem.place);
    for problem in &problems {
        match problem.severity {
            Severity::Refused => {
                page.line(format_args!("{}", Report::error(problem)));
                exit = Exit::Failure;
            }
            Severity::Warning => page.line(format_args!("{}", Report::warning(problem))),
        }
    }
    for warning in state.node_warnings() {
        page.line(format_args!("{}", Report::warning(&warning)));
    }
    if state.resources().is_empty() && exit == Exit::Success {
        page.line(format_args!(
            "warning: the configuration has no resource, so nothing is offered"
        ));
    }
    for pool in state.pools() {
        page.line(format_args!(
            "{}: {} devices, {} healthy",
            pool.resource.name,
            pool.devices.len(),
            pool.healthy()
        ));
    }
    for kept_out in state.kept_out() {
        page.line(format_args!("{kept_out}"));
    }
    exit
}
