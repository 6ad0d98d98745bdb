//! `sriovdp check --migrate`: what changes on this node when this program replaces the Go plugin.
//!
//! Beside the reconcile that a daemon would begin with, a second one reads the configuration as the Go plugin does; their
//! pools are compared.

mod configuration;
mod environment;
mod selection;

use std::path::PathBuf;

use serde::Serialize;
use sriovdp_sdk::Error;

use super::super::Output;
use super::super::output::{Columns, Document};
use crate::cli::Arguments;
use sriovdp_agent::reconcile::{Outcome, Reconciler};

/// The page with a section for each difference.
const PAGE: &str = "docs/coming-from-the-go-plugin.md";

/// What a difference costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
enum Effect {
    /// A resource is not served.
    NotServed,
    /// Other devices are offered, or pods get others.
    Devices,
    /// Everything else.
    Information,
}

/// One difference on this node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    /// The section of [`PAGE`].
    difference: &'static str,
    effect: Effect,
    resource: Option<String>,
    message: String,
    details: Vec<String>,
    hint: Option<String>,
}

/// The differences on this node, those with the largest effect first.
#[derive(Serialize)]
struct Migration {
    items: Vec<Finding>,
}

/// What a difference is found in.
struct Comparison<'a> {
    /// After a reconcile with the configuration as this program reads it.
    here: (&'a Reconciler, &'a Outcome),
    /// After one with the configuration as the Go plugin reads it.
    there: (&'a Reconciler, &'a Outcome),
    arguments: &'a Arguments,
    /// The files of the daemon that are mounted alone.
    mounted_files: Vec<PathBuf>,
}

/// One difference: its section, its effect, and how it is found.
struct Difference {
    id: &'static str,
    effect: Effect,
    find: fn(&Comparison<'_>) -> Vec<Details>,
}

/// A finding without what its difference adds.
#[derive(Default)]
struct Details {
    resource: Option<String>,
    message: String,
    details: Vec<String>,
    hint: Option<String>,
}

impl Details {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    fn resource(mut self, name: &impl ToString) -> Self {
        self.resource = Some(name.to_string());
        self
    }

    fn details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// All differences that can be found.
fn differences() -> impl Iterator<Item = &'static Difference> {
    let all = [
        configuration::DIFFERENCES,
        selection::DIFFERENCES,
        environment::DIFFERENCES,
    ];
    all.into_iter().flatten()
}

/// Prints the differences. `here` has the configuration as this program reads it, `there` as the Go plugin does; no
/// reconcile has run yet.
pub(in super::super) async fn migrate(
    output: &mut Output,
    mut here: Reconciler,
    mut there: Reconciler,
    arguments: &Arguments,
) {
    let outcome = here.reconcile().await;
    super::super::report_providers(output, &here);
    super::super::report_refused_files(output, &here);
    if let Some(error) = &outcome.config_error {
        return output.error(error);
    }
    for error in &outcome.failures {
        output.error(error);
    }
    if let Some(error) = here.pod_devices_error() {
        output.error(&Error::new(error));
    }
    let outcome_there = there.reconcile().await;
    let comparison = Comparison {
        mounted_files: here.mounted_files().await,
        here: (&here, &outcome),
        there: (&there, &outcome_there),
        arguments,
    };
    let mut findings: Vec<Finding> = differences()
        .flat_map(|difference| {
            let found = (difference.find)(&comparison).into_iter();
            found.map(|details| Finding {
                difference: difference.id,
                effect: difference.effect,
                resource: details.resource,
                message: details.message,
                details: details.details,
                hint: details.hint,
            })
        })
        .collect();
    findings.sort_by_key(|finding| finding.effect);
    let is_served = |finding: &Finding| finding.effect != Effect::NotServed;
    if !findings.iter().all(is_served) {
        output.fail();
    }
    output.document(&Migration { items: findings });
}

impl Document for Migration {
    const KIND: &'static str = "Migration";

    fn print(&self, output: &mut Output, _: Columns) {
        print(output, &self.items);
    }
}

fn print(output: &mut Output, findings: &[Finding]) {
    for finding in findings {
        let effect = match finding.effect {
            Effect::NotServed => "not served: ",
            Effect::Devices => "changes: ",
            Effect::Information => "",
        };
        let resource = finding.resource.as_ref();
        let resource = resource.map(|name| format!("`{name}`: "));
        let (resource, message) = (resource.unwrap_or_default(), &finding.message);
        let difference = finding.difference;
        output.line(format_args!("{effect}{resource}{message} [{difference}]"));
        for detail in &finding.details {
            output.line(format_args!("    {detail}"));
        }
        if let Some(hint) = &finding.hint {
            output.line(format_args!("    hint: {hint}"));
        }
    }
    let of = |effect| {
        let findings = findings.iter();
        findings.filter(|finding| finding.effect == effect).count()
    };
    output.line(format_args!(
        "not served: {}, changes: {}, information: {}; {PAGE} has a section for each name in brackets",
        of(Effect::NotServed),
        of(Effect::Devices),
        of(Effect::Information),
    ));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn each_difference_is_a_section_of_the_page() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join(PAGE);
        let page = std::fs::read_to_string(page).unwrap();
        let (_, sections) = page
            .split_once("\n## What `check --migrate` finds\n")
            .unwrap();
        let sections = sections.split("\n## ").next().unwrap();
        let sections = sections
            .lines()
            .filter_map(|line| line.strip_prefix("### "));
        let sections: Vec<&str> = sections.collect();
        let ids: Vec<&str> = differences().map(|difference| difference.id).collect();
        let unique: BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
        assert_eq!(
            sections, ids,
            "sections of {PAGE}, in the order of the list"
        );
    }
}
