//! `sriovdp schema`: the JSON schema of the configuration, composed of the schemas of the loaded providers.

mod any_case;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use any_case::{in_any_case, nullable, of_provider, pattern, requiring};

use super::Output;
use sriovdp_agent::config::AllocationPolicy;
use sriovdp_agent::reconcile::Reconciler;
use sriovdp_providers::{DeviceType, Provider};

pub(super) fn schema(output: &mut Output, state: &Reconciler) {
    let providers = state.providers();
    output.json(&configuration(providers.device_types(), providers.all()));
}

/// The pattern of a resource name, for editors.
const NAME: &str = "^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$";

/// Resources, and for each device type the selectors that it has: an editor then compares with one of them only.
fn configuration<'a>(
    device_types: impl Iterator<Item = (&'a str, &'a DeviceType)>,
    providers: &[Arc<Provider>],
) -> Value {
    let mut definitions = Map::new();
    let mut names = Vec::new();
    let mut default = None;
    let mut selectors_by_type: Vec<Value> = Vec::new();
    let mut selector_keys = Vec::new();
    for (name, device_type) in device_types {
        // Providers name definitions after Rust types, and those have no dots in their names.
        let definition = format!("{name}.selectors");
        let selectors = selectors(device_type, &mut definitions, &mut selector_keys);
        definitions.insert(definition.clone(), selectors);
        selectors_by_type.push(selectors_of(name, is_default(device_type), &definition));
        default = default.or_else(|| is_default(device_type).then_some(name));
        names.push(name);
    }
    let mut resource = resource(&names, default);
    // A selector beside `selectors` is refused unless its value selects nothing.
    let patterns = resource["patternProperties"].as_object_mut();
    patterns.into_iter().for_each(|patterns| {
        let misplaced = selector_keys.iter().map(|key| {
            let mut nothing = nothing();
            nothing["description"] = "A selector: it belongs in `selectors`.".into();
            (pattern(key), nothing)
        });
        patterns.extend(misplaced);
    });
    if let Some(Value::Array(conditions)) = resource.get_mut("allOf") {
        conditions.append(&mut selectors_by_type);
    }
    let mut top = Map::new();
    let list = json!({"type": "array", "items": resource});
    top.insert("resourceList".to_owned(), nullable(list));
    let sections = sections(providers, &mut definitions);
    top.extend(sections.map(|sections| ("providers".to_owned(), sections)));
    let mut whole = in_any_case(top);
    whole["allOf"] = json!([requiring("resourceList")]);
    whole["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    whole["$id"] = "urn:sriovdp:configuration".into();
    whole["title"] = "sriovdp configuration".into();
    whole["description"] = "Keys match in any case.".into();
    whole["type"] = "object".into();
    whole["$defs"] = definitions.into();
    whole
}

/// The sections of the providers that have settings.
fn sections(providers: &[Arc<Provider>], definitions: &mut Map<String, Value>) -> Option<Value> {
    let mut sections = Map::new();
    for provider in providers {
        let Some(schema) = &provider.manifest().settings else {
            continue;
        };
        let file = provider.file_name();
        let name = file.strip_suffix(".so").unwrap_or(&file);
        let prefix = format!("{name}.settings.");
        define(schema, &prefix, definitions);
        sections.insert(name.to_owned(), nullable(of_provider(schema, &prefix)));
    }
    let description = "The sections of providers, by the names of their files without `.so`.";
    let sections = (!sections.is_empty()).then_some(sections)?;
    Some(nullable(json!({
        "type": "object",
        "properties": sections,
        "description": description,
    })))
}

/// Adds the definitions of a provider's schema.
fn define(schema: &Value, prefix: &str, definitions: &mut Map<String, Value>) {
    let named = schema["$defs"].as_object().into_iter().flatten();
    definitions
        .extend(named.map(|(name, value)| (format!("{prefix}{name}"), of_provider(value, prefix))));
}

/// The values that select nothing.
fn nothing() -> Value {
    json!({"enum": [null, false, "", [], {}]})
}

fn is_default(device_type: &DeviceType) -> bool {
    device_type
        .owner
        .as_ref()
        .is_some_and(|owner| owner.manifest().default_device_type)
}

/// The keys of the owner and of its extensions in one object that has no others.
fn selectors(
    device_type: &DeviceType,
    definitions: &mut Map<String, Value>,
    keys: &mut Vec<String>,
) -> Value {
    let mut whole = in_any_case(Map::new());
    let providers = || device_type.owner.iter().chain(&device_type.extensions);
    // Keys of a provider that is not loaded are allowed with values that select nothing.
    let elsewhere = providers().flat_map(|provider| provider.manifest().brought_by_others.keys());
    for key in elsewhere {
        whole["patternProperties"][pattern(key)] = nothing();
        keys.push(key.clone());
    }
    for provider in providers() {
        let manifest = provider.manifest();
        let prefix = format!("{}.", manifest.package);
        let own = of_provider(&manifest.schema, &prefix);
        for part in ["properties", "patternProperties"] {
            let entries = own[part].as_object().into_iter().flatten();
            for (key, schema) in entries {
                whole[part][key] = schema.clone();
            }
        }
        define(&manifest.schema, &prefix, definitions);
        keys.extend(provider.keys().map(str::to_owned));
    }
    whole["type"] = "object".into();
    whole["additionalProperties"] = false.into();
    whole
}

/// The selectors of a resource, if it is of the device type `name`.
fn selectors_of(name: &str, is_default: bool, definition: &str) -> Value {
    let key = pattern("deviceType");
    let condition = if is_default {
        json!({"patternProperties": {key: {"enum": [name, "", null]}}})
    } else {
        json!({
            "patternProperties": {key.clone(): {"const": name}},
            "not": {"propertyNames": {"not": {"pattern": key}}},
        })
    };
    let selectors = json!({"$ref": format!("#/$defs/{definition}")});
    let one_or_more = json!({
        "if": {"type": "object"},
        "then": selectors,
        "else": {"items": selectors, "minItems": 1},
    });
    json!({
        "if": condition,
        "then": {"patternProperties": {pattern("selectors"): one_or_more}},
    })
}

/// The table of a resource's keys in docs/configuration.md is generated from these descriptions.
fn resource(device_types: &[&str], default: Option<&str>) -> Value {
    let mut required = vec![requiring("resourceName")];
    let names = device_types.iter().map(|name| json!(name));
    let device_types: Vec<Value> = match default {
        Some(_) => names.chain([json!(""), Value::Null]).collect(),
        None => {
            required.push(requiring("deviceType"));
            names.collect()
        }
    };
    let names = AllocationPolicy::NAMES.map(|(name, _)| name);
    let policies = names.map(pattern).join("|");
    let flags = in_any_case(Map::from_iter(
        ["link", "existence"].map(|key| (key.to_owned(), json!({"type": ["boolean", "null"]}))),
    ));
    let properties = json!({
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
            "deviceType": {
                "enum": device_types,
                "description": "The device type, exactly as `sriovdp providers` prints it. Without it, the default type, which a provider \
                                claims for itself.",
            },
            "selectors": {
                "type": ["object", "array", "null"],
                "description": "Which devices belong to the resource: one selector object, or a list of them, each of \
                                which can take a device. Without it, every device of the type.",
            },
            "additionalInfo": {
                "type": ["object", "null"],
                "additionalProperties": {
                    "type": ["object", "null"],
                    "additionalProperties": {"type": ["string", "null"]},
                },
                "description": "Further values for containers by device: first those of `*`, then those of the PCI \
                                address, then those of the device id; the last word counts. All values are strings. \
                                They are never logged.",
            },
            "excludeTopology": {
                "type": ["boolean", "null"],
                "description": "`true`: the NUMA nodes of the devices are not reported to the kubelet.",
            },
            "allocationPolicy": {
                "type": ["string", "null"],
                "if": {"pattern": policies},
                "else": {"enum": names},
                "description": "Which devices the plugin prefers for a container. `balanced`, the default: \
                                from one NUMA node if it has enough, and there from the physical functions with the \
                                most free devices. `packed`: from as few physical functions as possible. `spread`: \
                                from as many as possible, for bonds.",
            },
            "health": {
                "type": ["object", "null"],
                "properties": flags["properties"],
                "patternProperties": flags["patternProperties"],
                "description": "What makes a device unhealthy. `{\"link\": false}` leaves links out, \
                                `{\"existence\": false}` missing device nodes; without it, both count.",
            },
            "checkHealthOnPf": {
                "type": ["boolean", "null"],
                "description": "The Go plugin's key for `health.link`. Only `false` has an effect, and none beside \
                                `health.link`.",
            },
            "checkHealthOnDeviceExist": {
                "type": ["boolean", "null"],
                "description": "The Go plugin's key for `health.existence`, in the same way.",
            },
    });
    let mut resource = in_any_case(properties.as_object().cloned().unwrap_or_default());
    resource["type"] = "object".into();
    resource["allOf"] = required.into();
    resource
}
