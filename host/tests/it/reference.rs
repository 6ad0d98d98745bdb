//! The tables of `docs/configuration.md` are generated from the schema of the built providers.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use serde_json::Value;

use crate::repository::list;
use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const HOW_TO_ACCEPT: &str = "the tables of `docs/configuration.md` have to be what `sriovdp schema` prints; write them \
                             anew with\n\n    cargo build --workspace && UPDATE_DOCS=1 cargo test -p sriovdp-tests --test it reference\n";

/// Between these lines, with the name of the part, the page is made and not written.
const END: &str = "<!-- end -->";

#[tokio::test]
async fn configuration_reference_has_every_key() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let committed = std::fs::read_to_string(&page).unwrap();
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    node.provide_extensions();
    let (_, schema, _) = node.run(&["schema"]).await;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let (_, providers, _) = node.run(&["providers"]).await;

    let parts = [
        ("resource", resource_table(&schema)),
        (
            "selectors",
            selector_tables(&schema, &files_of_extensions(&providers)),
        ),
    ];
    let made = parts.iter().fold(committed.clone(), |page, (name, table)| {
        replaced(&page, name, table)
    });
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&page, &made).unwrap();
    } else {
        assert!(committed == made, "{HOW_TO_ACCEPT}");
    }
}

/// The page with other lines between the marks of a part.
fn replaced(page: &str, name: &str, lines: &str) -> String {
    let begin = format!("<!-- from the schema: {name} -->\n");
    let (before, rest) = page
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no line `{begin}`"));
    let (_, after) = rest.split_once(END).expect("an end");
    format!("{before}{begin}\n{lines}\n{END}{after}")
}

fn resource_table(schema: &Value) -> String {
    let (_, list) = keys(schema).remove(0);
    let properties: BTreeMap<&str, &Value> = keys(&list["items"]).into_iter().collect();
    let mut table = "| key | value | meaning |\n| --- | --- | --- |\n".to_owned();
    // The order in which a person writes them, and then whatever is new.
    let first = [
        "resourceName",
        "resourcePrefix",
        "deviceType",
        "selectors",
        "excludeTopology",
        "allocationPolicy",
        "additionalInfo",
    ];
    let others = properties.keys().copied();
    let others = others.filter(|key| !first.contains(key));
    for key in first.into_iter().chain(others) {
        let property = properties[key];
        table.push_str(&format!(
            "| `{key}` | {} | {} |\n",
            value(property, schema),
            meaning(key, property)
        ));
    }
    table
}

/// The keys of an object with their schemas: these are at patterns, since keys match in any case.
fn keys(object: &Value) -> Vec<(&str, &Value)> {
    let named = object["properties"].as_object().expect("keys");
    let patterns = object["patternProperties"].as_object().expect("patterns");
    let of = |key: &str| {
        let mut found = patterns.iter().filter(|(pattern, _)| {
            let letters = pattern
                .split('[')
                .skip(1)
                .filter_map(|class| class.chars().next());
            letters.eq(key.to_ascii_lowercase().chars())
        });
        found.next().expect("a pattern").1
    };
    named.keys().map(|key| (key.as_str(), of(key))).collect()
}

/// One table for each device type.
fn selector_tables(schema: &Value, files: &HashMap<String, String>) -> String {
    let definitions = schema["$defs"].as_object().expect("definitions");
    let mut tables = Vec::new();
    for (name, definition) in definitions {
        let Some(device_type) = name.strip_suffix(".selectors") else {
            continue;
        };
        let mut table =
            format!("### `{device_type}`\n\n| key | value | meaning |\n| --- | --- | --- |\n");
        for (key, property) in keys(definition) {
            let needs = files.get(key).map(|file| format!(" Needs `{file}`."));
            table.push_str(&format!(
                "| `{key}` | {} | {}{} |\n",
                value(property, schema),
                meaning(key, property),
                needs.unwrap_or_default()
            ));
        }
        tables.push(table);
    }
    tables.join("\n")
}

/// The files of extensions by the keys that they bring, from what `sriovdp providers` prints.
fn files_of_extensions(providers: &str) -> HashMap<String, String> {
    let mut files = HashMap::new();
    let mut file = None;
    for line in providers.lines() {
        if !line.starts_with(' ') {
            file = line
                .split_once(": extension of ")
                .map(|(file, _)| file.to_owned());
        } else if let (Some(file), Some(keys)) = (&file, line.trim().strip_prefix("selectors: ")) {
            files.extend(keys.split(", ").map(|key| (key.to_owned(), file.clone())));
        }
    }
    assert!(!files.is_empty(), "no extension in:\n{providers}");
    files
}

/// The type, and the values of a string that has few.
fn value(property: &Value, schema: &Value) -> String {
    if let Some(alternatives) = property["anyOf"].as_array() {
        return match alternatives.iter().find_map(|one| one["$ref"].as_str()) {
            Some(reference) => value(definition(reference, schema), schema),
            None => "anything".to_owned(),
        };
    }
    let alternatives = list(&property["oneOf"]).map(|one| &one["const"]);
    let values = alternatives.chain(list(&property["else"]["enum"]));
    let values: Vec<_> = values
        .map(|value| format!("`{}`", value.as_str().unwrap()))
        .collect();
    if let Some((last, others)) = values.split_last() {
        return format!("string: {} or {last}", others.join(", "));
    }
    // The device types of the loaded providers.
    if property["enum"].is_array() {
        return "string".to_owned();
    }
    let kind = match &property["type"] {
        Value::Array(kinds) if kinds.iter().any(|kind| kind == "array") && kinds[0] == "object" => {
            return "object or list".to_owned();
        }
        Value::Array(kinds) => &kinds[0],
        kind => kind,
    };
    let kind = match kind.as_str() {
        Some("string") => "string",
        Some("boolean") => "boolean",
        Some("array") => "list",
        Some("object") => "object",
        _ => panic!("a kind of value that the page has no word for: {property}"),
    };
    kind.to_owned()
}

fn definition<'a>(reference: &str, schema: &'a Value) -> &'a Value {
    let pointer = reference.strip_prefix('#').expect("a local reference");
    schema.pointer(pointer).expect("a definition")
}

/// The description, on one line of a table.
fn meaning(key: &str, property: &Value) -> String {
    let description = property["description"]
        .as_str()
        .unwrap_or_else(|| panic!("`{key}` has no description: its field lacks a comment"));
    description.replace('\n', " ").replace('|', "\\|")
}
