//! An explanation for people.

use super::super::Output;
use super::super::device_attributes;
use super::super::output::{Columns, Document};
use super::{DeviceReport, Explanation, MatchResult, Verdict};

impl Document for Explanation<'_> {
    const KIND: &'static str = "Explanation";

    fn print(&self, output: &mut Output, _: Columns) {
        if self.items.is_empty() {
            output.line(format_args!(
                "the providers have discovered no {} on this node",
                self.what
            ));
        }
        for report in &self.items {
            print(output, report);
        }
    }
}

fn print(output: &mut Output, report: &DeviceReport<'_>) {
    let device = report.device.as_deref().unwrap_or("devices unknown");
    output.line(format_args!("{device} ({})", report.device_type));
    let mut attributes = report.attributes.keys();
    if attributes.any(|id| !device_attributes::OF_HOST.contains(&id.as_str())) {
        let attributes = report.attributes.iter();
        let attributes = attributes.map(|(id, value)| format!("{id}={value}"));
        let attributes = attributes.collect::<Vec<_>>().join(", ");
        output.line(format_args!("    attributes: {attributes}"));
    }
    for line in lines(report) {
        output.line(format_args!("    {line}"));
    }
}

/// What is printed about a device.
pub(in crate::commands) fn lines(report: &DeviceReport<'_>) -> Vec<String> {
    if let Some(reason) = &report.excluded {
        return vec![format!("not offered: {reason}")];
    }
    if report.resources.is_empty() {
        let device_type = report.device_type;
        return vec![format!("no resource has the device type `{device_type}`")];
    }
    let of_resource = |verdict: &Verdict| {
        let lines = description(verdict).into_iter();
        let lines = lines.map(|line| format!("{}: {line}", verdict.resource));
        lines.collect::<Vec<_>>()
    };
    report.resources.iter().flat_map(of_resource).collect()
}

fn description(verdict: &Verdict) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    vec![match verdict.result {
        MatchResult::Assigned => {
            let by = verdict.selector.as_ref();
            let by = by.map(|path| format!(", by `{path}`")).unwrap_or_default();
            let retained = match verdict.retained_for_pod {
                true => "; in use by a pod; no selector matches it any more",
                false => "",
            };
            let unhealthy = verdict.unhealthy.as_ref();
            let unhealthy = unhealthy.map(|reason| format!("; unhealthy: {reason}"));
            format!("assigned{by}{retained}{}", unhealthy.unwrap_or_default())
        }
        MatchResult::AssignedEarlier => format!(
            "matches, but already assigned to `{}` (earlier in the file)",
            text(&verdict.assigned_to)
        ),
        MatchResult::InUse => {
            format!(
                "matches, but in use by a pod as `{}`",
                text(&verdict.in_use_as)
            )
        }
        MatchResult::Unassigned => match &verdict.divided {
            Some(reason) => format!("matches, but {reason}"),
            None => "matches, but is in no pool".to_owned(),
        },
        MatchResult::Unknown => format!("unknown: {}", text(&verdict.unknown)),
        MatchResult::Mismatch => {
            let mismatches = verdict.mismatches.iter().map(|mismatch| {
                let path = mismatch.path.as_ref().or(mismatch.selector.as_ref());
                let path = path.map(|path| format!("`{path}`: "));
                path.unwrap_or_default() + &mismatch.reason
            });
            return mismatches.collect();
        }
    }]
}
