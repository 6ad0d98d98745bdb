//! The same node gives the same answers.

use serde_json::{Value, json};

use crate::suite::Violation;
use crate::suite::stage::Stage;
use crate::suite::subject::{Subject, with_causes};
use sriovdp_sdk::Provider;

/// Two discoveries of one node are equal, also those of two processes, and so are two allocations.
///
/// # Errors
///
/// What differs.
pub fn stable<P: Provider>(author: &str) -> Result<(), Violation> {
    for stage in &Stage::all(author)? {
        let restarted = Subject::<P>::each()?;
        for (mut subject, mut restarted) in Subject::<P>::each()?.into_iter().zip(restarted) {
            subject.discover_all(stage)?;
            let first = everything(&subject)?;
            subject.discover_all(stage)?;
            differ(
                "a second discovery of the same node",
                &first,
                &everything(&subject)?,
            )?;
            restarted.discover_all(stage)?;
            differ(
                "the provider after a restart",
                &first,
                &everything(&restarted)?,
            )?;
        }
    }
    Ok(())
}

/// What was found, and what containers get of it.
fn everything<P: Provider>(subject: &Subject<P>) -> Result<Value, Violation> {
    let mut allocated = serde_json::Map::new();
    for id in subject.ids() {
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
