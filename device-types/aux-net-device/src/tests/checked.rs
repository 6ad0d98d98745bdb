//! Which selectors make sense.

use crate::Selectors;
use serde_json::{Value, json};
use sriovdp_sdk::schemars::schema_for;

use super::scan;

/// What is wrong with `selectors`, with its hint.
#[track_caller]
fn wrong(selectors: &Value) -> String {
    let (_node, provider) = scan("");
    let error = provider.check(selectors.clone()).expect_err("a refusal");
    format!("{error}; {}", error.hint().unwrap_or("no cure"))
}

#[test]
fn aux_types_is_required() {
    for selectors in [json!({}), json!({"vendors": ["15b3"], "auxTypes": []})] {
        assert_eq!(
            wrong(&selectors),
            r#"the selector `auxTypes` is missing; add `"auxTypes": ["sf"]`"#
        );
    }
}

#[test]
fn sf_is_the_only_type() {
    for (types, unknown) in [
        (json!(["eth"]), "eth"),
        (json!(["sf", "rdma"]), "rdma"),
        (json!(["SF"]), "SF"),
        (json!([""]), "\"\""),
    ] {
        let expected = format!(
            "`{unknown}` is no auxiliary device that a container could have; \
             subfunctions are the only ones: write `\"auxTypes\": [\"sf\"]`"
        );
        assert_eq!(wrong(&json!({"auxTypes": types})), expected);
    }
    let (_node, provider) = scan("");
    provider.check(json!({"auxTypes": ["sf"]})).expect("sense");
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let (_node, provider) = scan("");
    for mut selectors in [
        json!({"vendors": ["mellanox"]}),
        json!({"pfNames": ["p0#3-1"]}),
        json!({"rootDevices": ["p0"]}),
        json!({"needVhostNet": "yes"}),
        json!({"auxTypes": "sf"}),
    ] {
        if selectors.get("auxTypes").is_none() {
            selectors["auxTypes"] = json!(["sf"]);
        }
        assert!(provider.check(selectors.clone()).is_err(), "{selectors}");
    }
}

#[test]
fn the_schema_has_the_keys_of_subfunctions() {
    let schema = schema_for!(Selectors).to_value();
    let keys = schema["properties"].as_object().expect("properties");
    assert_eq!(
        keys.keys().collect::<Vec<_>>(),
        [
            "acpiIndexes",
            "auxTypes",
            "completeDeviceInfo",
            "devices",
            "drivers",
            "linkTypes",
            "needVhostNet",
            "pciAddresses",
            "pcieRoots",
            "pfNames",
            "rootDevices",
            "vdpaType",
            "vendors"
        ]
    );
}
