//! JSON values as YAML, in the block style of `kubectl`.
//!
//! serde-saphyr, which the tests parse it with, has 42,000 lines; this needs 60.

use serde_json::Value;

use super::json_escaped;

/// The document.
pub(super) fn to_yaml(value: &Value) -> String {
    let mut text = String::new();
    if is_block(value) {
        block(&mut text, value, 0);
    } else {
        text = scalar(value) + "\n";
    }
    text
}

fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(object) => !object.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

/// An object or a list, whose lines begin with `indent` spaces.
fn block(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                text.extend(std::iter::repeat_n(' ', indent));
                *text += &string(key);
                if is_block(value) {
                    *text += ":\n";
                    // A list begins below its key.
                    block(text, value, indent + if value.is_array() { 0 } else { 2 });
                } else {
                    *text += &format!(": {}\n", scalar(value));
                }
            }
        }
        Value::Array(list) => {
            for value in list {
                text.extend(std::iter::repeat_n(' ', indent));
                *text += "- ";
                if is_block(value) {
                    let mut entry = String::new();
                    block(&mut entry, value, indent + 2);
                    // Its first line follows the dash.
                    *text += &entry[indent + 2..];
                } else {
                    *text += &format!("{}\n", scalar(value));
                }
            }
        }
        _ => {}
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        // `null`, `true`, numbers, `[]` and `{}` are the same in both.
        other => other.to_string(),
    }
}

/// A word is plain; every other text has quotes, and the escapes of JSON.
fn string(text: &str) -> String {
    /// What YAML 1.1 takes for something else.
    const RESERVED: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c));
    if is_word && !RESERVED.contains(&text.to_ascii_lowercase().as_str()) {
        return text.to_owned();
    }
    json_escaped(&Value::from(text).to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn yaml_has_the_values_of_json() {
        let value = json!({
            "apiVersion": "sriovdp/v1", "empty": {}, "none": null, "list": [], "number": -1.5,
            "texts": ["0000:41:00.0", "no", "1e3", "a: b", "- x", "", "ü\u{85}\n\"\\\u{1b}", "plain", "null", "/dev/x"],
            "items": [{"a": 1, "b": {"c": [true]}}, {"a": [[1, 2], []]}],
            "0: odd key": {"deep": {"deeper": ["x"]}},
        });
        let yaml = to_yaml(&value);
        let parsed: Value = serde_saphyr::from_str(&yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"));
        assert_eq!(parsed, value, "{yaml}");
        assert!(
            yaml.contains(
                "items:\n- a: 1\n  b:\n    c:\n    - true\n- a:\n  - - 1\n    - 2\n  - []\n"
            ),
            "{yaml}"
        );
        assert!(
            !yaml.contains('\u{1b}') && !yaml.contains('\u{85}'),
            "{yaml}"
        );
        assert_eq!(to_yaml(&json!({})), "{}\n");
    }
}
