//! `sriovdp list`: the pools and their devices.

use serde_json::{Value, json};

use super::Output;
use super::resources::{ShownResource, resources};
use crate::cli::OutputFormat;
use sriovdp_agent::pools::PoolDevice;
use sriovdp_agent::reconcile::{Outcome, Reconciler};

pub(super) fn list(page: &mut Output, state: &Reconciler, look: &Outcome, output: OutputFormat) {
    let resources: Vec<ShownResource<'_>> = resources(state, look).collect();
    if resources.iter().any(|shown| shown.pool.is_err()) {
        page.fail();
    }
    match output {
        OutputFormat::Json => {
            let resources = resources.iter().map(to_json).collect();
            page.line(format_args!("{:#}", Value::Array(resources)));
        }
        OutputFormat::Text => resources.iter().for_each(|shown| print(page, shown)),
    }
}

fn print(page: &mut Output, shown: &ShownResource<'_>) {
    page.line(format_args!("{} ({})", shown.name, shown.device_type));
    match &shown.pool {
        Err(reason) => page.line(format_args!("    not known: {reason}")),
        Ok(pool) if pool.devices.is_empty() => page.line(format_args!(
            "    no device; see `sriovdp explain --resource {}`",
            shown.name
        )),
        Ok(pool) => {
            for device in &pool.devices {
                page.line(format_args!(
                    "    {}{}{}",
                    device.id,
                    numa(device),
                    unhealthy(device)
                ));
            }
        }
    }
}

fn numa(device: &PoolDevice) -> String {
    device
        .numa_node
        .map(|node| format!(" numa {node}"))
        .unwrap_or_default()
}

fn unhealthy(device: &PoolDevice) -> String {
    device
        .health
        .reason()
        .map(|reason| format!(" unhealthy: {reason}"))
        .unwrap_or_default()
}

/// Devices that are not known are `null`, and the reason is in `unknown`.
fn to_json(shown: &ShownResource<'_>) -> Value {
    let device = |device: &PoolDevice| {
        json!({
            "id": device.id.as_str(),
            "function": device.function.to_string(),
            "numaNode": device.numa_node,
            "unhealthy": device.health.reason(),
        })
    };
    let pool = shown.pool.as_ref();
    let devices = pool.map(|pool| pool.devices.iter().map(device).collect::<Vec<_>>());
    json!({
        "resource": shown.name.to_string(),
        "deviceType": shown.device_type,
        "devices": devices.ok(),
        "unknown": pool.err(),
    })
}
