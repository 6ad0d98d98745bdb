//! What a provider says of itself, when it makes sense.

use serde_json::Value;
use sriovdp_provider_abi::wire::Manifest;

use super::ProviderError;

/// A manifest that makes sense.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) manifest: Manifest,
    /// The selector keys, in the provider's own spelling.
    pub(super) keys: Vec<String>,
}

impl Declared {
    /// # Errors
    ///
    /// What is wrong with the manifest.
    pub(super) fn new(manifest: Manifest) -> Result<Self, ProviderError> {
        if let Some(needed) = &manifest.needs_host {
            needs(needed, sriovdp_sdk::VERSION)?;
        }
        let keys = judge(&manifest).map_err(ProviderError::Manifest)?;
        Ok(Self { manifest, keys })
    }
}

/// Whether the version `host` will do. The major version is the note's matter.
fn needs(needed: &str, host: &'static str) -> Result<(), ProviderError> {
    let number = |version: &str| {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        let major = parts.next()??;
        let minor = parts.next().unwrap_or(Some(0))?;
        Some((major, minor))
    };
    match number(needed) {
        None => Err(ProviderError::Manifest(format!(
            "needs a host of SDK `{}`, which is no version",
            needed.escape_debug()
        ))),
        Some(least) if number(host) < Some(least) => Err(ProviderError::NeedsHost {
            needed: needed.to_owned(),
            host,
        }),
        Some(_) => Ok(()),
    }
}

fn judge(manifest: &Manifest) -> Result<Vec<String>, String> {
    let names = || manifest.device_type.iter().chain(&manifest.extends);
    if names().next().is_none() {
        return Err("names neither a device type nor what it extends".to_owned());
    }
    let is_word = |name: &&String| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic());
    if let Some(name) = names().find(|name| !is_word(name)) {
        return Err(format!(
            "has `{}` as a device type, which is no word",
            name.escape_debug()
        ));
    }
    let no_schema =
        |what: &str| format!("has a selector schema that is no JSON schema of an object: {what}");
    let Value::Object(schema) = &manifest.schema else {
        return Err(no_schema("it is no object itself"));
    };
    if schema.get("type").is_some_and(|kind| kind != "object") {
        return Err(no_schema("its `type` is another one"));
    }
    let keys: Vec<String> = match schema.get("properties") {
        None => Vec::new(),
        Some(Value::Object(properties)) => {
            let is_schema = |value: &Value| value.is_object() || value.is_boolean();
            if let Some((key, _)) = properties.iter().find(|(_, value)| !is_schema(value)) {
                return Err(no_schema(&format!("its property `{key}` has no schema")));
            }
            properties.keys().cloned().collect()
        }
        Some(_) => return Err(no_schema("its `properties` are no object")),
    };
    for (n, key) in keys.iter().enumerate() {
        if keys[..n]
            .iter()
            .any(|other| other.eq_ignore_ascii_case(key))
        {
            return Err(format!(
                "declares the selector key `{key}` twice; case does not count"
            ));
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judged(device_type: &str, schema: &Value) -> Result<Vec<String>, String> {
        let manifest = json!({
            "package": "p", "version": "1", "sdk": "1.0.0", "summary": "s",
            "device_type": device_type, "schema": schema,
        });
        judge(&serde_json::from_value(manifest).unwrap())
    }

    #[test]
    fn a_host_is_new_enough_or_not() {
        for enough in ["1", "1.3", "1.2.9", "0.9"] {
            needs(enough, "1.3.1").unwrap();
        }
        let refused = needs("1.10", "1.3.1").unwrap_err().to_string();
        assert_eq!(
            refused,
            "it needs a host of SDK 1.10 or newer, and this host is of SDK 1.3.1"
        );
        let refused = needs("new", "1.3.1").unwrap_err().to_string();
        assert!(refused.contains("`new`, which is no version"), "{refused}");
    }

    #[test]
    fn a_manifest_has_to_make_sense() {
        let good = json!({"type": "object", "properties": {"a": {}, "b": true}});
        assert_eq!(judged("t", &good).unwrap(), ["a", "b"]);
        assert_eq!(judged("t", &json!({})).unwrap(), [""; 0]);
        for (schema, expected) in [
            (json!(7), "it is no object itself"),
            (json!({"type": "string"}), "its `type` is another one"),
            (json!({"properties": []}), "its `properties` are no object"),
            (json!({"properties": {"a": 1}}), "`a` has no schema"),
            (
                json!({"properties": {"a": {}, "A": {}}}),
                "twice; case does not count",
            ),
        ] {
            let refused = judged("t", &schema);
            assert!(
                matches!(&refused, Err(text) if text.contains(expected)),
                "{schema}: {refused:?}"
            );
        }
        assert!(judged("a b", &good).unwrap_err().contains("`a b`"));
    }
}
