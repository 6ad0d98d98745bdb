//! `sriovdp schema`: the JSON schema of the configuration, put together from the loaded providers.

use serde_json::{Map, Value, json};

use super::Page;
use crate::cli::Exit;
use crate::pools::AllocationPolicy;
use crate::providers::DeviceType;
use crate::reconcile::Reconciler;

pub(super) fn schema(page: &mut Page, state: &Reconciler) -> Exit {
    page.line(format_args!(
        "{:#}",
        configuration(state.providers().device_types())
    ));
    Exit::Success
}

/// A resource name as a pattern, so that an editor marks a wrong one.
const NAME: &str = "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$";

/// One alternative for each device type; a resource that names none is one of the default type.
fn configuration<'a>(device_types: impl Iterator<Item = (&'a str, &'a DeviceType)>) -> Value {
    let mut definitions = Map::new();
    let mut resources = Vec::new();
    for (name, device_type) in device_types {
        // Providers name definitions after Rust types, and those have no dots in their names.
        let definition = format!("{name}.selectors");
        let selectors = selectors(device_type, &mut definitions);
        resources.push(resource(name, is_default(device_type), &definition));
        definitions.insert(definition, selectors);
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

/// What the page on the configuration says of a resource's keys is made from these descriptions.
fn resource(name: &str, is_default: bool, selectors: &str) -> Value {
    let mut required = vec!["resourceName"];
    let mut device_type = if is_default {
        json!({"enum": [name, "", null]})
    } else {
        required.push("deviceType");
        json!({"const": name})
    };
    device_type["description"] = json!(
        "The device type, exactly as `sriovdp providers` prints it. Without it, the default type, which a provider \
         claims for itself."
    );
    let selectors = json!({"$ref": format!("#/$defs/{selectors}")});
    let names = AllocationPolicy::NAMES.iter().map(|&(name, _)| Some(name));
    let policies: Vec<Option<&str>> = names.chain([None]).collect();
    json!({
        "type": "object",
        "required": required,
        "properties": {
            "resourceName": {
                "type": "string",
                "pattern": NAME,
                "description": "Needed. The name behind the prefix: 1 to 63 letters, digits, `-`, `_` and `.`, of \
                                which the first and the last are a letter or a digit.",
            },
            "resourcePrefix": {
                "type": ["string", "null"],
                "description": "The part of the name before the slash, a lower-case domain name. Without it, \
                                `--resource-prefix` counts.",
            },
            "deviceType": device_type,
            "selectors": {
                "anyOf": [selectors, {"type": "array", "minItems": 1, "items": selectors}],
                "description": "Which devices belong to the resource: one selector object, or a list of them, each of \
                                which can take a device. Without it, every device of the type.",
            },
            "additionalInfo": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "object", "additionalProperties": {"type": "string"}},
                "description": "Further values for containers by device: first those of `*`, then those of the PCI \
                                address, then those of the device id; the last word counts. All values are strings. \
                                They are never logged.",
            },
            "excludeTopology": {
                "type": ["boolean", "null"],
                "description": "`true`: the kubelet is not told the devices' NUMA nodes.",
            },
            "allocationPolicy": {
                "enum": policies,
                "description": "Which devices the kubelet is advised to take for a container. `balanced`, the default: \
                                from one NUMA node if it has enough, and there from the physical functions with the \
                                most free devices. `packed`: from as few physical functions as possible. `spread`: \
                                from as many as possible, for bonds.",
            },
            "health": {
                "type": ["object", "null"],
                "properties": {"link": {"type": ["boolean", "null"]}, "existence": {"type": ["boolean", "null"]}},
                "description": "What makes a device unhealthy. `{\"link\": false}` leaves links out, \
                                `{\"existence\": false}` missing device nodes; without it, both count.",
            },
        },
    })
}
