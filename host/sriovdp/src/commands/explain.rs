//! `sriovdp explain`: for each device, the resource that has it, and why every other one does not match.

use std::collections::BTreeMap;
mod text;

pub(super) use text::lines;

use std::sync::Arc;

use serde::Serialize;
use sriovdp_sdk::{Attribute, Error};

use super::resources::{ShownResource, resources};
use super::{Output, device_attributes, named_device};
use sriovdp_agent::pools::{DiscoveredDevices, Fit, Pool};
use sriovdp_agent::reconcile::{Outcome, Reconciler};
use sriovdp_report::inline;

/// The arguments of the command.
pub(super) struct Query<'a> {
    pub(super) resource: Option<&'a str>,
    pub(super) device: Option<&'a str>,
}

/// What is known about devices.
#[derive(Serialize)]
struct Explanation<'a> {
    items: Vec<DeviceReport<'a>>,
    /// What the items are, for people.
    #[serde(skip)]
    what: &'static str,
}

/// The report about one device.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceReport<'a> {
    /// Nothing when the devices of the type are unknown.
    pub(super) device: Option<String>,
    device_type: &'a str,
    /// Why its provider excludes it.
    excluded: Option<String>,
    /// Those of its provider, and where it is.
    attributes: BTreeMap<String, Attribute>,
    resources: Vec<Verdict>,
}

/// The result for a device and a resource. Every result has every key.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    resource: String,
    result: MatchResult,
    /// The selector that the device matches, if it is assigned and that is known.
    selector: Option<String>,
    /// It is assigned, and no selector matches it now: it stays for its pod.
    retained_for_pod: bool,
    /// Why new pods do not get it, if it is assigned.
    unhealthy: Option<String>,
    /// The earlier resource that has it.
    assigned_to: Option<String>,
    /// The resource name under which a pod has it.
    in_use_as: Option<String>,
    /// Which pool has the whole that it is a part of, or a part of it.
    divided: Option<String>,
    /// The mismatch of each selector object.
    mismatches: Vec<SelectorMismatch>,
    /// Why the result is unknown.
    unknown: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum MatchResult {
    /// The resource has it.
    Assigned,
    /// It matches, but an earlier resource has it.
    AssignedEarlier,
    /// It matches, but a pod has it under another resource name.
    InUse,
    /// It matches, but is in no pool.
    Unassigned,
    /// No selector matches it.
    Mismatch,
    #[default]
    Unknown,
}

#[derive(Serialize)]
struct SelectorMismatch {
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
    let reports = reports(state, &shown, query, ids.as_deref()).await;
    let mut verdicts = reports.iter().flat_map(|report| &report.resources);
    if verdicts.any(|verdict| verdict.result == MatchResult::Unknown) {
        output.fail();
    }
    let what = match query.resource {
        Some(_) => "device of its type",
        None => "device",
    };
    output.document(&Explanation {
        items: reports,
        what,
    });
}

/// The reports about the devices `ids`, or all of them.
pub(super) async fn reports<'a>(
    state: &'a Reconciler,
    shown: &'a [ShownResource<'a>],
    query: &Query<'_>,
    ids: Option<&[String]>,
) -> Vec<DeviceReport<'a>> {
    let is_wanted = |id: &str| ids.is_none_or(|ids| ids.iter().any(|wanted| wanted == id));
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
        let devices = found.devices.iter();
        for device in devices.filter(|device| is_wanted(device.id.as_str())) {
            let id = device.id.as_str();
            let mut resources = Vec::new();
            for shown in of_type() {
                resources.push(verdict(state, shown, id).await);
            }
            reports.push(DeviceReport {
                device: Some(id.to_owned()),
                device_type,
                excluded: None,
                attributes: device_attributes::of(state, device.into()),
                resources,
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
    reports
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
            attributes: BTreeMap::new(),
            resources: Vec::new(),
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
        attributes: BTreeMap::new(),
        resources: vec![unknown(shown.name.to_string(), reason)],
    })
}

fn unknown(resource: String, reason: &str) -> Verdict {
    Verdict {
        resource,
        unknown: Some(reason.to_owned()),
        ..Verdict::default()
    }
}

async fn verdict(state: &Reconciler, shown: &ShownResource<'_>, id: &str) -> Verdict {
    let name = shown.name.to_string();
    let resource = match &shown.pool {
        Ok(pool) => &pool.resource,
        Err(reason) => return unknown(name, reason),
    };
    let selector_path = |n| shown.spec.selector_path(n).map(str::to_owned);
    let owner = state
        .pools()
        .into_iter()
        .find(|pool| pool.device(id).is_some());
    let member = owner.as_deref().and_then(|pool: &Pool| pool.device(id));
    if let (Some(owner), Some(member)) = (&owner, member)
        && owner.resource.name == resource.name
    {
        return Verdict {
            resource: name,
            result: MatchResult::Assigned,
            selector: member.selector.and_then(selector_path),
            retained_for_pod: member.fit != Fit::Matches,
            unhealthy: member.health.reason().map(str::to_owned),
            ..Verdict::default()
        };
    }
    let mut mismatches = Vec::new();
    for (n, selector) in resource.selectors.iter().enumerate() {
        match state.scan().mismatch(selector, id).await {
            Ok(Some(why)) => mismatches.push(SelectorMismatch {
                selector: selector_path(n),
                path: why.key.as_deref().map(|key| shown.spec.key_path(n, key)),
                key: why.key,
                reason: why.reason,
            }),
            Err(error) => return unknown(name, &inline(&error)),
            Ok(None) => return matches(state, name, owner, id),
        }
    }
    Verdict {
        resource: name,
        result: MatchResult::Mismatch,
        mismatches,
        ..Verdict::default()
    }
}

fn matches(state: &Reconciler, resource: String, owner: Option<Arc<Pool>>, id: &str) -> Verdict {
    let assigned_to = owner.map(|pool| pool.resource.name.to_string());
    let in_use_as = match assigned_to {
        Some(_) => None,
        None => state.pod_devices().resources_of(id).first().cloned(),
    };
    let divided = state.divided().into_iter().find(|divided| {
        divided.device.as_str() == id && divided.resource.name.to_string() == resource
    });
    Verdict {
        resource,
        divided: divided.map(|divided| divided.reason.into_owned()),
        result: match (&assigned_to, &in_use_as) {
            (Some(_), _) => MatchResult::AssignedEarlier,
            (None, Some(_)) => MatchResult::InUse,
            (None, None) => MatchResult::Unassigned,
        },
        assigned_to,
        in_use_as,
        ..Verdict::default()
    }
}
