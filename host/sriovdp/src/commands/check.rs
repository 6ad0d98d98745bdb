//! `sriovdp check`: the number of devices of each pool, why a pool is empty, and why devices are unhealthy.

mod migrate;

pub(super) use migrate::migrate;

use super::Output;
use super::resources::resources;
use sriovdp_agent::pools::device_names;
use sriovdp_agent::reconcile::{Outcome, Reconciler};
use sriovdp_report::count;

pub(super) async fn check(output: &mut Output, state: &Reconciler, outcome: &Outcome) {
    for shown in resources(state, outcome) {
        let name = shown.name;
        let pool = match shown.pool {
            Ok(pool) => pool,
            Err(reason) => {
                output.line(format_args!("{name}: unknown: {reason}"));
                output.fail();
                continue;
            }
        };
        let devices = count(pool.devices.len(), "device");
        output.line(format_args!(
            "{name}: {devices}, {} healthy",
            pool.healthy()
        ));
        if pool.devices.is_empty() {
            let why = state.why_empty(&pool.resource, shown.spec).await;
            output.line(format_args!("    {why}"));
        }
        for (reason, devices) in pool.unhealthy() {
            let devices = device_names(&devices);
            output.line(format_args!("    unhealthy: {devices}: {reason}"));
        }
    }
    for kept_out in state.kept_out() {
        output.line(format_args!("{kept_out}"));
    }
}
