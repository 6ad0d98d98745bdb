//! `sriovdp check`: how many devices each pool has, why one has none, and why devices are unhealthy.

use super::Output;
use super::resources::resources;
use sriovdp_agent::pools::device_names;
use sriovdp_agent::reconcile::{Outcome, Reconciler};
use sriovdp_report::count;

pub(super) async fn check(page: &mut Output, state: &Reconciler, look: &Outcome) {
    for shown in resources(state, look) {
        let name = shown.name;
        let pool = match shown.pool {
            Ok(pool) => pool,
            Err(reason) => {
                page.line(format_args!("{name}: not known: {reason}"));
                page.fail();
                continue;
            }
        };
        let devices = count(pool.devices.len(), "device");
        page.line(format_args!(
            "{name}: {devices}, {} healthy",
            pool.healthy()
        ));
        if pool.devices.is_empty() {
            let why = state.why_empty(&pool.resource, shown.spec).await;
            page.line(format_args!("    {why}"));
        }
        for (reason, devices) in pool.unhealthy() {
            let devices = device_names(&devices);
            page.line(format_args!("    unhealthy: {devices}: {reason}"));
        }
    }
    for kept_out in state.kept_out() {
        page.line(format_args!("{kept_out}"));
    }
}
