//! A selector key that changes nothing was forgotten.

use serde_json::{Value, json};

use crate::suite::subject::{Subject, with_causes};
use crate::suite::{Case, Violation, values};

/// For each key there is a value that changes what is selected, found unhealthy, warned of or allocated.
///
/// # Errors
///
/// The key without an effect.
pub(super) fn effective(case: &Case) -> Result<(), Violation> {
    let mut without = Vec::new();
    for subject in case.subjects()? {
        let keys = subject.keys();
        let keys = keys.keys().filter(|key| !case.may_be_without_effect(key));
        without.push((subject.device_type, Vec::from_iter(keys.cloned())));
    }
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        let before = answers(subject, &json!({}))?;
        for (device_type, keys) in &mut without {
            if *device_type != subject.device_type {
                continue;
            }
            let objects = values::of(&subject.manifest.schema, stage);
            let mut objects = objects
                .iter()
                .filter(|object| keys.iter().any(|key| object.get(key).is_some()));
            let mut effective = Vec::new();
            objects.try_for_each(|object| {
                let key = object.as_object().and_then(|object| object.keys().next());
                if key.is_some_and(|key| effective.contains(key)) {
                    return Ok(());
                }
                let is_refused = subject.selected(object)?.is_err() || subject.refuses(object)?;
                if !is_refused && answers(subject, object)? != before {
                    effective.extend(key.cloned());
                }
                Ok(())
            })?;
            keys.retain(|key| !effective.contains(key));
        }
        Ok(())
    })?;
    match without.iter().find_map(|(_, keys)| keys.first()) {
        None => Ok(()),
        Some(key) => Err(Violation::new(format!(
            "the selector key `{key}` changes nothing, whatever its value: compare it in `matches`; when it needs something \
             that the nodes lack, add that to the node of `conformance!`; when it is meant so, write \
             `conformance!(Provider, NODE, without_effect = [\"{key}\"])`"
        ))),
    }
}

/// Everything that selectors lead to.
fn answers(subject: &Subject, selectors: &Value) -> Result<Value, Violation> {
    let selected = match subject.selected(selectors)? {
        Ok(selected) => selected,
        Err(error) => return Ok(with_causes(&error).into()),
    };
    let mut allocated = Vec::new();
    for &position in &selected.admitted {
        let id = subject.found.devices[position as usize].id.as_str();
        allocated.push(match subject.allocate(selectors, id)? {
            Ok(allocation) => json!(allocation),
            Err(error) => with_causes(&error).into(),
        });
    }
    let refused = subject
        .check(selectors)?
        .err()
        .map(|error| with_causes(&error));
    Ok(json!({"refused": refused, "selected": selected, "allocated": allocated}))
}
