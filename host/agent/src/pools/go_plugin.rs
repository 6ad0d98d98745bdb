//! How the Go plugin reads a selector, by the keyword `x-go-plugin` in the schema of its provider.
//!
//! A key without the keyword is one that the Go plugin does not have, and ignores. The value of the keyword is an object:
//! `deviceTypes` are those for which the Go plugin has the key, if it has not for all of an extension; with `spelling`,
//! texts of another spelling match nothing there (`h` is a hexadecimal digit in lower case, `H` in any); with `lowerCase`, texts in another case; with `ranges`, of the entries `NAME#RANGES` with one name only the first counts,
//! and a blank ends its ranges; `note` describes a difference that depends on the node.

use std::collections::HashSet;

use serde_json::Value;

use super::resolve::constrains_nothing;
use super::{Resource, Selector};
use sriovdp_providers::{DeviceType, Provider};

/// The keyword.
const KEYWORD: &str = "x-go-plugin";

/// How the Go plugin reads the value of a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoReading {
    /// As this program does.
    Same,
    /// It ignores the key.
    Ignored,
    /// Some texts have no effect there.
    Without {
        /// Those texts.
        texts: Vec<String>,
        /// The value without them.
        rest: Value,
    },
    /// As this program does, or not, by the node.
    Depends(String),
}

/// The reading of one key of a resource.
#[derive(Clone, Debug)]
pub struct KeyReading<'a> {
    /// The position of its selector object.
    pub selector: usize,
    /// The key.
    pub key: &'a str,
    /// The reading.
    pub reading: GoReading,
}

/// Whether the Go plugin has the device type: a selector key of its owner has the keyword.
pub fn is_of_go_plugin(device_type: &DeviceType) -> bool {
    let has_keyword = |owner: &Provider| {
        let keys = owner.manifest().schema["properties"].as_object();
        let mut schemas = keys.into_iter().flat_map(|keys| keys.values());
        schemas.any(|schema| schema.get(KEYWORD).is_some())
    };
    device_type.owner.as_deref().is_some_and(has_keyword)
}

impl Resource {
    /// The selector keys that the Go plugin does not read as this program does.
    pub fn go_readings(&self) -> Vec<KeyReading<'_>> {
        let mut readings = Vec::new();
        for (selector, parts) in self.selectors.iter().enumerate() {
            for part in &parts.provider_selectors {
                let schema = &part.provider.manifest().schema;
                for (key, value) in part.selectors.as_object().into_iter().flatten() {
                    let reading = GoReading::of(schema, &self.device_type, key, value);
                    if reading != GoReading::Same {
                        readings.push(KeyReading {
                            selector,
                            key,
                            reading,
                        });
                    }
                }
            }
        }
        readings
    }

    /// The resource as the Go plugin reads it.
    pub(super) fn read_by_go_plugin(mut self) -> Self {
        let selectors = self.selectors.into_iter();
        self.selectors = selectors
            .filter_map(|selector| selector.read_by_go_plugin(&self.device_type))
            .collect();
        self
    }
}

impl Selector {
    /// Nothing when it matches no device there.
    fn read_by_go_plugin(mut self, device_type: &str) -> Option<Self> {
        for part in &mut self.provider_selectors {
            let schema = &part.provider.manifest().schema;
            let Value::Object(keys) = &mut part.selectors else {
                continue;
            };
            for (key, value) in std::mem::take(keys) {
                match GoReading::of(schema, device_type, &key, &value) {
                    GoReading::Same | GoReading::Depends(_) => drop(keys.insert(key, value)),
                    GoReading::Ignored => {}
                    GoReading::Without { rest, .. } if constrains_nothing(&rest) => return None,
                    GoReading::Without { rest, .. } => drop(keys.insert(key, rest)),
                }
            }
        }
        Some(self)
    }
}

