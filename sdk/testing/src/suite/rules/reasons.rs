//! Reasons are for users.

use serde_json::json;

use crate::suite::{Case, Violation, values};

/// Longer ones are cut in a log.
const LONGEST: usize = 1024;

/// Each reason, of a finding, of a mismatch, and of a device that is left out or kept out, is one line of text.
///
/// # Errors
///
/// What has no reason, or one that is none.
pub(super) fn reasons(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        for device in &subject.found.devices {
            for finding in &device.findings {
                judge(
                    &format!("the finding about `{}`", device.id),
                    &finding.reason,
                )?;
            }
        }
        for (device, reason) in &subject.found.excluded {
            judge(&format!("`{device}`, which is left out,"), reason)?;
        }
        for selectors in values::of(&subject.manifest.schema, stage) {
            let Ok(selected) = subject.selected(&selectors)? else {
                continue;
            };
            for (_, finding) in &selected.findings {
                judge(
                    &format!("a finding with the selectors {selectors}"),
                    &finding.reason,
                )?;
            }
            for (_, reason) in &selected.kept_out {
                judge(
                    &format!("a device that is kept out with the selectors {selectors}"),
                    reason,
                )?;
            }
        }
        let keys = subject.keys();
        let no_device_has = keys
            .keys()
            .map(|key| json!({ key.as_str(): ["no-such-device"] }));
        for selectors in no_device_has {
            if subject.refuses(&selectors)? {
                continue;
            }
            for id in subject.ids() {
                let explained = subject.explain(&selectors, &id)?;
                if let Some(reason) = explained.ok().and_then(|explained| explained.reason) {
                    judge(&format!("the mismatch of `{id}` with {selectors}"), &reason)?;
                }
            }
        }
        Ok(())
    })
}

fn judge(what: &str, reason: &str) -> Result<(), Violation> {
    let wrong = match reason {
        blank if blank.trim().is_empty() => "has no reason",
        lines if lines.contains('\n') => "has a reason of several lines",
        long if long.len() > LONGEST => "has a reason of more than 1,024 bytes",
        _ => return Ok(()),
    };
    Err(Violation::new(format!("{what} {wrong}")))
}
