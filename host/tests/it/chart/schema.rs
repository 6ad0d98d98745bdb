//! The schema of the chart's values accepts and rejects.

use std::io::Write;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::{GOLDEN, goldens};
use crate::repository::{documents, path, text};

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
        json!({"kubeletDir": "/"}),
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
        json!({"extraEnv": [{"value": "a"}]}),
        json!({"extraVolumeMounts": [{"name": "a"}]}),
        json!({"serviceAccount": "sriovdp"}),
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

#[test]
fn helm_names_a_value_of_the_wrong_type() {
    let Some(output) = helm_template("cdi.enabled=maybe") else {
        return;
    };
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        error.contains("cdi") && error.contains("boolean"),
        "{error}"
    );
}

#[test]
fn the_dashboard_is_that_of_the_manifests() {
    let Some(output) = helm_template("metrics.dashboard.enabled=true") else {
        return;
    };
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(&String::from_utf8(output.stdout).unwrap()).unwrap();
    let dashboards = objects
        .iter()
        .filter_map(|object| object["data"]["sriovdp.json"].as_str());
    let file = text("deployments/monitoring/dashboard.json");
    assert_eq!(dashboards.collect::<Vec<_>>(), [file]);
}

/// What a user sees. Helm is not needed for the other tests; `make` finds it where it is not on the `PATH`.
fn helm_template(value: &str) -> Option<Output> {
    let helm = std::env::var_os("HELM").unwrap_or_else(|| "helm".into());
    let rendering = Command::new(helm)
        .args(["template", "sriovdp"])
        .arg(path("deployments/helm/sriovdp"))
        .args(["--kube-version", "1.21", "--set", value])
        .output();
    if rendering.is_err() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: what Helm makes of the chart, because Helm is not installed"
        );
    }
    rendering.ok()
}
