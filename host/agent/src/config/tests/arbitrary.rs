//! Texts and JSON of any shape.

use std::path::Path;

use serde_json::Value;

use super::super::parse;
use super::defaults;

proptest::proptest! {
    #[test]
    fn no_text_at_all_panics(text in ".*") {
        let _ = parse::parse(&text, Path::new("config.json"), &defaults());
    }

    /// JSON of any shape, with the words of a configuration in likely and unlikely places.
    #[test]
    fn no_json_at_all_panics(value in any_json()) {
        let text = value.to_string();
        let listed = serde_json::json!({"resourceList": [value.clone(), {"resourceName": "a", "selectors": value}]});
        for text in [text, listed.to_string()] {
            let _ = parse::parse(&text, Path::new("config.json"), &defaults());
        }
    }
}

fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let word = prop_oneof![
        Just("resourceName".to_owned()),
        Just("RESOURCEPREFIX".to_owned()),
        Just("selectors".to_owned()),
        Just("additionalInfo".to_owned()),
        Just("deviceType".to_owned()),
        Just("excludeTopology".to_owned()),
        ".{0,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
