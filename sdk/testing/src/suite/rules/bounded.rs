//! The limits of calls, in reads of the node rather than in time, which depends on the machine.

use serde_json::json;

use crate::suite::{Case, Violation};

/// As many as the largest nodes have.
const DEVICES: usize = 4096;
/// What a discovery may read for each function or auxiliary device of the node; the providers of this project need a
/// tenth of it.
const READS_EACH: usize = 32;
/// What a discovery may read besides, and an allocation as a whole.
const READS_ONCE: usize = 512;

/// A discovery of 4,096 devices reads so much for each of them and no more, selecting reads nothing, and an allocation
/// is about one device.
///
/// # Errors
///
/// The call that reads too much.
pub(super) fn bounded(case: &Case) -> Result<(), Violation> {
    let stage = case.crowded(DEVICES)?;
    for mut subject in case.subjects()? {
        subject.without_haste();
        let meter = subject.meter.clone();
        let limit = READS_ONCE + READS_EACH * stage.size();
        let (done, reads) = meter.watched(|| subject.discover_all(&stage));
        done?;
        keep("the discovery", reads.len(), limit).map_err(|violation| {
            violation
                .on(format!("{} devices are on the node", stage.size()))
                .on(&stage)
        })?;
        let (selected, reads) = meter.watched(|| subject.select(&json!({})));
        let selected = selected?.unwrap_or_default();
        keep(
            "`select`, which depends on its arguments only,",
            reads.len(),
            0,
        )?;
        for id in selected.iter().take(1).chain(selected.last()) {
            let (done, reads) = meter.watched(|| subject.allocate(&json!({}), id));
            let _handed_out_or_refused = done?;
            keep("the allocation of one device", reads.len(), READS_ONCE)?;
        }
    }
    Ok(())
}

fn keep(what: &str, reads: usize, limit: usize) -> Result<(), Violation> {
    if reads <= limit {
        return Ok(());
    }
    Err(Violation::new(format!(
        "{what} reads the node {reads} times, and at most {limit} times are allowed"
    )))
}
