//! What is replaced, and what is not.

use serde_json::json;

use super::*;

fn redactor() -> Redactor {
    Redactor::new(["worker-7.example.com".to_owned()])
}

#[test]
fn values_of_additional_info_are_replaced_in_what_is_no_json_too() {
    for (text, expected) in [
        (
            r#"{"additionalInfo": {"*": {"token": "s3cret", "n": 8443, "t": true}, "0000:41:10.0": {"token": "s3cret"}}, "selectors": {"drivers": ["x"]}}"#,
            r#"{"additionalInfo": {"*": {"token": "value-1", "n": 0, "t": true}, "0000:41:10.0": {"token": "value-1"}}, "selectors": {"drivers": ["x"]}}"#,
        ),
        (
            r#"{"AdditionalInf o" : ["a\"b", {"k": "c"}], "x": "y"}"#,
            r#"{"AdditionalInf o" : ["a\"b", {"k": "c"}], "x": "y"}"#,
        ),
        (
            r#"{"additionalinfos" : ["a\"b", {"k": "c"}], "x": "y"}"#,
            r#"{"additionalinfos" : ["value-1", {"k": "value-2"}], "x": "y"}"#,
        ),
        (
            r#"{"additionalInfo": "flat", "x": "y"}"#,
            r#"{"additionalInfo": "value-1", "x": "y"}"#,
        ),
        (
            r#"{"additional\u0049nfo": "flat", "x": "y"}"#,
            r#"{"additional\u0049nfo": "value-1", "x": "y"}"#,
        ),
        (
            r#"{"x": "y", "additionalInfo": {"*": {"k": "a b", "n": 8443}},}"#,
            r#"{"x": "y", "additionalInfo": {"value-1": {"value-2": "value-3", "value-4": 0}},}"#,
        ),
    ] {
        assert_eq!(redactor().configuration(text), expected);
    }
    for text in [
        r#"{additionalInfo: {token: secret, "k": "secret}, "x": 1"#,
        r#"{"x: 1, "additionalInfo": {"*": {"token": "secret", "k": "a secret: secret"}}}"#,
        r#"{"additionalInfo: {"*": {"token": "secret"}}}"#,
        r#"{"additionalInfo": {"*": {"a: "b", "token": "secret"}}}"#,
        r#"{"additionalInfo" /* secret */ : {"*": {"token": "secret"}}}"#,
        r#"{"additionalInfo": {"*": {"a": "b"}}}, "0000:41:10.0": {"token": "secret"}}}"#,
        r#"{"additional\u0049nfo": {"*": {"token": "secret"}},}"#,
        r#"{"additionalInfo": secret"#,
        r#"{"additionalInfo: secret"}"#,
    ] {
        let redacted = redactor().configuration(text);
        assert!(!redacted.contains("secret"), "{text}: {redacted}");
    }
}

#[test]
fn names_that_are_made_of_an_address_are_replaced_before_it_is_seen() {
    let mut redactor = redactor();
    let link = "class/infiniband/rocex5cba2c0300aca0c4 -> ../rocex5cba2c0300aca0c4\n";
    let replaced = link.replace("5cba2c0300aca0c4", "0200000000000001");
    assert_eq!(redactor.node(link), replaced);
    assert_eq!(
        redactor.node("  node_guid = 5cba:2c03:00ac:a0c4\n"),
        "  node_guid = 0200:0000:0000:0001\n"
    );
    assert_eq!(redactor.node(link), replaced);
    assert_eq!(
        redactor.text("ibx5cba2c0300aca0c4-1 iwx525400a20001 ibx0000000000000000 rocexp1 ibp1"),
        "ibx0200000000000001-1 iwx020000000002 ibx0000000000000000 rocexp1 ibp1"
    );
}

#[test]
fn a_value_that_contains_others_is_replaced_as_a_whole() {
    let values = [
        "a-secret",
        "a-secret-of",
        "my-a-secret-of-52:54:00:a2:00:01",
    ];
    for _ in 0..8 {
        let mut redactor = redactor();
        redactor.configuration(&json!({"additionalInfo": values}).to_string());
        assert_eq!(
            redactor.text(&values.join(", ")),
            "value-1, value-2, value-3"
        );
    }
}

#[test]
fn hardware_addresses_keep_their_form_and_equal_ones_stay_equal() {
    let mut redactor = redactor();
    let text = "address = 9c:63:c0:00:03:c1\n enx9c63c00003c1 9C-63-C0-00-03-C1: 0000:41:10.0 at 20:50:11.482163Z \
        506b:4b03:00c3:f5a8 00:00:00:00:00:00 enp65s0f0 pci:v00008086d000029C0";
    assert_eq!(
        redactor.text(text),
        "address = 02:00:00:00:00:01\n enx020000000001 02-00-00-00-00-01: 0000:41:10.0 at 20:50:11.482163Z \
        0200:0000:0000:0002 00:00:00:00:00:00 enp65s0f0 pci:v00008086d000029C0"
    );
    let node = "  phys_switch_id = 9c63c00003c2\n  phys_port_name = p0\n  phys_switch_id =\n";
    assert_eq!(
        redactor.node(node),
        node.replace("9c63c00003c2", "020000000003")
    );
    assert_eq!(redactor.text("switch 9c63c00003c2"), "switch 020000000003");
    assert_eq!(redactor.summary(), ["3 hardware ids"]);
}

#[test]
fn hosts_pods_and_values_are_replaced_where_they_appear() {
    let mut redactor = redactor();
    redactor.configuration(
        r#"{"additionalInfo": {"*": {"token": "long-secret", "driver": "vfio-pci"}}}"#,
    );
    redactor.node("driver -> ../vfio-pci");
    let mut json = json!({
        "containers": [{"namespace": "shop", "pod": "web-1", "container": "app", "devices": ["x"]}],
        "pod": {"namespace": "shop", "name": "web-2", "container": "app"}, "name": "intel.com/x",
        "texts": ["on worker-7.example.com and worker-7, not xworker-7", "long-secret on vfio-pci"],
    });
    redactor.json(&mut json);
    assert_eq!(
        json,
        json!({
            "containers": [{"namespace": "namespace-1", "pod": "pod-1", "container": "container-1", "devices": ["x"]}],
            "pod": {"namespace": "namespace-1", "name": "pod-2", "container": "container-1"}, "name": "intel.com/x",
            "texts": ["on host-1 and host-1, not xworker-7", "value-1 on vfio-pci"],
        })
    );
}
