//! The same node gives the same answers.

use serde_json::{Value, json};

use crate::suite::stage::Stage;
use crate::suite::subject::{Subject, with_causes};
use crate::suite::{Case, Violation};

/// Two discoveries of one node are equal, also those of two processes, and so are two allocations, in any order.
///
/// # Errors
///
/// What differs.
pub(super) fn stable(case: &Case) -> Result<(), Violation> {
    for stage in &case.stages()? {
        for (mut subject, mut restarted) in case.subjects()?.into_iter().zip(case.subjects()?) {
            compare(&mut subject, &mut restarted, stage)
                .map_err(|violation| violation.on(stage))?;
        }
    }
    Ok(())
}

fn compare(subject: &mut Subject, restarted: &mut Subject, stage: &Stage) -> Result<(), Violation> {
    subject.discover_all(stage)?;
    let first = everything(subject, subject.ids())?;
    subject.discover_all(stage)?;
    differ(
        "a second discovery of the same node",
        &first,
        &everything(subject, subject.ids())?,
    )?;
    restarted.discover_all(stage)?;
    let backwards = restarted.ids().into_iter().rev();
    differ(
        "the provider after a restart, with the allocations in another order,",
        &first,
        &everything(restarted, backwards)?,
    )
}

/// What was found, and what containers get of it.
fn everything(
    subject: &Subject,
    ids: impl IntoIterator<Item = String>,
) -> Result<Value, Violation> {
    let mut allocated = serde_json::Map::new();
    for id in ids {
        let answer = match subject.allocate(&json!({}), &id)? {
            Ok(allocation) => serde_json::to_value(allocation).unwrap_or_default(),
            Err(error) => with_causes(&error).into(),
        };
        allocated.insert(id, answer);
    }
    Ok(json!({"discovery": subject.found, "allocations": allocated}))
}

fn differ(what: &str, first: &Value, second: &Value) -> Result<(), Violation> {
    if first == second {
        return Ok(());
    }
    Err(Violation::new(format!(
        "{what} has another answer: {second} after {first}"
    )))
}
