//! The name tag and the schema.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::suite::Violation;
use crate::suite::stage::Stage;
use crate::suite::subject::{Subject, with_causes};
use sriovdp_provider_abi::wire;
use sriovdp_sdk::Provider;

/// The manifest makes sense, is the same each time, and each key may be left out.
///
/// # Errors
///
/// What is wrong with it.
pub fn declared<P: Provider>(author: &str) -> Result<(), Violation> {
    let text = |manifest: &wire::Manifest| serde_json::to_value(manifest).unwrap_or_default();
    let again = Subject::<P>::each()?;
    for (mut subject, again) in Subject::<P>::each()?.into_iter().zip(again) {
        if text(&subject.manifest) != text(&again.manifest) {
            return Err(Violation::new("the manifest is another one each time"));
        }
        judge(&subject.manifest).map_err(Violation::new)?;
        for stage in &Stage::all(author)? {
            subject.discover_all(stage)?;
            if let Err(error) = subject.select(&json!({}))? {
                return Err(Violation::new(format!(
                    "selectors without any key cannot be read, so some field has no default: {}",
                    with_causes(&error)
                )));
            }
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
    let required = schema["required"].as_array().and_then(|keys| keys.first());
    match required {
        Some(key) => Err(format!(
            "the selector key {key} has to be there: write `#[serde(default)]` at the struct"
        )),
        None => Ok(keys),
    }
}
