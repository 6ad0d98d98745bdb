//! Selecting and explaining are one judgement.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::suite::subject::{Subject, with_causes};
use crate::suite::{Case, Violation, values};

/// For whatever selectors: `select` takes the devices for which `explain` has no reason, a reason names a key of the
/// provider unless it is the provider's own, and empty selectors match every other device.
///
/// # Errors
///
/// Where the two disagree.
pub(super) fn agreeing(case: &Case) -> Result<(), Violation> {
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        let mut accepted = Vec::new();
        for selectors in values::of(&subject.manifest.schema, stage) {
            judge_with(subject, &selectors)?;
            if !subject.refuses(&selectors)? {
                accepted.push(selectors);
            }
        }
        values::joined(&accepted)
            .iter()
            .try_for_each(|selectors| judge_with(subject, selectors))
    })
}

fn judge_with(subject: &Subject, selectors: &Value) -> Result<(), Violation> {
    judge(subject, selectors)
        .map_err(|violation| violation.on(format!("with the selectors {selectors}")))
}

fn judge(subject: &Subject, selectors: &Value) -> Result<(), Violation> {
    let checked = subject.check(selectors)?;
    let selected = match (subject.select(selectors)?, checked) {
        (Ok(selected), _) => selected,
        (Err(_), Err(_)) => return Ok(()),
        (Err(error), Ok(_)) => {
            return Err(Violation::new(format!(
                "`check` takes what `select` refuses: {}",
                with_causes(&error)
            )));
        }
    };
    let selected: BTreeSet<String> = selected.into_iter().collect();
    for id in subject.ids() {
        let explained = subject.explain(selectors, &id)?.map_err(|error| {
            Violation::new(format!(
                "`{id}` cannot be explained: {}",
                with_causes(&error)
            ))
        })?;
        match explained.key {
            None if selected.contains(&id) != explained.reason.is_some() => {}
            None if explained.reason.is_some() => {
                return Err(Violation::new(format!(
                    "`{id}` is selected, and `explain` has a reason against it"
                )));
            }
            None => {
                return Err(Violation::new(format!(
                    "`{id}` is not selected, and `explain` has no reason"
                )));
            }
            Some(key) if selected.contains(&id) => {
                return Err(Violation::new(format!(
                    "`{id}` is selected, and `explain` names `{key}`"
                )));
            }
            Some(key) if *selectors == json!({}) => {
                return Err(Violation::new(format!(
                    "`{id}` is refused because of `{key}`, without a value for it"
                )));
            }
            Some(key) if !subject.keys().contains_key(name_of(&key)) => {
                return Err(Violation::new(format!(
                    "`{id}` is refused because of `{key}`, which is no selector key of this provider"
                )));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The key itself, of `ports[1]` or `ports.first`.
fn name_of(place: &str) -> &str {
    place.split(['[', '.']).next().unwrap_or(place)
}
