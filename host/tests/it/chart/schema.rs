//! The schema of the chart's values accepts and rejects.

use std::io::Write;

use serde_json::{Value, json};

use super::{GOLDEN, goldens};
use crate::repository::{documents, text};

#[test]
fn the_schema_accepts_the_values_and_rejects_others() {
    let schema: Value =
        serde_json::from_str(&text("deployments/helm/sriovdp/values.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let values = documents("deployments/helm/sriovdp/values.yaml").remove(0);
    let declared = schema["properties"].as_object().unwrap();
    for name in declared.keys().filter(|name| *name != "global") {
        assert!(values.get(name).is_some(), "values.yaml lacks `{name}`");
    }
    validator.validate(&values).unwrap();
    for name in goldens() {
        let values = documents(&format!("{GOLDEN}{name}.values.yaml")).remove(0);
        let accepted = validator
            .validate(&values)
            .map_err(|error| error.to_string());
        assert_eq!(accepted, Ok(()), "{name}");
    }
    let providers = json!({"config": {"resourceList": [], "providers": {"intel-ddp": {}}}});
    validator.validate(&providers).unwrap();
    let entry = json!({"name": "a", "nodeSelector": {"a": "b"}, "config": {"resourceList": []}});
    let rejected = [
        json!({"kubeletDirectory": "/var/lib/kubelet"}),
        json!({"kubeletDir": "var/lib/kubelet"}),
        json!({"image": "sriovdp:0.1.0"}),
        json!({"image": {"digest": "0.1.0"}}),
        json!({"resourcePrefix": "Intel.com"}),
        json!({"config": "{}"}),
        json!({"config": {"resourceList": {"resourceName": "a"}}}),
        json!({"config": {"resourceList": [{"selectors": {}}]}}),
        json!({"config": {"resourceList": [], "resources": []}}),
        json!({"config": {"resourceList": [{"resourceName": "a", "selectors": {"devices": [0x154c]}}]}}),
        json!({"config": {"resourceList": [{"resourceName": "a", "selectors": [{"vendors": [10e9]}]}]}}),
        json!({"configurations": [{"name": "a", "nodeSelector": {"a": "b"}, "config": {"resourceLists": []}}]}),
        json!({"configurations": entry}),
        json!({"configurations": [{"name": "default", "nodeSelector": {"a": "b"}, "config": {"resourceList": []}}]}),
        json!({"configurations": [{"name": "a", "nodeSelector": {}, "config": {"resourceList": []}}]}),
        json!({"configurations": [{"name": "a", "nodeSelector": {"a": true}, "config": {"resourceList": []}}]}),
        json!({"extraArgs": "--lenient"}),
        json!({"logLevel": 10}),
        json!({"cdi": true}),
        json!({"cdi": {"enabled": "true"}}),
        json!({"providers": {"vendor": [{"name": "a"}]}}),
        json!({"providers": {"vendor": [{"name": "a", "hostPath": {"path": "/a"}, "image": {"reference": "b"}}]}}),
        json!({"providers": {"vendor": [{"name": "a", "hostPath": {"path": "/a", "type": "Socket"}}]}}),
        json!({"metrics": {"port": "9810"}}),
        json!({"metrics": {"address": "node.example.com"}}),
        json!({"tolerations": {"operator": "Exists"}}),
        json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}),
    ];
    for values in rejected {
        assert!(!validator.is_valid(&values), "{values}");
    }
    assert!(validator.is_valid(&json!({"configurations": [entry], "config": null})));
}

/// What a user sees. Helm is not needed for the other tests.
#[test]
fn helm_names_a_value_of_the_wrong_type() {
    let chart = crate::repository::path("deployments/helm/sriovdp");
    let rendering = std::process::Command::new("helm")
        .args(["template", "sriovdp"])
        .arg(chart)
        .args(["--set", "cdi.enabled=maybe"])
        .output();
    let Ok(output) = rendering else {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: the error of Helm, because Helm is not installed"
        );
        return;
    };
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        error.contains("cdi") && error.contains("boolean"),
        "{error}"
    );
}
