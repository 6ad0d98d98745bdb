//! What `sriovdp check` prints about wrong values of each selector of the built-in providers, and of `providers`, as a file
//! in `host/tests/snapshots`: the message names its key, and has no word of the language that providers are written in.
//!
//! `UPDATE_EXPECT=1 cargo test -p sriovdp-tests --test it wrong_values` writes the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;
use serde_json::Value;

use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

/// As they are in the file.
const VALUES: [&str; 21] = [
    "null",
    "true",
    "1",
    "-1",
    "1.5",
    "1e400",
    "\"\"",
    "\"x\"",
    "[]",
    "[null]",
    "[1]",
    "[\"\"]",
    "[\"x\"]",
    "[\"x#3-1\"]",
    "[\"\\ud800\"]",
    "[\"1:2:3.4\"]",
    "[[\"x\"]]",
    "[{}]",
    "{}",
    "{\"x\": 1}",
    "{\"vhost\": 1}",
];
const SECTIONS: [&str; 6] = [
    "[]",
    "\"x\"",
    "{\"x\": 1}",
    "{\"net-device\": 1}",
    "{\"net-device\": 1e400}",
    "null",
];
const NO_WORDS_OF_USERS: [&str; 16] = [
    "u8",
    "u16",
    "u32",
    "u64",
    "usize",
    "i32",
    "i64",
    "f64",
    "struct",
    "enum",
    "variant",
    "unit",
    "sequence",
    "map",
    "floating",
    "deserialize",
];

/// One run of `check`: each problem by the line of the configuration that it is on.
async fn problems(node: &TestNode, config: &str) -> BTreeMap<u64, Vec<String>> {
    node.configure(config);
    let (_, output, errors) = node.run(&["check", "-o", "json"]).await;
    let checked: Value =
        serde_json::from_str(&output).unwrap_or_else(|_| panic!("{output}{errors}"));
    let mut by_line: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for problem in checked["problems"].as_array().expect("a list") {
        let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
        let place = &problem["place"];
        let key = place["key"].as_str().expect("a key");
        let (_, key) = key.split_once("selectors.").unwrap_or(("", key));
        let mut shown = format!("{}: `{key}`: {}", text("severity"), text("message"));
        if !text("hint").is_empty() {
            write!(shown, " (hint: {})", text("hint")).unwrap();
        }
        for word in NO_WORDS_OF_USERS {
            let words = shown.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            assert!(
                !words.into_iter().any(|found| found == word),
                "`{word}`: {shown}"
            );
        }
        by_line
            .entry(place["line"].as_u64().expect("a line"))
            .or_default()
            .push(shown);
    }
    by_line
}

/// The selectors of each device type, those of extensions among them.
async fn selectors(node: &TestNode) -> BTreeMap<String, BTreeSet<String>> {
    let (_, output, _) = node.run(&["providers", "-o", "json"]).await;
    let listed: Value = serde_json::from_str(&output).expect("JSON");
    let mut selectors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for item in listed["items"].as_array().expect("a list") {
        let provider = &item["provider"];
        let own = provider["deviceType"].as_str().into_iter();
        let extended = provider["extends"].as_array().expect("a list").iter();
        for device_type in own.chain(extended.filter_map(Value::as_str)) {
            let keys = provider["selectors"].as_array().expect("a list").iter();
            let keys = keys.filter_map(|key| Some(key.as_str()?.to_owned()));
            selectors
                .entry(device_type.to_owned())
                .or_default()
                .extend(keys);
        }
    }
    selectors
}

#[tokio::test]
async fn each_message_names_its_key_in_words_of_users() {
    let node = TestNode::with_config(
        CAPTURED,
        RegistrationMode::Watcher,
        r#"{"resourceList": []}"#,
    );
    node.provide_extensions();
    let (mut lines, mut tried) = (Vec::new(), Vec::new());
    for (device_type, keys) in selectors(&node).await {
        for key in &keys {
            let required = match device_type.as_str() {
                "auxNetDevice" if key != "auxTypes" => r#""auxTypes": ["sf"], "#,
                _ => "",
            };
            for value in VALUES {
                let number = lines.len();
                lines.push(format!(
                    r#"{{"resourceName": "r{number}", "deviceType": "{device_type}", "selectors": {{{required}"{key}": {value}}}}}"#
                ));
                tried.push((device_type.clone(), key.clone(), value));
            }
        }
    }
    let config = format!("{{\"resourceList\": [\n{}\n]}}", lines.join(",\n"));
    let found = problems(&node, &config).await;
    // Keys with the same message, but for their name, are one line.
    let mut rows: Vec<(&str, String, BTreeSet<String>)> = Vec::new();
    for (number, (device_type, key, value)) in tried.into_iter().enumerate() {
        let line = u64::try_from(number).expect("a line") + 2;
        let shown = found
            .get(&line)
            .map_or_else(|| "accepted".to_owned(), |shown| shown.join("; "));
        assert!(
            shown == "accepted" || shown.contains(&key),
            "{key} {value}: {shown}"
        );
        let shown = shown.replace(&format!("`{key}"), "`KEY");
        let name = format!("{device_type}.{key}");
        match rows
            .iter_mut()
            .find(|(of, message, _)| *of == value && *message == shown)
        {
            Some((_, _, keys)) => {
                keys.insert(name);
            }
            None => rows.push((value, shown, BTreeSet::from([name]))),
        }
    }
    let order = |value: &str| VALUES.iter().position(|known| *known == value);
    rows.sort_by_key(|(value, _, _)| order(value));
    let mut text = String::new();
    for (value, shown, keys) in rows {
        let keys = Vec::from_iter(keys).join(", ");
        writeln!(text, "{value}\n    {keys}\n    {shown}").unwrap();
    }
    for section in SECTIONS {
        let config = format!(
            "{{\"resourceList\": [{{\"resourceName\": \"a\"}}],\n\"providers\": {section}}}"
        );
        let found = problems(&node, &config).await;
        let shown = found
            .get(&2)
            .map_or_else(|| "accepted".to_owned(), |shown| shown.join("; "));
        writeln!(text, "{section}\n    providers\n    {shown}").unwrap();
    }
    let snapshots = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
    expect_file![snapshots.join("wrong-values.txt")].assert_eq(&text);
}
