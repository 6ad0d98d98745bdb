//! Differences by the configuration alone.

use std::collections::HashSet;

use super::selection::Pools;
use super::{Comparison, Details, Difference, Effect};
use sriovdp_agent::config::{AllocationPolicy, HealthChecks, Problem, Severity};
use sriovdp_agent::pools::is_of_go_plugin;
use sriovdp_report::{Hint, count, inline};

pub(super) const DIFFERENCES: &[Difference] = &[
    Difference {
        id: "refused-key",
        effect: Effect::NotServed,
        find: refused_keys,
    },
    Difference {
        id: "refused-value",
        effect: Effect::NotServed,
        find: refused_values,
    },
    Difference {
        id: "key-without-effect",
        effect: Effect::Information,
        find: keys_without_effect,
    },
    Difference {
        id: "ends-the-go-plugin",
        effect: Effect::Information,
        find: ends_the_go_plugin,
    },
    Difference {
        id: "resource-key",
        effect: Effect::Devices,
        find: resource_keys,
    },
    Difference {
        id: "additional-info",
        effect: Effect::Information,
        find: additional_info,
    },
];

fn refused(problems: &[Problem]) -> impl Iterator<Item = &Problem> {
    let is_refused = |problem: &&Problem| problem.severity == Severity::Refused;
    problems.iter().filter(is_refused)
}

/// The problems that refuse a resource here, and whether the Go plugin has the same.
fn refusals<'a>(compared: &'a Comparison<'_>) -> impl Iterator<Item = (&'a Problem, bool)> {
    let there: HashSet<&str> = refused(&compared.there.1.problems)
        .map(|problem| &*problem.key)
        .collect();
    let here = refused(&compared.here.1.problems);
    here.map(move |problem| (problem, there.contains(&*problem.key)))
}

fn details(compared: &Comparison<'_>, problem: &Problem, go_plugin: &str) -> Details {
    let mut specs = compared.here.0.specs().iter();
    let spec = specs.find(|spec| spec.selection.key == problem.entry());
    let problem_without_hint = match &problem.cause {
        Some(cause) => format!("{problem}: {cause}"),
        None => problem.to_string(),
    };
    Details {
        resource: spec.map(|spec| spec.name.to_string()),
        hint: problem.hint(),
        ..Details::new(format!("{problem_without_hint}; {go_plugin}"))
    }
}

/// Keys that refuse the resource only because they are unknown.
fn refused_keys(compared: &Comparison<'_>) -> Vec<Details> {
    let pools = Pools::of_go_plugin(compared.there.0);
    let devices_of = |problem: &Problem| {
        let mut specs = compared.here.0.specs().iter();
        let spec = specs.find(|spec| spec.selection.key == problem.entry())?;
        Some(pools.devices(&spec.name)?.len())
    };
    let only_here = refusals(compared).filter(|(_, is_refused_there)| !is_refused_there);
    only_here
        .map(|(problem, _)| {
            let go_plugin = match devices_of(problem) {
                Some(devices) => format!(
                    "the Go plugin ignores it, and the resource has {}",
                    count(devices, "device")
                ),
                None => "the Go plugin ignores it".to_owned(),
            };
            let details = details(compared, problem, &go_plugin);
            let lenient = "`--lenient` ignores the key as the Go plugin does";
            let hint = match &details.hint {
                Some(hint) => format!("{hint} ({lenient})"),
                None => lenient.to_owned(),
            };
            details.hint(hint)
        })
        .collect()
}

fn refused_values(compared: &Comparison<'_>) -> Vec<Details> {
    let go_plugin =
        "by the kind of the mistake, the Go plugin ends, drops the resource, or matches nothing";
    let in_both = refusals(compared).filter(|(_, is_refused_there)| *is_refused_there);
    in_both
        .map(|(problem, _)| details(compared, problem, go_plugin))
        .collect()
}

fn keys_without_effect(compared: &Comparison<'_>) -> Vec<Details> {
    let problems = compared.here.1.problems.iter();
    let warnings = problems.filter(|problem| problem.severity == Severity::Warning);
    warnings
        .map(|problem| Details::new(inline(problem)))
        .collect()
}

/// Resources because of which the Go plugin offers none.
fn ends_the_go_plugin(compared: &Comparison<'_>) -> Vec<Details> {
    let (state, outcome) = compared.here;
    if state.specs().is_empty() && outcome.problems.is_empty() {
        return vec![Details::new(
            "without a resource, the Go plugin ends with exit code 0; this one waits for a resource",
        )];
    }
    let types: Vec<_> = state.providers().device_types().collect();
    let mut found = Vec::new();
    for spec in state.specs() {
        let add = |message: &str| Details::new(message).resource(&spec.name);
        if spec.selection.is_absent() {
            found.push(add(
                "without `selectors`, the Go plugin crashes; here the resource has every device of the type",
            ));
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !spec.name.name().chars().all(is_name) {
            found.push(add("the Go plugin ends because of a dot in the name"));
        }
        let device_type = spec.selection.device_type.as_deref();
        let named = types.iter().find(|(name, _)| Some(*name) == device_type);
        if named.is_some_and(|(_, device_type)| !is_of_go_plugin(device_type)) {
            found.push(add("the Go plugin does not have this device type"));
        }
    }
    found
}

/// Keys of the resource itself that the Go plugin ignores.
fn resource_keys(compared: &Comparison<'_>) -> Vec<Details> {
    let mut found = Vec::new();
    for spec in compared.here.0.specs() {
        let add = |message: &str| Details::new(message).resource(&spec.name);
        if spec.health != HealthChecks::default() {
            found.push(add("`health` takes effect; the Go plugin ignores it"));
        }
        if spec.allocation_policy != AllocationPolicy::default() {
            found.push(add(
                "`allocationPolicy` takes effect; the Go plugin ignores it",
            ));
        }
    }
    found
}

fn additional_info(compared: &Comparison<'_>) -> Vec<Details> {
    let specs = compared.here.0.specs().iter();
    let with_info = specs.filter(|spec| spec.additional_info.is_some());
    let message = "values of `additionalInfo` are not logged, and those at the id of a device take effect, where the Go \
                   plugin reads only those at a PCI address";
    with_info
        .map(|spec| Details::new(message).resource(&spec.name))
        .collect()
}
