//! A provider lives as long as the plugin: what each discovery leaves behind adds up.

use std::fs;

use serde_json::json;

use crate::suite::{Case, Violation};

const DEVICES: usize = 256;
/// After these, caches and the allocator have what they need.
const FIRST: usize = 12;
const MORE: usize = 60;
/// A pointer for each device and round.
const ALLOWED: usize = DEVICES * MORE * 8;

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
        let before = resident()?;
        (0..MORE).try_for_each(|_| round())?;
        let more = resident()?.saturating_sub(before);
        if more > ALLOWED {
            return Err(Violation::new(format!(
                "{MORE} more discoveries and allocations of the same {DEVICES} devices need {} KiB more memory; keep what \
                 later calls need in `Memory`, which forgets what is gone",
                more / 1024
            ))
            .on(&stage));
        }
    }
    Ok(())
}

/// The bytes of this process in memory (Linux: `proc_pid_statm(5)`).
fn resident() -> Result<usize, Violation> {
    const PAGE: usize = 4096;
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    let pages = pages.ok_or_else(|| Violation::new("`/proc/self/statm` cannot be read"))?;
    Ok(pages * PAGE)
}
