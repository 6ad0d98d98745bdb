//! For every JSON, the program reports its verdict on the configuration and ends by itself.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::for_each;

/// Words that mean something at one place or another.
const WORDS: [&str; 20] = [
    "resourceList",
    "resourceName",
    "resourcePrefix",
    "deviceType",
    "netDevice",
    "auxNetDevice",
    "accelerator",
    "selectors",
    "vendors",
    "8086",
    "pfNames",
    "ens1f0#0-1,3",
    "rootDevices",
    "pKeys",
    "isRdma",
    "vdpaType",
    "auxTypes",
    "sf",
    "excludeTopology",
    "additionalInfo",
];

fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        4 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned),
        1 => ".{0,6}"
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Such JSON as the whole file, as an entry, and as each of the selectors.
fn files() -> impl Strategy<Value = Value> {
    let entry = |(n, (selectors, kind)): (usize, (Value, Option<&str>))| json!({"resourceName": format!("r{n}"), "deviceType": kind, "selectors": selectors});
    let kinds = prop::option::of(prop::sample::select(&WORDS[4..7]));
    let entries = prop::collection::vec((any_json(), kinds), 1..12);
    let entries = entries.prop_map(move |all| all.into_iter().enumerate().map(entry).collect());
    prop_oneof![
        1 => any_json(),
        1 => prop::collection::vec(any_json(), 1..12).prop_map(|all| json!({"resourceList": all})),
        2 => entries.prop_map(|all: Vec<Value>| json!({"resourceList": all})),
    ]
}

#[test]
fn no_configuration_ends_the_program() {
    let node = "pf 0000:03:00.0 8086:1592 driver=ice net=ens1f0
                vf 0000:03:01.{0-3} 8086:1889 pf=0000:03:00.0 id={0-3} driver=iavf
                sf mlx5_core.sf.2 on=0000:03:00.0 num=1";
    for_each(
        node,
        &["check"],
        &files(),
        Value::to_string,
        |_, code, output, errors| {
            let ended = matches!(code, Some(0 | 1));
            let panicked = errors.contains("panicked") || output.contains("panicked");
            assert!(ended && !panicked, "{code:?}\n{output}\n{errors}");
        },
    );
}
