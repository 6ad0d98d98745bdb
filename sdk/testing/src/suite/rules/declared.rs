//! The name tag and the schema.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::suite::subject::{Subject, with_causes};
use crate::suite::{Case, Violation};
use sriovdp_provider_abi::wire;

/// The manifest makes sense, is the same each time, and each key may be left out.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn declared(case: &Case) -> Result<(), Violation> {
    let text = |manifest: &wire::Manifest| serde_json::to_value(manifest).unwrap_or_default();
    for (subject, again) in case.subjects()?.into_iter().zip(case.subjects()?) {
        if text(&subject.manifest) != text(&again.manifest) {
            return Err(Violation::new("the manifest is another one each time"));
        }
        judge(&subject.manifest).map_err(Violation::new)?;
    }
    case.on_each_node(|subject, stage| {
        subject.discover_all(stage)?;
        let without = match subject.select(&json!({}))? {
            Ok(ids) => ids,
            Err(error) => {
                return Err(Violation::new(format!(
                    "selectors without any key cannot be read, so some field has no default: {}",
                    with_causes(&error)
                )));
            }
        };
        empty_values_count_nothing(subject, &without)
    })
}

/// A key that is left out, and one whose value constrains nothing, are the same.
fn empty_values_count_nothing(subject: &Subject, without: &[String]) -> Result<(), Violation> {
    for (key, schema) in subject.keys() {
        let empty = match schema["type"].as_str() {
            Some("array") => json!([]),
            Some("boolean") => json!(false),
            _ => continue,
        };
        let selectors = json!({ key.as_str(): empty });
        if subject.refuses(&selectors)? {
            continue;
        }
        let selected = subject.select(&selectors)?;
        if !selected.is_ok_and(|ids| ids == without) {
            return Err(Violation::new(format!(
                "the selectors {selectors} and selectors without `{key}` do not match the same devices; the default of \
                 a key constrains nothing"
            )));
        }
    }
    Ok(())
}

fn judge(manifest: &wire::Manifest) -> Result<(), String> {
    let summary = manifest.summary.trim();
    if summary.is_empty() || summary.contains('\n') {
        return Err("the summary of the manifest is not one line of text".to_owned());
    }
    for name in manifest.device_type.iter().chain(&manifest.extends) {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_graphic()) {
            return Err(format!(
                "the device type `{}` is no word",
                name.escape_debug()
            ));
        }
    }
    if let Some(class) = &manifest.cdi_class {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let starts = class.starts_with(|c: char| c.is_ascii_alphabetic());
        let ends = class.ends_with(|c: char| c.is_ascii_alphanumeric());
        if !(starts && ends && class.chars().all(fits)) {
            return Err(format!("the CDI class `{}` is none", class.escape_debug()));
        }
    }
    let keys = keys(&manifest.schema)?;
    let is_own = |key: &str| keys.contains(&key.to_ascii_lowercase());
    if let Some((key, _)) = manifest.exclusive_keys.iter().find(|(key, _)| !is_own(key)) {
        return Err(format!(
            "the manifest excludes the key `{key}`, which is not its own"
        ));
    }
    if let Some(key) = manifest.brought_by_others.keys().find(|key| is_own(key)) {
        return Err(format!(
            "the manifest names another file for its own key `{key}`"
        ));
    }
    Ok(())
}

/// The keys in lower case, because their case does not count.
fn keys(schema: &Value) -> Result<BTreeSet<String>, String> {
    if schema["type"] != "object" {
        return Err("the selectors are not a struct: their schema is not of an object".to_owned());
    }
    let mut keys = BTreeSet::new();
    for key in schema["properties"]
        .as_object()
        .into_iter()
        .flat_map(|map| map.keys())
    {
        if !key.starts_with(|c: char| c.is_ascii_alphabetic())
            || !key.chars().all(|c| c.is_ascii_graphic())
        {
            return Err(format!(
                "the selector key `{}` is no word",
                key.escape_debug()
            ));
        }
        if !keys.insert(key.to_ascii_lowercase()) {
            return Err(format!(
                "the selector key `{key}` is there twice; case does not count"
            ));
        }
    }
    for (key, of_key) in schema["properties"].as_object().into_iter().flatten() {
        let default = of_key.get("default").unwrap_or(&Value::Null);
        let constrains = match default {
            Value::Null | Value::Bool(false) => false,
            Value::Array(items) => !items.is_empty(),
            Value::Object(_) => false,
            Value::String(text) => !text.is_empty(),
            Value::Bool(true) | Value::Number(_) => false,
        };
        if constrains {
            return Err(format!(
                "the selector key `{key}` has the default {default}; the default of a key constrains nothing"
            ));
        }
    }
    let required = schema["required"].as_array().and_then(|keys| keys.first());
    match required {
        Some(key) => Err(format!(
            "the selector key {key} has to be there: write `#[serde(default)]` at the struct"
        )),
        None => Ok(keys),
    }
}