impl GoReading {
    /// The reading of a `value` of `key` in the provider's `schema`, for devices of `device_type`.
    fn of(schema: &Value, device_type: &str, key: &str, value: &Value) -> Self {
        if constrains_nothing(value) {
            return Self::Same;
        }
        let Some(keyword) = schema["properties"][key].get(KEYWORD) else {
            return Self::Ignored;
        };
        let has_key = |types: &Vec<Value>| types.iter().any(|name| name == device_type);
        if !keyword["deviceTypes"].as_array().is_none_or(has_key) {
            return Self::Ignored;
        }
        if let Some(note) = keyword["note"].as_str() {
            return Self::Depends(note.to_owned());
        }
        let Value::Array(entries) = value else {
            return Self::Same;
        };
        let (mut texts, mut rest, mut names) = (Vec::new(), Vec::new(), HashSet::new());
        for entry in entries {
            let Some(text) = entry.as_str() else {
                rest.push(entry.clone());
                continue;
            };
            let read = read_text(keyword, text, &mut names);
            if read.as_deref() != Some(text) {
                texts.push(text.to_owned());
            }
            rest.extend(read.map(Value::String));
        }
        match texts.is_empty() {
            true => Self::Same,
            false => Self::Without {
                texts,
                rest: Value::Array(rest),
            },
        }
    }
}

/// The text as the Go plugin reads it; nothing when it matches no device there.
fn read_text(keyword: &Value, text: &str, names: &mut HashSet<String>) -> Option<String> {
    let is_set = |flag: &str| keyword[flag].as_bool().unwrap_or_default();
    if is_set("lowerCase") && text != text.to_lowercase() {
        return None;
    }
    let (name, ranges) = match text.split_once('#') {
        Some((name, ranges)) if is_set("ranges") => (name, Some(ranges)),
        _ => (text, None),
    };
    let spelling = keyword["spelling"].as_str();
    if spelling.is_some_and(|spelling| !is_spelled(name, spelling)) {
        return None;
    }
    if is_set("ranges") && !names.insert(name.to_lowercase()) {
        return None;
    }
    let Some(ranges) = ranges else {
        return Some(text.to_owned());
    };
    let numbers = ranges.split(',');
    let read = numbers.take_while(|part| !part.contains(char::is_whitespace));
    let read: Vec<&str> = read.collect();
    (!read.is_empty()).then(|| format!("{name}#{}", read.join(",")))
}

fn is_spelled(text: &str, spelling: &str) -> bool {
    let fits = |(c, wanted)| match wanted {
        'h' => matches!(c, '0'..='9' | 'a'..='f'),
        'H' => c.is_ascii_hexdigit(),
        literal => c == literal,
    };
    text.chars().count() == spelling.chars().count() && text.chars().zip(spelling.chars()).all(fits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_keyword_decides() {
        let without = |texts: &[&str], rest: Value| GoReading::Without {
            texts: texts.iter().map(ToString::to_string).collect(),
            rest,
        };
        let ids = json!({"spelling": "hhhh"});
        let ranges = json!({"ranges": true});
        for (keyword, value, expected) in [
            (&ids, json!(["8086", "15b3"]), GoReading::Same),
            (&ids, json!([]), GoReading::Same),
            (
                &ids,
                json!(["0x8086", "15b3", "15B3"]),
                without(&["0x8086", "15B3"], json!(["15b3"])),
            ),
            (
                &json!({"lowerCase": true}),
                json!(["Ether"]),
                without(&["Ether"], json!([])),
            ),
            (
                &ranges,
                json!(["ens1#0-1", "ens2", "ENS1#4"]),
                without(&["ENS1#4"], json!(["ens1#0-1", "ens2"])),
            ),
            (
                &ranges,
                json!(["ens1#0, 2-3", "ens2# 1"]),
                without(&["ens1#0, 2-3", "ens2# 1"], json!(["ens1#0"])),
            ),
            (
                &json!({"ranges": true, "spelling": "HHHH:HH:HH.H"}),
                json!(["0000:3B:00.0#1", "3b:00.1"]),
                without(&["3b:00.1"], json!(["0000:3B:00.0#1"])),
            ),
            (&json!({}), json!(true), GoReading::Same),
            (
                &json!({"deviceTypes": ["a", "type"]}),
                json!(["x"]),
                GoReading::Same,
            ),
            (
                &json!({"deviceTypes": ["a"]}),
                json!(["x"]),
                GoReading::Ignored,
            ),
        ] {
            let schema = json!({"properties": {"key": {"x-go-plugin": keyword}}});
            assert_eq!(
                GoReading::of(&schema, "type", "key", &value),
                expected,
                "{keyword} {value}"
            );
        }
        let schema = json!({"properties": {"key": {"type": "boolean"}}});
        assert_eq!(
            GoReading::of(&schema, "type", "key", &json!(true)),
            GoReading::Ignored
        );
        assert_eq!(
            GoReading::of(&schema, "type", "key", &json!(false)),
            GoReading::Same
        );
    }
}
