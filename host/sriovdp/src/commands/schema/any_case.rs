//! Schemas that take what the program takes: keys in any case, `null` for a key that is absent, and no unknown key in
//! an object whose keys are known.

use serde_json::{Map, Value, json};

/// Where a schema is put together from others.
const COMPOSITIONS: [&str; 4] = ["$ref", "anyOf", "oneOf", "allOf"];

/// A regular expression for a key in any case, by what every dialect of them has in common.
pub(super) fn pattern(key: &str) -> String {
    let letters = key.chars().map(|c| match c {
        c if c.is_ascii_alphabetic() => {
            format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase())
        }
        c if c.is_alphanumeric() || c == '_' => c.to_string(),
        c => format!("[{c}]"),
    });
    format!("^{}$", letters.collect::<String>())
}

/// The keys of an object. Values are compared by the patterns only, so that an editor reports each mistake once; the
/// names are there for what it proposes.
pub(super) fn in_any_case(properties: Map<String, Value>) -> Value {
    let mut names = Map::new();
    let mut patterns = Map::new();
    for (key, schema) in properties {
        let description = schema.get("description");
        names.insert(
            key.clone(),
            description.map_or_else(|| json!({}), |text| json!({"description": text})),
        );
        patterns.insert(pattern(&key), schema);
    }
    json!({"properties": names, "patternProperties": patterns})
}

/// That an object has `key`, in any case.
pub(super) fn requiring(key: &str) -> Value {
    let others = json!({"propertyNames": {"not": {"pattern": pattern(key)}}});
    json!({"if": others, "then": {"required": [key]}})
}

/// A schema that takes `null` as well.
pub(super) fn nullable(schema: Value) -> Value {
    let Value::Object(mut schema) = schema else {
        return schema;
    };
    let mut is_plain = false;
    if let Some(kinds) = schema.get_mut("type") {
        is_plain = true;
        let mut list = match kinds.take() {
            Value::Array(list) => list,
            kind => vec![kind],
        };
        if !list.contains(&json!("null")) {
            list.push(json!("null"));
        }
        *kinds = list.into();
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        is_plain = true;
        if !values.contains(&Value::Null) {
            values.push(Value::Null);
        }
    }
    if let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") {
        is_plain = true;
        let null = json!({"type": "null"});
        if !alternatives.contains(&null) {
            alternatives.push(null);
        }
    }
    let is_composed = COMPOSITIONS.iter().any(|key| schema.contains_key(*key));
    if schema.contains_key("const") || (is_composed && !is_plain) {
        let description = schema.remove("description");
        let mut either = json!({"anyOf": [schema, {"type": "null"}]});
        if let Some(description) = description {
            either["description"] = description;
        }
        return either;
    }
    Value::Object(schema)
}

/// A provider's schema in the same way; its definitions get `prefix` in front of their names.
pub(super) fn of_provider(schema: &Value, prefix: &str) -> Value {
    converted(schema, prefix, false)
}

/// `is_part`: another schema has keys for the same object.
fn converted(schema: &Value, prefix: &str, is_part: bool) -> Value {
    let Value::Object(schema) = schema else {
        return schema.clone();
    };
    let has_keys = schema.contains_key("properties");
    let mut made = Map::new();
    let mut conditions = Vec::new();
    for (key, value) in schema {
        match (key.as_str(), value) {
            // The latter is for `check --migrate`.
            ("$defs" | "x-go-plugin", _) => {}
            ("$ref", Value::String(name)) => {
                let name = match name.strip_prefix("#/$defs/") {
                    Some(name) => format!("#/$defs/{prefix}{name}"),
                    None => name.clone(),
                };
                made.insert(key.clone(), name.into());
            }
            ("properties", Value::Object(properties)) => {
                let nullable = properties
                    .iter()
                    .map(|(key, value)| (key.clone(), nullable(converted(value, prefix, false))));
                if let Value::Object(keys) = in_any_case(nullable.collect()) {
                    made.extend(keys);
                }
            }
            ("required", Value::Array(keys)) => {
                conditions.extend(keys.iter().filter_map(Value::as_str).map(requiring));
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(parts)) => {
                let parts = parts
                    .iter()
                    .map(|part| converted(part, prefix, is_part || has_keys));
                made.insert(key.clone(), parts.collect());
            }
            ("prefixItems", Value::Array(items)) => {
                let items = items.iter().map(|item| converted(item, prefix, false));
                made.insert(key.clone(), items.collect());
            }
            ("items" | "additionalProperties", _) => {
                made.insert(key.clone(), converted(value, prefix, false));
            }
            _ => {
                made.insert(key.clone(), value.clone());
            }
        }
    }
    if !conditions.is_empty() {
        let all = made.entry("allOf").or_insert_with(|| json!([]));
        all.as_array_mut()
            .into_iter()
            .for_each(|all| all.append(&mut conditions));
    }
    let is_composed = COMPOSITIONS.iter().any(|key| schema.contains_key(*key));
    let is_explicit =
        schema.contains_key("additionalProperties") || schema.contains_key("unevaluatedProperties");
    if has_keys && !is_part && !is_composed && !is_explicit {
        made.insert("additionalProperties".to_owned(), false.into());
    }
    Value::Object(made)
}
