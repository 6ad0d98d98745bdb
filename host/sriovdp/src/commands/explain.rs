//! `sriovdp explain`: for each device, the resource that has it, and why every other one does not match.

use std::sync::Arc;

use serde_json::{Value, json};
use sriovdp_sdk::Error;

use super::resources::{ShownResource, resources};
use super::{Output, named_device};
use crate::cli::OutputFormat;
use sriovdp_agent::pools::{DiscoveredDevices, Fit, Pool};
use sriovdp_agent::reconcile::{Outcome, Reconciler};
use sriovdp_report::inline;

/// The arguments of the command.
pub(super) struct Query<'a> {
    pub(super) resource: Option<&'a str>,
    pub(super) device: Option<&'a str>,
}

/// The report about one device.
struct DeviceReport<'a> {
    /// Nothing when the devices of the type are unknown.
    device: Option<String>,
    device_type: &'a str,
    /// Why its provider excludes it.
    excluded: Option<String>,
    verdicts: Vec<(String, Verdict)>,
}

/// The result for a device and a resource.
enum Verdict {
    Takes {
        selector: Option<String>,
        /// No selector matches it now, and it stays for its pod.
        retained_for_pod: bool,
        unhealthy: Option<String>,
    },
    /// It matches, but an earlier resource has it.
    ClaimedEarlier {
        resource: String,
    },
    /// It matches, but a pod has the device under another resource name, or it is in no pool.
    Elsewhere {
        held_as: Option<String>,
    },
    /// The mismatch of each selector object.
    Refuses(Vec<SelectorRefusal>),
    Unknown(String),
}

struct SelectorRefusal {
    selector: Option<String>,
    key: Option<String>,
    /// The key as a path in the entry.
    path: Option<String>,
    reason: String,
}

pub(super) async fn explain(
    output: &mut Output,
    state: &Reconciler,
    outcome: &Outcome,
    query: &Query<'_>,
    format: OutputFormat,
) {
    let is_requested = |shown: &ShownResource<'_>| {
        let name = query.resource;
        name.is_none_or(|name| shown.name.to_string() == name)
    };
    let shown: Vec<ShownResource<'_>> = resources(state, outcome).filter(is_requested).collect();
    if let (Some(name), true) = (query.resource, shown.is_empty()) {
        return output.error(&Error::new(format!("no resource `{name}` is offered")).with_hint(
            "write it with its prefix, as `sriovdp list` prints it; `sriovdp check` lists refused resources",
        ));
    }
    let ids = query
        .device
        .map(|text| named_device::ids(state, outcome, text));
    let ids = match ids.transpose() {
        Ok(ids) => ids,
        Err(error) => return output.error(&error),
    };
    let is_wanted = |id: &str| {
        let ids = ids.as_ref();
        ids.is_none_or(|ids| ids.iter().any(|wanted| wanted == id))
    };
    let mut reports = Vec::new();
    for (device_type, found) in state.scan().device_types() {
        let of_type = || {
            shown
                .iter()
                .filter(|shown| shown.device_type == device_type)
        };
        if query.resource.is_some() && of_type().next().is_none() {
            continue;
        }
        let devices = found.devices.iter().map(|device| device.id.as_str());
        for id in devices.filter(|id| is_wanted(id)) {
            let mut verdicts = Vec::new();
            for shown in of_type() {
                let verdict = verdict(state, shown, id).await;
                verdicts.push((shown.name.to_string(), verdict));
            }
            reports.push(DeviceReport {
                device: Some(id.to_owned()),
                device_type,
                excluded: None,
                verdicts,
            });
        }
        let excluded = excluded(device_type, found);
        reports.extend(
            excluded
                .filter(|(id, _)| is_wanted(id))
                .map(|(_, report)| report),
        );
    }
    if ids.is_none() {
        reports.extend(shown.iter().filter_map(|shown| undiscovered(state, shown)));
    }
    let mut verdicts = reports.iter().flat_map(|report| &report.verdicts);
    if verdicts.any(|(_, verdict)| matches!(verdict, Verdict::Unknown(_))) {
        output.fail();
    }
    match format {
        OutputFormat::Json => {
            output.json(&Value::Array(reports.iter().map(to_json).collect()));
        }
        OutputFormat::Text if reports.is_empty() => {
            output.line(format_args!(
                "the providers have discovered no such device on this node"
            ));
        }
        OutputFormat::Text => reports.iter().for_each(|report| print(output, report)),
    }
}

fn excluded<'a>(
    device_type: &'a str,
    found: &'a DiscoveredDevices,
) -> impl Iterator<Item = (&'a str, DeviceReport<'a>)> {
    found.excluded.iter().map(move |excluded| {
        let report = DeviceReport {
            device: Some(excluded.name.clone()),
            device_type,
            excluded: Some(excluded.reason.clone()),
            verdicts: Vec::new(),
        };
        (excluded.name.as_str(), report)
    })
}

/// The report about a resource whose discovery has not succeeded.
fn undiscovered<'a>(state: &Reconciler, shown: &'a ShownResource<'a>) -> Option<DeviceReport<'a>> {
    let reason = shown.pool.as_ref().err()?;
    let is_unknown = state.scan().devices_of(shown.device_type).is_none();
    is_unknown.then(|| DeviceReport {
        device: None,
        device_type: shown.device_type,
        excluded: None,
        verdicts: vec![(
            shown.name.to_string(),
            Verdict::Unknown((*reason).to_owned()),
        )],
    })
}

