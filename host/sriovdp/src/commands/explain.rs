//! `sriovdp explain`: for each device, which resource takes it, and why every other one does not.

use std::sync::Arc;

use serde_json::{Value, json};
use sriovdp_sdk::Error;

use super::resources::{ShownResource, resources};
use super::{Output, asked_device};
use crate::cli::OutputFormat;
use sriovdp_agent::pools::{DiscoveredDevices, Fit, Pool};
use sriovdp_agent::reconcile::{Outcome, Reconciler};
use sriovdp_report::inline;

/// What the command line asks about.
pub(super) struct DiscoveryPlan<'a> {
    pub(super) resource: Option<&'a str>,
    pub(super) device: Option<&'a str>,
}

/// What is known about one device.
struct DeviceReport<'a> {
    /// Nothing where the devices of the type are not known.
    device: Option<String>,
    device_type: &'a str,
    /// Why its provider does not offer it at all.
    excluded: Option<String>,
    verdicts: Vec<(String, Verdict)>,
}

/// What one resource makes of a device.
enum Verdict {
    Takes {
        selector: Option<String>,
        /// No selector admits it now, and it stays for its pod.
        retained_for_pod: bool,
        unhealthy: Option<String>,
    },
    /// It would, but an earlier one does.
    TooLate {
        taken_by: String,
    },
    /// It would, but a pod has the device by another name, or it is in no pool.
    Elsewhere {
        held_as: Option<String>,
    },
    /// Why each of its selectors does not.
    Refuses(Vec<SelectorRefusal>),
    Unknown(String),
}

struct SelectorRefusal {
    selector: Option<String>,
    key: Option<String>,
    /// The key as messages name it.
    path: Option<String>,
    reason: String,
}

pub(super) async fn explain(
    page: &mut Output,
    state: &Reconciler,
    look: &Outcome,
    asked: &DiscoveryPlan<'_>,
    output: OutputFormat,
) {
    let is_asked = |shown: &ShownResource<'_>| {
        let name = asked.resource;
        name.is_none_or(|name| shown.name.to_string() == name)
    };
    let shown: Vec<ShownResource<'_>> = resources(state, look).filter(is_asked).collect();
    if let (Some(name), true) = (asked.resource, shown.is_empty()) {
        return page.error(&Error::new(format!("no resource `{name}` is offered")).with_hint(
            "write it with its prefix, as `sriovdp list` prints it; `sriovdp check` tells what is refused",
        ));
    }
    let ids = asked
        .device
        .map(|text| asked_device::ids(state, look, text));
    let ids = match ids.transpose() {
        Ok(ids) => ids,
        Err(error) => return page.error(&error),
    };
    let is_wanted = |id: &str| {
        let ids = ids.as_ref();
        ids.is_none_or(|ids| ids.iter().any(|wanted| wanted == id))
    };
    let mut stories = Vec::new();
    for (device_type, found) in state.scan().device_types() {
        let asking = || {
            shown
                .iter()
                .filter(|shown| shown.device_type == device_type)
        };
        if asked.resource.is_some() && asking().next().is_none() {
            continue;
        }
        let devices = found.devices.iter().map(|device| device.id.as_str());
        for id in devices.filter(|id| is_wanted(id)) {
            let mut verdicts = Vec::new();
            for shown in asking() {
                let verdict = verdict(state, shown, id).await;
                verdicts.push((shown.name.to_string(), verdict));
            }
            stories.push(DeviceReport {
                device: Some(id.to_owned()),
                device_type,
                excluded: None,
                verdicts,
            });
        }
        let excluded = excluded(device_type, found);
        stories.extend(
            excluded
                .filter(|(id, _)| is_wanted(id))
                .map(|(_, story)| story),
        );
    }
    if ids.is_none() {
        stories.extend(shown.iter().filter_map(|shown| undiscovered(state, shown)));
    }
    let mut verdicts = stories.iter().flat_map(|story| &story.verdicts);
    if verdicts.any(|(_, verdict)| matches!(verdict, Verdict::Unknown(_))) {
        page.fail();
    }
    match output {
        OutputFormat::Json => page.line(format_args!(
            "{:#}",
            Value::Array(stories.iter().map(to_json).collect())
        )),
        OutputFormat::Text if stories.is_empty() => {
            page.line(format_args!(
                "the providers found no such device on this node"
            ));
        }
        OutputFormat::Text => stories.iter().for_each(|story| print(page, story)),
    }
}

