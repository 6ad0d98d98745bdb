//! The schema of the chart's values accepts and rejects.

use std::io::Write;
use std::path::{Path, PathBuf};
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
        json!({"extraEnv": [{"name": "a", "value": 1}]}),
        json!({"extraVolumeMounts": [{"name": "a"}]}),
        json!({"extraVolumeMounts": [{"name": "a", "mountPath": "run/acme"}]}),
        json!({"serviceAccount": {"name": "Sriov"}}),
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
    let Some(output) = helm_template(&chart(), "cdi.enabled=maybe") else {
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
    let Some(output) = helm_template(&chart(), "metrics.dashboard.enabled=true") else {
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

#[test]
fn a_runbook_url_of_any_form_is_a_valid_annotation() {
    let url = "'https://example.com/a: b?";
    let enabled = "metrics.prometheusRule.enabled=true";
    let value = format!("{enabled},metrics.prometheusRule.runbookUrl={url}");
    let Some(output) = helm_template(&chart(), &value) else {
        return;
    };
    let objects: Vec<Value> =
        serde_saphyr::from_multiple(&String::from_utf8(output.stdout).unwrap()).unwrap();
    let rule = objects.iter().find(|one| one["kind"] == "PrometheusRule");
    let annotations = &rule.unwrap()["spec"]["groups"][0]["rules"][0]["annotations"];
    assert_eq!(
        annotations["runbook_url"],
        format!("{url}#a-device-is-unhealthy")
    );
}

/// As in a checkout with `core.symlinks=false`, and in an archive without them.
#[test]
fn links_that_are_not_followed_fail_the_rendering() {
    let files = [
        ("prometheusRule", "prometheusrule.yaml"),
        ("dashboard", "dashboard.json"),
    ];
    for (value, file) in files {
        for content in [None, Some(format!("../../../monitoring/{file}"))] {
            let directory = tempfile::tempdir().unwrap();
            let copy = directory.path().join("sriovdp");
            let copied = Command::new("cp")
                .arg("-RL")
                .args([&chart(), &copy])
                .status();
            assert!(copied.unwrap().success());
            let link = copy.join("files").join(file);
            std::fs::remove_file(&link).unwrap();
            if let Some(content) = content {
                std::fs::write(&link, content).unwrap();
            }
            let Some(output) = helm_template(&copy, &format!("metrics.{value}.enabled=true"))
            else {
                return;
            };
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success());
            let expected = format!("files/{file} is missing or a link that was not followed");
            assert!(error.contains(&expected), "{error}");
        }
    }
}

fn chart() -> PathBuf {
    path("deployments/helm/sriovdp")
}

/// What a user sees. Helm is not needed for the other tests; `make` finds it where it is not on the `PATH`.
fn helm_template(chart: &Path, value: &str) -> Option<Output> {
    let helm = std::env::var_os("HELM").unwrap_or_else(|| "helm".into());
    let rendering = Command::new(helm)
        .args(["template", "sriovdp"])
        .arg(chart)
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