async fn verdict(state: &Reconciler, shown: &ShownResource<'_>, id: &str) -> Verdict {
    let resource = match &shown.pool {
        Ok(pool) => &pool.resource,
        Err(reason) => return Verdict::Unknown((*reason).to_owned()),
    };
    let selector_path = |n| shown.spec.selector_path(n).map(str::to_owned);
    let taker = state
        .pools()
        .into_iter()
        .find(|pool| pool.device(id).is_some());
    let member = taker.as_deref().and_then(|pool: &Pool| pool.device(id));
    if let (Some(taker), Some(member)) = (&taker, member)
        && taker.resource.name == resource.name
    {
        return Verdict::Takes {
            selector: member.selector.and_then(selector_path),
            retained_for_pod: member.fit != Fit::Matches,
            unhealthy: member.health.reason().map(str::to_owned),
        };
    }
    let mut refusals = Vec::new();
    for (n, selector) in resource.selectors.iter().enumerate() {
        match state.scan().mismatch(selector, id).await {
            Ok(Some(why)) => refusals.push(SelectorRefusal {
                selector: selector_path(n),
                path: why.key.as_deref().map(|key| shown.spec.key_path(n, key)),
                key: why.key,
                reason: why.reason,
            }),
            Err(error) => return Verdict::Unknown(inline(&error)),
            Ok(None) => return fits(state, taker, id),
        }
    }
    Verdict::Refuses(refusals)
}

fn fits(state: &Reconciler, taker: Option<Arc<Pool>>, id: &str) -> Verdict {
    match taker {
        Some(pool) => Verdict::ClaimedEarlier {
            resource: pool.resource.name.to_string(),
        },
        None => Verdict::Elsewhere {
            held_as: state.pod_devices().resources_of(id).first().cloned(),
        },
    }
}

fn print(output: &mut Output, report: &DeviceReport<'_>) {
    let device = report.device.as_deref().unwrap_or("devices unknown");
    output.line(format_args!("{device} ({})", report.device_type));
    if let Some(reason) = &report.excluded {
        output.line(format_args!("    not offered: {reason}"));
    } else if report.verdicts.is_empty() {
        let device_type = report.device_type;
        output.line(format_args!(
            "    no resource has the device type `{device_type}`"
        ));
    }
    for (resource, verdict) in &report.verdicts {
        for line in description(verdict) {
            output.line(format_args!("    {resource}: {line}"));
        }
    }
}

fn description(verdict: &Verdict) -> Vec<String> {
    vec![match verdict {
        Verdict::Takes {
            selector,
            retained_for_pod,
            unhealthy,
        } => {
            let by = selector.as_ref().map(|path| format!(", by `{path}`"));
            let held = if *retained_for_pod {
                "; in use by a pod; no selector matches it any more"
            } else {
                ""
            };
            let unhealthy = unhealthy.as_ref();
            let unhealthy = unhealthy.map(|reason| format!("; unhealthy: {reason}"));
            let (by, unhealthy) = (by.unwrap_or_default(), unhealthy.unwrap_or_default());
            format!("assigned{by}{held}{unhealthy}")
        }
        Verdict::ClaimedEarlier { resource } => {
            format!("matches, but already assigned to `{resource}` (earlier in the file)")
        }
        Verdict::Elsewhere {
            held_as: Some(name),
        } => format!("matches, but in use by a pod as `{name}`"),
        Verdict::Elsewhere { held_as: None } => "matches, but is in no pool".to_owned(),
        Verdict::Unknown(reason) => format!("unknown: {reason}"),
        Verdict::Refuses(refusals) => {
            let refusals = refusals.iter().map(|refusal| {
                let path = refusal.path.as_ref().or(refusal.selector.as_ref());
                let path = path.map(|path| format!("`{path}`: "));
                path.unwrap_or_default() + &refusal.reason
            });
            return refusals.collect();
        }
    }]
}

fn to_json(report: &DeviceReport<'_>) -> Value {
    let verdicts = report.verdicts.iter().map(|(resource, verdict)| match verdict {
        Verdict::Takes { selector, retained_for_pod, unhealthy } => {
            json!({"resource": resource, "takes": true, "selector": selector, "onlyHeld": retained_for_pod, "unhealthy": unhealthy})
        }
        Verdict::ClaimedEarlier { resource: earlier } => json!({"resource": resource, "takes": false, "takenBy": earlier}),
        Verdict::Elsewhere { held_as } => json!({"resource": resource, "takes": false, "heldAs": held_as}),
        Verdict::Unknown(reason) => json!({"resource": resource, "takes": null, "unknown": reason}),
        Verdict::Refuses(refusals) => {
            let refusals = refusals
                .iter()
                .map(|r| json!({"selector": r.selector, "key": r.key, "reason": r.reason}));
            json!({"resource": resource, "takes": false, "refusals": refusals.collect::<Vec<_>>()})
        }
    });
    json!({
        "device": report.device,
        "deviceType": report.device_type,
        "excluded": report.excluded,
        "resources": verdicts.collect::<Vec<_>>(),
    })
}
