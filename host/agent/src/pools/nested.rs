//! The value of a selector by its provider's schema: keys inside of it match in any case, and the unknown ones are
//! found. A provider would ignore them, which matches more devices than the user meant.

use serde_json::{Map, Value};

use crate::config::{Json, WrongKind, did_you_mean};

/// A key that the schema does not have.
pub(super) struct UnknownKey<'j> {
    /// It, as a path from the selector object.
    pub path: String,
    /// Its value.
    pub value: Json<'j>,
    /// The cure.
    pub hint: String,
}

/// A walk through one value along the schema of a provider's selectors.
pub(super) struct Walk<'s, 'j> {
    root: &'s Value,
    unknown: Vec<UnknownKey<'j>>,
}

/// Schemas that a value may follow; together they declare the keys.
type Schemas<'s> = Vec<&'s Value>;

/// The value of the selector `key` in the schema's spelling, without unknown keys, and those.
pub(super) fn by_schema<'j>(
    schema: &Value,
    key: &str,
    value: Json<'j>,
) -> Result<(Value, Vec<UnknownKey<'j>>), WrongKind> {
    let mut walk = Walk {
        root: schema,
        unknown: Vec::new(),
    };
    let schemas = schema["properties"].get(key).into_iter().collect();
    let value = walk.value(&schemas, value, key)?;
    Ok((value, walk.unknown))
}

/// A whole section in the schema's spelling, without unknown keys, and those; `key` is its path.
pub(super) fn section_by_schema<'j>(
    schema: &Value,
    key: &str,
    section: Json<'j>,
) -> Result<(Value, Vec<UnknownKey<'j>>), WrongKind> {
    let mut walk = Walk {
        root: schema,
        unknown: Vec::new(),
    };
    let value = walk.value(&vec![schema], section, key)?;
    Ok((value, walk.unknown))
}

impl<'s, 'j> Walk<'s, 'j> {
    fn value(
        &mut self,
        schemas: &Schemas<'s>,
        value: Json<'j>,
        path: &str,
    ) -> Result<Value, WrongKind> {
        let mut expanded = Vec::new();
        for schema in schemas {
            self.expand(schema, &mut expanded);
        }
        if let Ok(members) = value.members() {
            return self.object(&expanded, value, members, path);
        }
        match value.items() {
            Ok(items) => self.list(&expanded, items, path),
            Err(_) => value.value(),
        }
    }

    /// The schema with what it refers to and is put together from.
    fn expand(&self, schema: &'s Value, into: &mut Schemas<'s>) {
        if into.iter().any(|known| std::ptr::eq(*known, schema)) {
            return;
        }
        into.push(schema);
        let reference = schema["$ref"].as_str();
        let reference = reference.and_then(|name| self.root.pointer(name.strip_prefix('#')?));
        let single = ["then", "else"]
            .into_iter()
            .filter_map(|key| schema.get(key));
        let lists = ["anyOf", "oneOf", "allOf"]
            .into_iter()
            .filter_map(|key| schema[key].as_array())
            .flatten();
        for part in reference.into_iter().chain(single).chain(lists) {
            self.expand(part, into);
        }
    }

    fn object(
        &mut self,
        schemas: &Schemas<'s>,
        object: Json<'j>,
        members: Vec<(String, Json<'j>)>,
        path: &str,
    ) -> Result<Value, WrongKind> {
        let fitting: Schemas = schemas
            .iter()
            .copied()
            .filter(|schema| !is_of_another_variant(schema, &members))
            .collect();
        let schemas = if fitting.is_empty() {
            schemas
        } else {
            &fitting
        };
        let known: Vec<&String> = schemas
            .iter()
            .filter_map(|schema| schema["properties"].as_object())
            .flat_map(Map::keys)
            .collect();
        let is_open = schemas.iter().any(|schema| takes_any_key(schema));
        if known.is_empty() && !is_open {
            // No object is expected here; the provider reports it.
            return object.value();
        }
        let mut folded = Map::new();
        for (name, value) in members {
            let path = format!("{path}.{name}");
            let exact = known.iter().find(|known| **known == &name);
            let in_any_case = || known.iter().find(|known| known.eq_ignore_ascii_case(&name));
            if let Some(key) = exact.or_else(in_any_case) {
                let inner = schemas
                    .iter()
                    .filter_map(|schema| schema["properties"].get(key));
                let value = self.value(&inner.collect(), value, &path)?;
                folded.insert((*key).clone(), value);
            } else if is_open {
                let inner = schemas.iter().flat_map(|schema| {
                    let patterns = schema["patternProperties"].as_object();
                    let patterns = patterns.into_iter().flat_map(Map::values);
                    schema
                        .get("additionalProperties")
                        .into_iter()
                        .chain(patterns)
                });
                let value = self.value(&inner.collect(), value, &path)?;
                folded.insert(name, value);
            } else {
                let hint = match did_you_mean(&name, known.iter().map(|known| known.as_str())) {
                    Some(key) => format!("did you mean `{key}`?"),
                    None => {
                        let known: Vec<&str> = known.iter().map(|known| known.as_str()).collect();
                        format!("its keys are {}", known.join(", "))
                    }
                };
                self.unknown.push(UnknownKey { path, value, hint });
            }
        }
        Ok(Value::Object(folded))
    }

    fn list(
        &mut self,
        schemas: &Schemas<'s>,
        items: Vec<Json<'j>>,
        path: &str,
    ) -> Result<Value, WrongKind> {
        let items = items.into_iter().enumerate().map(|(index, item)| {
            let inner = schemas.iter().filter_map(|schema| {
                schema["prefixItems"]
                    .get(index)
                    .or_else(|| schema.get("items"))
            });
            self.value(&inner.collect(), item, &format!("{path}[{index}]"))
        });
        items.collect()
    }
}

/// Whether a member, a tag, is that of another variant than the schema's.
fn is_of_another_variant(schema: &Value, members: &[(String, Json<'_>)]) -> bool {
    let tags = schema["properties"].as_object().into_iter().flatten();
    let mut tags = tags.filter_map(|(key, value)| Some((key, value.get("const")?)));
    tags.any(|(key, tag)| {
        let mut named = members
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case(key));
        named.any(|(_, value)| value.value().is_ok_and(|value| value != *tag))
    })
}

/// Whether an object may have keys that the schema does not name.
fn takes_any_key(schema: &Value) -> bool {
    const CONSTRAINTS: [&str; 9] = [
        "type",
        "enum",
        "const",
        "properties",
        "$ref",
        "anyOf",
        "oneOf",
        "allOf",
        "then",
    ];
    let Some(schema) = schema.as_object() else {
        return *schema == Value::Bool(true);
    };
    let is_open = |key: &str| {
        schema
            .get(key)
            .is_some_and(|inner| *inner != Value::Bool(false))
    };
    let constrains = CONSTRAINTS.iter().any(|key| schema.contains_key(*key));
    let of_objects = schema.get("type").is_some_and(|kind| match kind {
        Value::Array(kinds) => kinds.iter().any(|kind| kind == "object"),
        kind => kind == "object",
    });
    let is_bare = of_objects
        && ![
            "properties",
            "additionalProperties",
            "anyOf",
            "oneOf",
            "allOf",
            "$ref",
        ]
        .iter()
        .any(|key| schema.contains_key(*key));
    [
        "additionalProperties",
        "patternProperties",
        "unevaluatedProperties",
    ]
    .into_iter()
    .any(is_open)
        || !constrains
        || is_bare
}