fn excluded<'a>(
    device_type: &'a str,
    found: &'a DiscoveredDevices,
) -> impl Iterator<Item = (&'a str, DeviceReport<'a>)> {
    found.excluded.iter().map(move |excluded| {
        let story = DeviceReport {
            device: Some(excluded.name.clone()),
            device_type,
            excluded: Some(excluded.reason.clone()),
            verdicts: Vec::new(),
        };
        (excluded.name.as_str(), story)
    })
}

/// A resource of a device type of which nothing was found, because its provider did not answer.
fn undiscovered<'a>(state: &Reconciler, shown: &'a ShownResource<'a>) -> Option<DeviceReport<'a>> {
    let reason = shown.pool.as_ref().err()?;
    let is_unknown = state.scan().found(shown.device_type).is_none();
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
    let taker = state.pools().find(|pool| pool.device(id).is_some());
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
        Some(pool) => Verdict::TooLate {
            taken_by: pool.resource.name.to_string(),
        },
        None => Verdict::Elsewhere {
            held_as: state.held().resources_of(id).first().cloned(),
        },
    }
}

fn print(page: &mut Output, story: &DeviceReport<'_>) {
    let device = story.device.as_deref().unwrap_or("no device is known");
    page.line(format_args!("{device} ({})", story.device_type));
    if let Some(reason) = &story.excluded {
        page.line(format_args!("    not offered: {reason}"));
    } else if story.verdicts.is_empty() {
        let device_type = story.device_type;
        page.line(format_args!(
            "    no resource asks for the device type `{device_type}`"
        ));
    }
    for (resource, verdict) in &story.verdicts {
        for words in words(verdict) {
            page.line(format_args!("    {resource}: {words}"));
        }
    }
}

fn words(verdict: &Verdict) -> Vec<String> {
    vec![match verdict {
        Verdict::Takes {
            selector,
            retained_for_pod,
            unhealthy,
        } => {
            let by = selector.as_ref().map(|path| format!(", by `{path}`"));
            let held = if *retained_for_pod {
                "; a pod has it, and nothing would select it as it is now"
            } else {
                ""
            };
            let unhealthy = unhealthy.as_ref();
            let unhealthy = unhealthy.map(|reason| format!("; unhealthy: {reason}"));
            let (by, unhealthy) = (by.unwrap_or_default(), unhealthy.unwrap_or_default());
            format!("takes it{by}{held}{unhealthy}")
        }
        Verdict::TooLate { taken_by } => format!("it fits, and `{taken_by}` comes first"),
        Verdict::Elsewhere {
            held_as: Some(name),
        } => format!("it fits, and a pod has it as `{name}`"),
        Verdict::Elsewhere { held_as: None } => "it fits, and is in no pool".to_owned(),
        Verdict::Unknown(reason) => format!("not known: {reason}"),
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

fn to_json(story: &DeviceReport<'_>) -> Value {
    let verdicts = story.verdicts.iter().map(|(resource, verdict)| match verdict {
        Verdict::Takes { selector, retained_for_pod, unhealthy } => {
            json!({"resource": resource, "takes": true, "selector": selector, "onlyHeld": retained_for_pod, "unhealthy": unhealthy})
        }
        Verdict::TooLate { taken_by } => json!({"resource": resource, "takes": false, "takenBy": taken_by}),
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
        "device": story.device,
        "deviceType": story.device_type,
        "excluded": story.excluded,
        "resources": verdicts.collect::<Vec<_>>(),
    })
}
