//! `sriovdp list`: the pools and their devices.

use serde_json::{Value, json};

use super::Page;
use crate::cli::{Exit, OutputFormat};
use crate::pools::{Pool, PoolDevice};
use crate::reconcile::Reconciler;

pub(super) fn list(page: &mut Page, state: &Reconciler, output: OutputFormat) -> Exit {
    match output {
        OutputFormat::Json => {
            let pools: Vec<Value> = state.pools().map(|pool| to_json(&pool)).collect();
            page.line(format_args!("{:#}", Value::Array(pools)));
        }
        OutputFormat::Text => {
            for pool in state.pools() {
                page.line(format_args!(
                    "{} ({})",
                    pool.resource.name, pool.resource.device_type
                ));
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
    Exit::Success
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

fn to_json(pool: &Pool) -> Value {
    let devices = pool.devices.iter().map(|device| {
        json!({
            "id": device.id.as_str(),
            "function": device.function.to_string(),
            "numaNode": device.numa_node,
            "unhealthy": device.health.reason(),
        })
    });
    json!({
        "resource": pool.resource.name.to_string(),
        "deviceType": pool.resource.device_type,
        "devices": devices.collect::<Vec<_>>(),
    })
}
