//! What providers declare beyond devices: settings of their own, a call before a container starts, replaced parts.

use serde_json::{Value, json};

use crate::test_node::{RegistrationMode, TestNode, both_modes};

both_modes!(a_running_pool_announces_what_its_providers_do_now);

const POOL: &str = "intel.com/raw";

fn manifest(more: &Value) -> Value {
    let mut manifest = json!({
        "package": "p", "version": "1", "sdk": "1.0.0", "summary": "s",
        "schema": {"properties": {}},
    });
    for (key, value) in more.as_object().unwrap() {
        manifest[key] = value.clone();
    }
    manifest
}

fn owner(more: Value, devices: &Value) -> Vec<(&'static str, Value)> {
    let mut more = more;
    more["device_type"] = "raw".into();
    vec![
        ("manifest", manifest(&more)),
        ("discover", json!({ "devices": devices })),
        ("select", json!({"admitted": [0]})),
        ("allocate", json!({"devices": [{}]})),
        ("pre_start", json!({})),
        ("check_settings", json!({})),
    ]
}

fn extension(key: &str, more: Value) -> Vec<(&'static str, Value)> {
    let mut more = more;
    more["extends"] = json!(["raw"]);
    more["schema"] = json!({"properties": {key: {"type": "boolean"}}});
    vec![
        ("manifest", manifest(&more)),
        ("discover", json!({"devices": [{"id": "d0"}]})),
        ("select", json!({"admitted": [0]})),
        ("allocate", json!({"devices": [{}]})),
    ]
}

fn config(selectors: &Value, providers: &Value) -> String {
    json!({
        "resourceList": [{"resourceName": "raw", "deviceType": "raw", "selectors": selectors}],
        "providers": providers,
    })
    .to_string()
}

fn node(config: &str) -> TestNode {
    let node = TestNode::without_providers("", RegistrationMode::Watcher);
    node.configure(config);
    node
}

#[tokio::test]
async fn settings_are_checked_by_the_schema_of_their_provider() {
    let settings = json!({
        "type": "object",
        "properties": {"healthSocket": {"type": "string"}, "limits": {"$ref": "#/$defs/Limits"}},
        "$defs": {"Limits": {"type": "object", "properties": {"queues": {"type": "integer"}}}},
    });
    let check = async |providers: Value| {
        let node = node(&config(&json!({}), &providers));
        let of = json!({"settings": settings});
        node.provide_scripted("cards", &owner(of, &json!([{"id": "d0"}])));
        let (code, output, _) = node.run(&["check"]).await;
        (code, output)
    };
    let (code, output) =
        check(json!({"cards": {"HealthSocket": "/run/x", "limits": {"queues": 4}}})).await;
    assert!(
        code == Some(0) && output.contains("intel.com/raw: 1 device"),
        "{output}"
    );
    for (providers, expected) in [
        (
            json!({"cards": {"healthSockt": "/run/x"}}),
            "`providers.cards.healthSockt`: the provider `cards` has no such setting",
        ),
        (
            json!({"cards": {"healthSockt": "/run/x"}}),
            "did you mean `healthSocket`?",
        ),
        (
            json!({"cards": {"limits": {"queue": 4}}}),
            "`providers.cards.limits.queue`: the provider `cards` has no such setting",
        ),
        (
            json!({"cards": {"limits": {"queue": 4}}}),
            "the settings of its provider `cards` have a mistake",
        ),
    ] {
        let (code, output) = check(providers).await;
        assert!(code == Some(1) && output.contains(expected), "{output}");
    }
    let (code, output) = check(json!({"card": {}})).await;
    let expected = "`providers.card`: no provider has this name";
    assert!(
        output.contains(expected) && output.contains("did you mean `cards`?"),
        "{output}"
    );
    assert_eq!(code, Some(0), "the section has no effect");
}

#[tokio::test]
async fn the_schema_of_the_configuration_has_the_settings() {
    let node = node(&config(&json!({}), &json!({})));
    let settings = json!({"type": "object", "properties": {"healthSocket": {"type": "string"}}});
    node.provide_scripted("cards", &owner(json!({"settings": settings}), &json!([])));
    let (_, output, _) = node.run(&["schema"]).await;
    let schema: Value = serde_json::from_str(&output).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let with = |providers: Value| json!({"resourceList": [], "providers": providers});
    assert!(validator.is_valid(&with(json!({"cards": {"healthSocket": "/run/x"}}))));
    assert!(!validator.is_valid(&with(json!({"cards": {"healthSocket": 7}}))));
}

