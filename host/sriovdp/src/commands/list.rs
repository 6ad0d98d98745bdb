//! `sriovdp list`: the pools and their devices.

use serde_json::{Value, json};

use super::Output;
use super::resources::{ShownResource, resources};
use crate::cli::OutputFormat;
use sriovdp_agent::pools::PoolDevice;
use sriovdp_agent::reconcile::{Outcome, Reconciler};

pub(super) fn list(
    output: &mut Output,
    state: &Reconciler,
    outcome: &Outcome,
    format: OutputFormat,
) {
    let resources: Vec<ShownResource<'_>> = resources(state, outcome).collect();
    if resources.iter().any(|shown| shown.pool.is_err()) {
        output.fail();
    }
    match format {
        OutputFormat::Json => {
            let resources = resources.iter().map(to_json).collect();
            output.json(&Value::Array(resources));
        }
        OutputFormat::Text => resources.iter().for_each(|shown| print(output, shown)),
    }
}

fn print(output: &mut Output, shown: &ShownResource<'_>) {
    output.line(format_args!("{} ({})", shown.name, shown.device_type));
    match &shown.pool {
        Err(reason) => output.line(format_args!("    unknown: {reason}")),
        Ok(pool) if pool.devices.is_empty() => output.line(format_args!(
            "    no device; see `sriovdp explain --resource {}`",
            shown.name
        )),
        Ok(pool) => {
            for device in &pool.devices {
                output.line(format_args!(
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

/// Unknown devices are `null`, and the reason is in `unknown`.
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
