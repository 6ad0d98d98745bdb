//! Validation of a provider's manifest.

use serde_json::Value;
use sriovdp_provider_abi::wire::Manifest;

use super::ProviderError;

/// A valid manifest.
#[derive(Debug)]
pub(super) struct ValidManifest {
    pub(super) wire: Manifest,
    /// The selector keys, as the provider spells them.
    pub(super) keys: Vec<String>,
}

impl ValidManifest {
    /// # Errors
    ///
    /// The reason to refuse the provider.
    pub(super) fn new(wire: Manifest) -> Result<Self, ProviderError> {
        if let Some(needed) = &wire.needs_host {
            require_host(needed, sriovdp_sdk::VERSION)?;
        }
        let keys = selector_keys(&wire).map_err(ProviderError::Manifest)?;
        Ok(Self { wire, keys })
    }
}

/// Checks that `host` is new enough. Major versions are compared by means of the note.
fn require_host(needed: &str, host: &'static str) -> Result<(), ProviderError> {
    let number = |version: &str| {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        let major = parts.next()??;
        let minor = parts.next().unwrap_or(Some(0))?;
        Some((major, minor))
    };
    match number(needed) {
        None => Err(ProviderError::Manifest(format!(
            "it requires a host of SDK `{}`, which is not a version",
            needed.escape_debug()
        ))),
        Some(least) if number(host) < Some(least) => Err(ProviderError::NeedsHost {
            needed: needed.to_owned(),
            host,
        }),
        Some(_) => Ok(()),
    }
}

fn selector_keys(manifest: &Manifest) -> Result<Vec<String>, String> {
    let names = || manifest.device_type.iter().chain(&manifest.extends);
    if names().next().is_none() {
        return Err("it has neither `device_type` nor `extends`".to_owned());
    }
    let is_valid = |name: &&String| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic());
    if let Some(name) = names().find(|name| !is_valid(name)) {
        return Err(format!(
            "the device type `{}` is empty or has blanks or characters other than ASCII",
            name.escape_debug()
        ));
    }
    let invalid =
        |what: &str| format!("the selector schema must be a JSON schema of an object: {what}");
    let Value::Object(schema) = &manifest.schema else {
        return Err(invalid("it is not an object"));
    };
    if schema.get("type").is_some_and(|kind| kind != "object") {
        return Err(invalid("its `type` is not `object`"));
    }
    let keys: Vec<String> = match schema.get("properties") {
        None => Vec::new(),
        Some(Value::Object(properties)) => {
            let is_schema = |value: &Value| value.is_object() || value.is_boolean();
            if let Some((key, _)) = properties.iter().find(|(_, value)| !is_schema(value)) {
                return Err(invalid(&format!("its property `{key}` has no schema")));
            }
            properties.keys().cloned().collect()
        }
        Some(_) => return Err(invalid("its `properties` are not an object")),
    };
    for (n, key) in keys.iter().enumerate() {
        if keys[..n]
            .iter()
            .any(|other| other.eq_ignore_ascii_case(key))
        {
            return Err(format!(
                "it has the selector key `{key}` twice, regardless of case"
            ));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keys_of(device_type: &str, schema: &Value) -> Result<Vec<String>, String> {
        let manifest = json!({
            "package": "p", "version": "1", "sdk": "1.0.0", "summary": "s",
            "device_type": device_type, "schema": schema,
        });
        selector_keys(&serde_json::from_value(manifest).unwrap())
    }

    #[test]
    fn a_host_that_is_too_old_is_refused() {
        for enough in ["1", "1.3", "1.2.9", "0.9"] {
            require_host(enough, "1.3.1").unwrap();
        }
        let refused = require_host("1.10", "1.3.1").unwrap_err().to_string();
        assert_eq!(
            refused,
            "it requires a host of SDK 1.10 or newer; this host has SDK 1.3.1"
        );
        let refused = require_host("new", "1.3.1").unwrap_err().to_string();
        assert!(
            refused.contains("`new`, which is not a version"),
            "{refused}"
        );
    }

    #[test]
    fn an_invalid_manifest_is_refused() {
        let good = json!({"type": "object", "properties": {"a": {}, "b": true}});
        assert_eq!(keys_of("t", &good).unwrap(), ["a", "b"]);
        assert_eq!(keys_of("t", &json!({})).unwrap(), [""; 0]);
        for (schema, expected) in [
            (json!(7), "it is not an object"),
            (json!({"type": "string"}), "its `type` is not `object`"),
            (
                json!({"properties": []}),
                "its `properties` are not an object",
            ),
            (json!({"properties": {"a": 1}}), "`a` has no schema"),
            (
                json!({"properties": {"a": {}, "A": {}}}),
                "twice, regardless of case",
            ),
        ] {
            let refused = keys_of("t", &schema);
            assert!(
                matches!(&refused, Err(text) if text.contains(expected)),
                "{schema}: {refused:?}"
            );
        }
        assert!(keys_of("a b", &good).unwrap_err().contains("`a b`"));
    }
}
