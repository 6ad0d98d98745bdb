//! `sriovdp explain`: for each device, which resource takes it, and why every other one does not.

use std::sync::Arc;

use serde_json::{Value, json};
use sriovdp_sdk::PciAddress;

use super::Page;
use crate::cli::{Exit, OutputFormat};
use crate::pools::{Fit, FoundDevices, Pool, Resource, WhyNot};
use crate::reconcile::Reconciler;
use crate::report::one_line;

/// What is told about one device.
struct Story {
    device: String,
    device_type: String,
    /// Why its provider does not offer it at all.
    excluded: Option<String>,
    verdicts: Vec<(String, Verdict)>,
}

/// What one resource makes of a device.
enum Verdict {
    Takes {
        selector: Option<usize>,
        /// No selector admits it now, and it stays for its pod.
        only_held: bool,
        unhealthy: Option<String>,
    },
    /// It would, but an earlier one does.
    TooLate {
        taken_by: String,
    },
    /// Why each of its selectors does not.
    Refuses(Vec<WhyNot>),
    Unknown(String),
}

pub(super) async fn explain(
    page: &mut Page,
    state: &Reconciler,
    resource: Option<&str>,
    device: Option<&str>,
    output: OutputFormat,
) -> Exit {
    let pools: Vec<Arc<Pool>> = state.pools().collect();
    if let Some(name) = resource.filter(|name| {
        !state
            .resources()
            .iter()
            .any(|r| r.name.to_string() == **name)
    }) {
        eprintln!(
            "error: no resource `{name}` is offered\n\
             hint: write it with its prefix, as `sriovdp list` prints it; `sriovdp check` tells what is refused"
        );
        return Exit::Failure;
    }
    // An address may be written as in the configuration.
    let device = device.map(|device| match device.parse::<PciAddress>() {
        Ok(address) => address.to_string(),
        Err(_) => device.to_owned(),
    });
    let wanted = |id: &str| {
        let device = device.as_deref();
        device.is_none_or(|device| device.eq_ignore_ascii_case(id))
    };
    let mut stories = Vec::new();
    for (device_type, found) in state.scan().device_types() {
        for found in found
            .devices
            .iter()
            .filter(|found| wanted(found.id.as_str()))
        {
            let mut verdicts = Vec::new();
            for candidate in state
                .resources()
                .iter()
                .filter(|r| r.device_type == device_type)
            {
                let name = candidate.name.to_string();
                if resource.is_none_or(|resource| resource == name) {
                    verdicts.push((
                        name,
                        verdict(state, &pools, candidate, found.id.as_str()).await,
                    ));
                }
            }
            stories.push(Story {
                device: found.id.to_string(),
                device_type: device_type.to_owned(),
                excluded: None,
                verdicts,
            });
        }
        stories.extend(excluded(device_type, found).filter(|story| wanted(&story.device)));
    }
    if let (true, Some(device)) = (stories.is_empty(), &device) {
        eprintln!(
            "error: no provider knows a device `{device}` on this node\n\
             hint: `sriovdp explain` without `--device` tells of every device"
        );
        return Exit::Failure;
    }
    match output {
        OutputFormat::Json => page.line(format_args!(
            "{:#}",
            Value::Array(stories.iter().map(to_json).collect())
        )),
        OutputFormat::Text => stories.iter().for_each(|story| print(page, story)),
    }
    Exit::Success
}

fn excluded<'a>(device_type: &'a str, found: &'a FoundDevices) -> impl Iterator<Item = Story> + 'a {
    found.excluded.iter().map(move |(device, reason)| Story {
        device: device.clone(),
        device_type: device_type.to_owned(),
        excluded: Some(reason.clone()),
        verdicts: Vec::new(),
    })
}

async fn verdict(
    state: &Reconciler,
    pools: &[Arc<Pool>],
    resource: &Resource,
    id: &str,
) -> Verdict {
    let taker = pools.iter().find_map(|pool| Some((pool, pool.device(id)?)));
    if let Some((pool, member)) = taker
        && pool.resource.name == resource.name
    {
        return Verdict::Takes {
            selector: member.selector,
            only_held: member.fit != Fit::Admitted,
            unhealthy: member.health.reason().map(str::to_owned),
        };
    }
    let mut refusals = Vec::new();
    for selector in &resource.selectors {
        match state.scan().why_not(selector, id).await {
            Ok(Some(refusal)) => refusals.push(refusal),
            Err(error) => return Verdict::Unknown(one_line(&error)),
            Ok(None) => {
                let taken_by = taker.map(|(pool, _)| pool.resource.name.to_string());
                return Verdict::TooLate {
                    taken_by: taken_by.unwrap_or_else(|| "nobody".to_owned()),
                };
            }
        }
    }
    Verdict::Refuses(refusals)
}

fn print(page: &mut Page, story: &Story) {
    page.line(format_args!("{} ({})", story.device, story.device_type));
    if let Some(reason) = &story.excluded {
        page.line(format_args!("    not offered: {reason}"));
    }
    for (resource, verdict) in &story.verdicts {
        match verdict {
            Verdict::Takes {
                selector,
                only_held,
                unhealthy,
            } => {
                let held = if *only_held {
                    "; a pod has it, and nothing would select it as it is now"
                } else {
                    ""
                };
                let selector = selector.map(|n| format!(", by selector {n}"));
                let unhealthy = unhealthy.as_ref();
                let unhealthy = unhealthy.map(|reason| format!("; unhealthy: {reason}"));
                page.line(format_args!(
                    "    {resource}: takes it{}{held}{}",
                    selector.unwrap_or_default(),
                    unhealthy.unwrap_or_default()
                ));
            }
            Verdict::TooLate { taken_by } => page.line(format_args!(
                "    {resource}: it fits, and `{taken_by}` comes first"
            )),
            Verdict::Unknown(error) => {
                page.line(format_args!("    {resource}: cannot say: {error}"))
            }
            Verdict::Refuses(refusals) => {
                for refusal in refusals {
                    page.line(format_args!("    {resource}: {refusal}"));
                }
            }
        }
    }
}

fn to_json(story: &Story) -> Value {
    let verdicts = story.verdicts.iter().map(|(resource, verdict)| match verdict {
        Verdict::Takes { selector, only_held, unhealthy } => {
            json!({"resource": resource, "takes": true, "selector": selector, "onlyHeld": only_held, "unhealthy": unhealthy})
        }
        Verdict::TooLate { taken_by } => json!({"resource": resource, "takes": false, "takenBy": taken_by}),
        Verdict::Unknown(error) => json!({"resource": resource, "takes": false, "error": error}),
        Verdict::Refuses(refusals) => {
            let refusals = refusals.iter().map(|r| json!({"key": r.key, "reason": r.reason}));
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
