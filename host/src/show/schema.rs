//! `sriovdp schema`: the JSON schema of the configuration, put together from the loaded providers.

use serde_json::{Map, Value, json};

use super::Page;
use crate::cli::Exit;
use crate::providers::DeviceType;
use crate::reconcile::Reconciler;

pub(super) fn schema(page: &mut Page, state: &Reconciler) -> Exit {
    page.line(format_args!(
        "{:#}",
        configuration(state.providers().device_types())
    ));
    Exit::Success
}

/// One alternative for each device type; a resource that names none is one of the default type.
fn configuration<'a>(device_types: impl Iterator<Item = (&'a str, &'a DeviceType)>) -> Value {
    let mut definitions = Map::new();
    let mut resources = Vec::new();
    for (name, device_type) in device_types {
        let selectors = selectors(device_type, &mut definitions);
        resources.push(resource(name, is_default(device_type), &selectors));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sriovdp configuration",
        "description": "Keys match in any case.",
        "type": "object",
        "properties": {"resourceList": {"type": "array", "items": {"anyOf": resources}}},
        "$defs": definitions,
    })
}

fn is_default(device_type: &DeviceType) -> bool {
    device_type
        .owner
        .as_ref()
        .is_some_and(|owner| owner.manifest().default_device_type)
}

/// The keys of the owner and of its extensions in one object that has no others.
fn selectors(device_type: &DeviceType, definitions: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for provider in device_type.owner.iter().chain(&device_type.extensions) {
        let schema = &provider.manifest().schema;
        for (part, into) in [
            ("properties", &mut properties),
            ("$defs", &mut *definitions),
        ] {
            let entries = schema
                .get(part)
                .and_then(Value::as_object)
                .into_iter()
                .flatten();
            into.extend(entries.map(|(key, value)| (key.clone(), value.clone())));
        }
    }
    json!({"type": ["object", "null"], "properties": properties, "additionalProperties": false})
}

fn resource(name: &str, is_default: bool, selectors: &Value) -> Value {
    let mut required = vec!["resourceName"];
    let device_type = if is_default {
        json!({"enum": [name, "", null]})
    } else {
        required.push("deviceType");
        json!({"const": name})
    };
    json!({
        "type": "object",
        "required": required,
        "properties": {
            "resourceName": {"type": "string"},
            "resourcePrefix": {"type": ["string", "null"]},
            "deviceType": device_type,
            "selectors": {"anyOf": [selectors, {"type": "array", "minItems": 1, "items": selectors}]},
            "additionalInfo": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "health": {
                "type": ["object", "null"],
                "properties": {"link": {"type": ["boolean", "null"]}, "existence": {"type": ["boolean", "null"]}},
            },
            "excludeTopology": {"type": ["boolean", "null"]},
        },
    })
}
