//! `sriovdp check`: the mistakes of the configuration, the number of devices of each pool, why a pool is empty, and why
//! devices are unhealthy.

use serde::Serialize;

mod migrate;

pub(super) use migrate::migrate;

use super::Output;
use super::output::{Columns, Document, Reported};
use super::resources::resources;
use crate::style;
use sriovdp_agent::pools::device_names;
use sriovdp_agent::reconcile::{Outcome, Reconciler};
use sriovdp_report::count;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    problems: Vec<Reported>,
    resources: Vec<Resource>,
    /// The devices that no pool has because a provider keeps them out of a resource that they match, or because another
    /// pool has the whole that they are parts of, or parts of them.
    kept_out: Vec<String>,
}

/// A valid resource. Its numbers are `null` where its devices are unknown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource: String,
    device_type: String,
    devices: Option<usize>,
    healthy: Option<usize>,
    unhealthy: Vec<Unhealthy>,
    /// Why it has no device.
    empty: Option<String>,
    /// Why its devices are unknown.
    unknown: Option<String>,
}

/// Devices that are unhealthy for the same reason.
#[derive(Serialize)]
struct Unhealthy {
    devices: Vec<String>,
    reason: String,
    /// The devices for people.
    #[serde(skip)]
    names: String,
}

/// Prints the reports so far, and the pools where the configuration is valid.
pub(super) async fn check(output: &mut Output, state: &Reconciler, outcome: &Outcome) {
    let mut check = Check {
        problems: output.take_reports(),
        resources: Vec::new(),
        kept_out: Vec::new(),
    };
    if outcome.config_error.is_none() && !state.providers().all().is_empty() {
        for shown in resources(state, outcome) {
            let mut resource = Resource {
                resource: shown.name.to_string(),
                device_type: shown.device_type.to_owned(),
                devices: None,
                healthy: None,
                unhealthy: Vec::new(),
                empty: None,
                unknown: None,
            };
            match shown.pool {
                Err(reason) => {
                    resource.unknown = Some(reason.to_owned());
                    output.fail();
                }
                Ok(pool) => {
                    resource.devices = Some(pool.devices.len());
                    resource.healthy = Some(pool.healthy());
                    if pool.devices.is_empty() {
                        resource.empty = Some(state.why_empty(&pool.resource, shown.spec).await);
                    }
                    let unhealthy = pool.unhealthy().into_iter();
                    let unhealthy = unhealthy.map(|(reason, devices)| Unhealthy {
                        names: device_names(&devices),
                        devices: devices.iter().map(|device| device.id.to_string()).collect(),
                        reason: reason.to_owned(),
                    });
                    resource.unhealthy = unhealthy.collect();
                }
            }
            check.resources.push(resource);
        }
        let kept_out = state.kept_out().into_iter().chain(state.divided());
        check.kept_out = kept_out.map(|kept_out| kept_out.to_string()).collect();
    }
    output.document(&check);
}

impl Document for Check {
    const KIND: &'static str = "Check";

    fn print(&self, output: &mut Output, _: Columns) {
        for problem in &self.problems {
            output.raw(&style::report(problem));
            output.raw("\n");
        }
        for resource in &self.resources {
            print(output, resource);
        }
        for kept_out in &self.kept_out {
            output.line(format_args!("{kept_out}"));
        }
    }
}

fn print(output: &mut Output, resource: &Resource) {
    let name = &resource.resource;
    if let Some(reason) = &resource.unknown {
        return output.line(format_args!("{name}: unknown: {reason}"));
    }
    let devices = count(resource.devices.unwrap_or_default(), "device");
    let healthy = resource.healthy.unwrap_or_default();
    output.line(format_args!("{name}: {devices}, {healthy} healthy"));
    if let Some(why) = &resource.empty {
        output.line(format_args!("    {why}"));
    }
    for Unhealthy { names, reason, .. } in &resource.unhealthy {
        output.line(format_args!("    unhealthy: {names}: {reason}"));
    }
}
