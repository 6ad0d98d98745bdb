//! A provider lives as long as the plugin: what each discovery leaves behind adds up.

use std::fs;

use serde_json::json;

use crate::suite::{Case, Violation};

const DEVICES: usize = 256;
/// After these, caches and the allocator have what they need.
const FIRST: usize = 12;
/// What leaks grows in each batch; an allocator takes a larger piece now and then.
const BATCHES: usize = 3;
const ROUNDS: usize = 30;
/// In KiB: a pointer for each device and round.
const ALLOWED: usize = DEVICES * ROUNDS * 8 / 1024;

/// Repeated discoveries and allocations of one node need no more memory. For a process of its own.
///
/// # Errors
///
/// How much more.
pub(super) fn memory(case: &Case) -> Result<(), Violation> {
    let stage = case.crowded(DEVICES)?;
    for mut subject in case.subjects()? {
        subject.without_haste();
        let mut round = || {
            subject
                .discover_all(&stage)
                .map_err(|violation| violation.on(&stage))?;
            for id in subject.select(&json!({}))?.unwrap_or_default() {
                let _handed_out_or_refused = subject.allocate(&json!({}), &id)?;
            }
            Ok(())
        };
        (0..FIRST).try_for_each(|_| round())?;
        let mut least = usize::MAX;
        for _ in 0..BATCHES {
            let before = anonymous()?;
            (0..ROUNDS).try_for_each(|_| round())?;
            least = least.min(anonymous()?.saturating_sub(before));
        }
        if least > ALLOWED {
            return Err(Violation::new(format!(
                "each {ROUNDS} discoveries and allocations of the same {DEVICES} devices need {least} KiB more memory; keep \
                 what later calls need in `Memory`, which forgets what is gone"
            ))
            .on(&stage));
        }
    }
    Ok(())
}

/// The KiB of this process in memory, without pages of files (Linux: `RssAnon` of `proc_pid_status(5)`).
fn anonymous() -> Result<usize, Violation> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    value
        .and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok())
        .ok_or_else(|| Violation::new("`/proc/self/status` has no `RssAnon`"))
}
