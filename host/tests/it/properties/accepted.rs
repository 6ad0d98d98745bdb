//! What the Go plugin accepts is offered, or refused with a reason that names the entry.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::for_each;

const LISTS: [(&str, &[&str]); 12] = [
    ("vendors", &["8086", "0x15B3", "", "zz"]),
    ("devices", &["1889", "154C", "10000"]),
    ("drivers", &["iavf", "vfio-pci", ""]),
    ("pciAddresses", &["0000:03:01.0", "03:01.1", "nowhere"]),
    ("acpiIndexes", &["7", "-1"]),
    (
        "PFNAMES",
        &["ens1f0", "ens1f0#0,2-3", "ens1f0#3-1", "#", "ens1f0#x"],
    ),
    ("rootDevices", &["0000:03:00.0#1", "3:0.0", "ens1f0"]),
    ("linkTypes", &["ether", "infiniband", "token-ring"]),
    ("ddpProfiles", &["GTPv1-C/U IPv4/IPv6 payload"]),
    ("pKeys", &["0x8001", "8001", "0x18001"]),
    ("auxTypes", &["sf", "eth"]),
    ("sriovMode", &["anything"]),
];

fn selector() -> impl Strategy<Value = Value> {
    let list = prop::sample::select(&LISTS[..]).prop_flat_map(|(key, values)| {
        let values = prop::collection::vec(prop::sample::select(values), 0..3);
        values.prop_map(move |values| (key, json!(values)))
    });
    let switch = (
        prop::sample::select(&["isRdma", "IsRdma", "needVhostNet"][..]),
        any::<bool>(),
    );
    let vdpa = prop::sample::select(&["vhost", "virtio", ""][..]);
    let member = prop_oneof![
        6 => list,
        1 => switch.prop_map(|(key, on)| (key, json!(on))),
        1 => vdpa.prop_map(|kind| ("vdpaType", json!(kind))),
    ];
    let members = prop::collection::vec(member, 0..4);
    members.prop_map(|all| {
        let members = all.into_iter().map(|(key, value)| (key.to_owned(), value));
        Value::Object(members.collect::<Map<_, _>>())
    })
}

/// An entry as the Go plugin takes it: its rule for names, the three device types, and an object or a list.
fn entry() -> impl Strategy<Value = Value> {
    let selectors = prop_oneof![
        selector(),
        prop::collection::vec(selector(), 1..3).prop_map(Value::from),
    ];
    let kind = prop::sample::select(&["netDevice", "accelerator", "auxNetDevice"][..]);
    let prefix = prop::sample::select(&["intel.com", "example.org", "Intel.com", "a_b"][..]);
    let info = json!({"*": {"a": "<b>"}, "0000:03:01.0": {"a": "c"}});
    (
        "[a-zA-Z0-9_-]{1,8}",
        prop::option::of(prefix),
        prop::option::of(kind),
        selectors,
        any::<bool>(),
        prop::option::of(Just(info)),
    )
        .prop_map(|(name, prefix, kind, selectors, apart, info)| {
            json!({
                "resourceName": name,
                "resourcePrefix": prefix,
                "deviceType": kind,
                "selectors": selectors,
                "excludeTopology": apart,
                "additionalInfo": info,
            })
        })
}

#[test]
fn every_entry_is_offered_or_refused_with_a_reason() {
    let node = "pf 0000:03:00.0 8086:1592 driver=ice net=ens1f0
                vf 0000:03:01.{0-3} 8086:1889 pf=0000:03:00.0 id={0-3} driver=iavf
                sf mlx5_core.sf.2 on=0000:03:00.0 num=1";
    let entries = prop::collection::vec(entry(), 1..16);
    for_each(
        node,
        &["check"],
        &entries,
        |entries| json!({"resourceList": entries}).to_string(),
        |entries, code, output, errors| {
            assert!(matches!(code, Some(0 | 1)), "{code:?}\n{errors}");
            for (n, entry) in entries.iter().enumerate() {
                let text = |key: &str, default| entry[key].as_str().unwrap_or(default).to_owned();
                let prefix = text("resourcePrefix", "intel.com");
                let pool = format!("{prefix}/{}: ", text("resourceName", ""));
                let offered = output.lines().any(|line| line.starts_with(&pool));
                let key = format!("`resourceList[{n}]");
                let refused = output.lines().any(|line| {
                    let reason = line
                        .split_once(&key)
                        .and_then(|(_, rest)| rest.split_once("`: "));
                    line.starts_with("error: ") && reason.is_some_and(|(_, text)| !text.is_empty())
                });
                assert!(
                    offered || refused,
                    "there is no verdict on entry {n}, {entry}:\n{output}"
                );
            }
        },
    );
}
