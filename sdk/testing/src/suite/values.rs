//! Selectors that a user may write: from the schema of the keys, and from what is on the node.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::stage::{Stage, entries};

/// What no device has, and what may trip a parser.
const JUNK: [&str; 7] = [
    "",
    " ",
    "#",
    "ens1f0#0-1",
    "0xffffffffff",
    "no-such-device",
    "\u{0}é",
];
/// More words than this make the suite slow and find nothing new.
const WORDS: usize = 160;
/// The same for numbers.
const NUMBERS: usize = 64;
/// Schemas may refer to themselves.
const DEEPEST: usize = 6;

/// Selector objects with one key each, behind the empty one.
pub(super) fn of(schema: &Value, stage: &Stage) -> Vec<Value> {
    let values = Values {
        schema,
        words: words(stage),
        numbers: numbers(stage),
    };
    let mut objects = vec![json!({})];
    for (key, of_key) in schema["properties"].as_object().into_iter().flatten() {
        let values = values.of(of_key, DEEPEST);
        objects.extend(
            values
                .into_iter()
                .map(|value| json!({ key.as_str(): value })),
        );
    }
    objects
}

/// What a key may be given.
struct Values<'a> {
    /// The whole one, for its definitions.
    schema: &'a Value,
    words: Vec<String>,
    numbers: Vec<i64>,
}

impl Values<'_> {
    fn of(&self, schema: &Value, depth: usize) -> Vec<Value> {
        let Some(depth) = depth.checked_sub(1) else {
            return Vec::new();
        };
        let mut values = schema["enum"].as_array().cloned().unwrap_or_default();
        values.extend(schema.get("const").cloned());
        let pointer = schema["$ref"].as_str().and_then(|at| at.strip_prefix('#'));
        let defined = pointer.and_then(|at| self.schema.pointer(at));
        let choices = ["anyOf", "oneOf"]
            .into_iter()
            .filter_map(|of| schema[of].as_array());
        for one in defined.into_iter().chain(choices.flatten()) {
            values.extend(self.of(one, depth));
        }
        let kinds = match &schema["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            kind => Vec::from_iter(kind.as_str()),
        };
        for kind in kinds {
            values.extend(self.of_kind(kind, schema, depth));
        }
        values
    }

    fn of_kind(&self, kind: &str, schema: &Value, depth: usize) -> Vec<Value> {
        match kind {
            "boolean" => vec![json!(false), json!(true)],
            "integer" | "number" => self.numbers.iter().map(|number| json!(number)).collect(),
            "string" => self.words.iter().map(|word| json!(word)).collect(),
            "array" => {
                let items = self.of(&schema["items"], depth);
                let mut values = vec![json!([]), Value::Array(items.clone())];
                values.extend(items.into_iter().map(|item| json!([item])));
                values
            }
            "object" => self.objects(schema, depth),
            _ => Vec::new(),
        }
    }

    /// The empty object, and those with one key each.
    fn objects(&self, schema: &Value, depth: usize) -> Vec<Value> {
        let mut values = vec![json!({})];
        for (key, of_key) in schema["properties"].as_object().into_iter().flatten() {
            let of_key = self.of(of_key, depth);
            values.extend(
                of_key
                    .into_iter()
                    .map(|value| json!({ key.as_str(): value })),
            );
        }
        values
    }
}

/// Selector objects with several of the values that a provider accepts: lists of two, three and five, and all keys
/// together.
pub(super) fn joined(accepted: &[Value]) -> Vec<Value> {
    let mut lists: BTreeMap<&String, Vec<&Value>> = BTreeMap::new();
    let mut all = serde_json::Map::new();
    for (key, value) in accepted.iter().filter_map(Value::as_object).flatten() {
        all.entry(key.as_str()).or_insert_with(|| value.clone());
        if let Some([one]) = value.as_array().map(Vec::as_slice) {
            lists.entry(key).or_default().push(one);
        }
    }
    let mut objects = vec![Value::Object(all)];
    for (key, items) in lists {
        let first = |count: usize| items.iter().take(count).copied().cloned();
        let twice = first(1).chain(first(1)).collect();
        for list in [
            twice,
            first(2).collect(),
            first(3).collect(),
            first(5).collect(),
        ] {
            objects.push(json!({ key.as_str(): Value::Array(list) }));
        }
    }
    objects
}

/// Ids, names and attributes of the node, and junk.
fn words(stage: &Stage) -> Vec<String> {
    let mut words = BTreeSet::new();
    for function in stage.functions() {
        words.insert(function.address.to_string());
        words.insert(function.vendor.to_string());
        words.insert(function.device.to_string());
        words.extend(function.driver.clone());
    }
    let names = [
        "sys/devices",
        "sys/class/net",
        "sys/bus/auxiliary/devices",
        "sys/class/infiniband",
    ];
    for directory in names {
        words.extend(names_in(&stage.root().join(directory)));
    }
    for function in stage.functions() {
        let netdevs = stage
            .root()
            .join(format!("sys/bus/pci/devices/{}/net", function.address));
        let mut parents = names_in(&netdevs);
        parents.extend((function.vf_count > 0).then(|| function.address.to_string()));
        let with = |index| {
            parents
                .iter()
                .map(move |parent| format!("{parent}#{index}"))
        };
        words.extend((0..2).flat_map(with));
    }
    words.extend(["ether", "infiniband", "virtio", "vhost"].map(str::to_owned));
    let files = entries(&stage.root().join("netlink"));
    words.extend(
        files
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok()),
    );
    let words = words.into_iter().take(WORDS);
    words.chain(JUNK.map(str::to_owned)).collect()
}

/// Numbers that are in attributes of the node, the next ones, and extremes.
fn numbers(stage: &Stage) -> Vec<i64> {
    let mut numbers = BTreeSet::new();
    for file in entries(&stage.root().join("sys/devices")) {
        let is_short = file
            .symlink_metadata()
            .is_ok_and(|file| file.is_file() && file.len() < 16);
        let text = is_short.then(|| fs::read_to_string(file).ok()).flatten();
        let number = text.and_then(|text| text.trim().parse::<u32>().ok());
        numbers.extend(
            number
                .into_iter()
                .flat_map(|number| [number, number.saturating_add(1)]),
        );
    }
    let usual = numbers.into_iter().take(NUMBERS).map(i64::from);
    [-1, 0, 1, 2, u32::MAX.into()]
        .into_iter()
        .chain(usual)
        .collect()
}

fn names_in(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten();
    names
        .map(|name| name.file_name().to_string_lossy().into_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;
    use sriovdp_sdk::HexId;
    use sriovdp_sdk::selector::CaseInsensitive;

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only the schema counts")]
    struct Keys {
        ids: Vec<HexId>,
        name: Option<CaseInsensitive>,
        mode: Mode,
        on: bool,
    }

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only the schema counts")]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        /// Documented, so that the schema has a `oneOf`.
        Fast,
        Slow,
    }

    #[test]
    fn every_kind_of_key_gets_values_of_the_node() {
        let stage = Stage::new(
            "a node",
            "pci 0000:17:00.0 ac3e:0001 class=120000 driver=acme",
        )
        .unwrap();
        let objects = of(&schemars::schema_for!(Keys).to_value(), &stage);
        for expected in [
            json!({}),
            json!({"ids": ["ac3e"]}),
            json!({"ids": ["no-such-device"]}),
            json!({"name": "acme"}),
            json!({"mode": "fast"}),
            json!({"mode": "slow"}),
            json!({"on": true}),
        ] {
            assert!(objects.contains(&expected), "{expected}");
        }
    }
}