#[tokio::test]
async fn a_container_starts_after_its_providers_have_prepared_it() {
    for (features, announced) in [(json!(["pre_start"]), true), (json!([]), false)] {
        let node = node(&config(&json!({}), &json!({})));
        let of = json!({"features": features});
        node.provide_scripted("raw", &owner(of, &json!([{"id": "d0"}])));
        let kubelet = node.kubelet().await;
        let _daemon = node.daemon();
        let ready = kubelet.wait_for(POOL, |view| view.allocatable() == 1);
        ready.await.unwrap();
        kubelet.allocate(POOL, &["d0"]).await.unwrap();
        assert_eq!(
            kubelet.start_container(POOL, &["d0"]).await.unwrap(),
            announced
        );
        if announced {
            let refused = kubelet.start_container(POOL, &["d9"]).await.unwrap_err();
            assert!(
                refused.message().contains("has no device `d9`"),
                "{refused}"
            );
        }
        assert_eq!(kubelet.violations(), [""; 0]);
    }
}

async fn a_running_pool_announces_what_its_providers_do_now(mode: RegistrationMode) {
    let node = TestNode::without_providers("", mode);
    node.configure(&config(&json!({}), &json!({})));
    node.provide_scripted("owner", &owner(json!({}), &json!([{"id": "d0"}])));
    let mut preparing = extension("prepared", json!({"features": ["pre_start"]}));
    preparing.push(("pre_start", json!({})));
    node.provide_scripted("preparing", &preparing);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    let announces = async |announced: bool| {
        let ready = kubelet.wait_for(POOL, |view| {
            view.connected
                && view.options.pre_start_required == announced
                && (view.allocatable(), view.capacity()) == (1, 1)
        });
        ready.await.unwrap();
        kubelet.allocate(POOL, &["d0"]).await.unwrap();
        let prepared = kubelet.start_container(POOL, &["d0"]).await.unwrap();
        assert_eq!(prepared, announced);
    };
    announces(false).await;
    // A selector of such an extension, and none.
    node.configure(&config(&json!({"prepared": true}), &json!({})));
    announces(true).await;
    node.configure(&config(&json!({}), &json!({})));
    announces(false).await;
    // A newer file of the owner.
    let newer = owner(json!({"features": ["pre_start"]}), &json!([{"id": "d0"}]));
    node.provide_scripted("owner", &newer);
    announces(true).await;
    daemon
        .logs("registration_renewed")
        .with("resource", POOL)
        .times(3)
        .await;
    assert!(!daemon.log().contains("device_unhealthy"));
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn a_container_of_a_running_pod_starts_again_with_a_device_that_no_new_pod_gets() {
    let node = node(&config(&json!({}), &json!({})));
    let answers = |devices: Value, admitted: Value| {
        let mut answers = owner(json!({"features": ["pre_start"]}), &devices);
        answers.retain(|(method, _)| *method != "select");
        answers.push(("select", json!({ "admitted": admitted })));
        answers.push((
            "explain",
            json!({"key": "drivers", "reason": "it has iavf"}),
        ));
        answers
    };
    node.provide_scripted("raw", &answers(json!([{"id": "d0"}]), json!([0])));
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    let healthy = async |healthy: usize| {
        let listed = kubelet.wait_for(POOL, |view| {
            view.connected && (view.allocatable(), view.capacity()) == (healthy, 1)
        });
        listed.await.unwrap();
    };
    healthy(1).await;
    kubelet.run_pod_with("pod", POOL, &["d0"]).await.unwrap();
    for devices in [json!([{"id": "d0"}]), json!([])] {
        node.provide_scripted("raw", &answers(devices, json!([])));
        healthy(0).await;
        assert!(kubelet.start_container(POOL, &["d0"]).await.unwrap());
        let refused = kubelet.allocate(POOL, &["d0"]).await.unwrap_err();
        assert!(refused.message().contains("any more"), "{refused}");
    }
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn an_invalid_attribute_costs_no_device() {
    let node = node(&config(&json!({}), &json!({})));
    let attributes = json!({
        "firmware": {"version": "22.31"}, "model": {"string": "x".repeat(65)}, "ports": {"int": 2},
    });
    let devices = json!([{"id": "d0", "attrs": attributes}]);
    node.provide_scripted("raw", &owner(json!({}), &devices));
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    let listed = kubelet.wait_for(POOL, |view| view.allocatable() == 1);
    listed.await.unwrap();
    for (attribute, error) in [("firmware", "`22.31` is no version"), ("model", "64 bytes")] {
        daemon
            .logs("attribute_dropped")
            .with("provider", "raw.so")
            .with("device", "d0")
            .with("attribute", attribute)
            .containing("error", error)
            .await;
    }
    let (_, listed, _) = node.run(&["list", "-o", "json"]).await;
    assert!(
        listed.contains("ports") && !listed.contains("firmware"),
        "{listed}"
    );
}

#[tokio::test]
async fn what_an_extension_replaces_may_be_missing() {
    let finding = json!({"cause": "existence", "reason": "no group node", "part": "vfio"});
    let devices = json!([{"id": "d0", "unhealthy": "no group node", "findings": [finding]}]);
    let serve = async |selectors: Value| {
        let node = node(&config(&selectors, &json!({})));
        let of = json!({"replaceable": ["vfio"]});
        node.provide_scripted("owner", &owner(of, &devices));
        node.provide_scripted("a", &extension("cdev", json!({"replaces": ["vfio"]})));
        node.provide_scripted("b", &extension("other", json!({"replaces": ["vfio"]})));
        node.provide_scripted("c", &extension("wrong", json!({"replaces": ["uio"]})));
        let (_, output, _) = node.run(&["check"]).await;
        output
    };
    let output = serve(json!({})).await;
    assert!(output.contains("1 device, 0 healthy"), "{output}");
    let output = serve(json!({"cdev": true})).await;
    assert!(output.contains("1 device, 1 healthy"), "{output}");
    let output = serve(json!({"cdev": true, "other": true})).await;
    let expected = "the providers `a.so` and `b.so` both replace `vfio`";
    assert!(output.contains(expected), "{output}");
    let output = serve(json!({"wrong": true})).await;
    let expected = "the provider `c.so` replaces `uio`, which `owner.so` does not hand out";
    assert!(output.contains(expected), "{output}");
}

#[tokio::test]
async fn an_extension_replaces_the_vfio_nodes_of_a_built_in_owner() {
    let functions = "
        pf 0000:03:00.0 8086:1592 driver=ice net=ens1f0
        vf 0000:03:01.{0-1} 8086:1889 pf=0000:03:00.0 id={0-1} driver=vfio-pci group=4{0-1}
        nodev /dev/vfio/40
        nodev /dev/vfio/41
    ";
    let list = json!({"resourceList": [
        {"resourceName": "cdev", "selectors": {"pfNames": ["ens1f0#0"], "cdevOnly": true}},
        {"resourceName": "group"},
    ]});
    let node = TestNode::with_config(functions, RegistrationMode::Watcher, &list.to_string());
    let cdev = "/dev/vfio/devices/vfio0";
    let extension = |devices: Value| {
        let more = json!({
            "extends": ["netDevice"],
            "replaces": ["vfio"],
            "schema": {"properties": {"cdevOnly": {"type": "boolean"}}},
        });
        let allocation = json!({"nodes": [[cdev, cdev]], "info": {"vfio": {"cdev": cdev}}});
        [
            ("manifest", manifest(&more)),
            ("discover", json!({ "devices": devices })),
            ("select", json!({"admitted": [0, 1]})),
            ("allocate", json!({ "devices": [allocation] })),
        ]
    };
    let [first, second] = ["0000:03:01.0", "0000:03:01.1"].map(|id| json!({ "id": id }));
    node.provide_scripted("cdev", &extension(json!([first, second])));
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    let listed = kubelet.wait_for("intel.com/cdev", |view| view.allocatable() == 1);
    listed.await.unwrap();
    let of_group = kubelet.wait_for("intel.com/group", |view| view.capacity() == 1);
    assert_eq!(of_group.await.unwrap().allocatable(), 0);
    let container = kubelet
        .allocate("intel.com/cdev", &["0000:03:01.0"])
        .await
        .unwrap();
    let nodes: Vec<&str> = container
        .devices
        .iter()
        .map(|node| node.host_path.as_str())
        .collect();
    assert_eq!(nodes, [cdev]);
    assert_eq!(
        container.envs["PCIDEVICE_INTEL_COM_CDEV_INFO"],
        format!(
            r#"{{"0000:03:01.0":{{"generic":{{"deviceID":"0000:03:01.0"}},"vfio":{{"cdev":"{cdev}"}}}}}}"#
        )
    );
    let missing = json!({"cause": "existence", "reason": "its node is missing"});
    let first =
        json!({"id": "0000:03:01.0", "unhealthy": "its node is missing", "findings": [missing]});
    node.provide_scripted("cdev", &extension(json!([first, second])));
    kubelet
        .wait_for("intel.com/cdev", |view| view.allocatable() == 0)
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", daemon.log()));
}
