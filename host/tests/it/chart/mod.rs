//! The Helm chart: its renderings, which `make chart` writes with Helm, are the objects of the kustomize manifests.

mod schema;

use std::collections::BTreeMap;
use std::ffi::OsString;

use serde_json::{Value, json};
use sriovdp::cli::Arguments;

use crate::repository::{documents, files, list, text};

/// The names of the files of values that `make chart` renders.
fn goldens() -> Vec<String> {
    let files = files("deployments/helm/golden", "yaml");
    let names = files
        .iter()
        .filter_map(|file| file.strip_suffix(".values.yaml"));
    let names: Vec<String> = names.map(|file| file.replace(GOLDEN, "")).collect();
    assert_eq!(files.len(), names.len() * 2, "{files:?}");
    names
}

const GOLDEN: &str = "deployments/helm/golden/";

fn rendered(name: &str) -> Vec<Value> {
    documents(&format!("{GOLDEN}{name}.yaml"))
}

fn objects(name: &str, kind: &str) -> Vec<Value> {
    let all = rendered(name).into_iter();
    all.filter(|one| one["kind"] == kind).collect()
}

fn object(name: &str, kind: &str) -> Value {
    let mut found = objects(name, kind);
    assert_eq!(found.len(), 1, "{name}: {kind}");
    found.remove(0)
}

fn manifest(file: &str) -> Value {
    documents(&format!("deployments/{file}")).remove(0)
}

fn container(daemon_set: &Value) -> &Value {
    &daemon_set["spec"]["template"]["spec"]["containers"][0]
}

/// Without the labels that Helm adds to each object and to the selector of its pods.
fn without_chart_labels(mut object: Value) -> Value {
    let places = [
        "/metadata/labels",
        "/spec/selector/matchLabels",
        "/spec/template/metadata/labels",
    ];
    for place in places {
        if let Some(Value::Object(labels)) = object.pointer_mut(place) {
            labels.retain(|key, _| key == "app.kubernetes.io/name");
        }
    }
    object
}

/// What kustomize applies: the manifest with the tag of `kustomization.yaml`.
fn daemon_set_of_kustomize() -> Value {
    let mut daemon_set = manifest("daemonset.yaml");
    let tag = &manifest("kustomization.yaml")["images"][0]["newTag"];
    let image = format!("sriovdp:{}", tag.as_str().unwrap());
    daemon_set["spec"]["template"]["spec"]["containers"][0]["image"] = Value::String(image);
    daemon_set
}

/// Names the first difference, because the objects are long.
#[track_caller]
fn assert_same(name: &str, from_chart: &Value, expected: &Value) {
    let [chart, manifest] =
        [from_chart, expected].map(|object| serde_json::to_string_pretty(object).unwrap());
    for (number, (found, wanted)) in chart.lines().zip(manifest.lines()).enumerate() {
        let above = chart.lines().skip(number.saturating_sub(8)).take(8);
        let above = above.collect::<Vec<_>>().join("\n");
        assert_eq!(found, wanted, "{name}, below\n{above}");
    }
    assert_eq!(from_chart, expected, "{name}");
}

#[test]
fn default_values_give_the_objects_of_the_manifests() {
    let from_chart = without_chart_labels(object("default", "DaemonSet"));
    assert_same("default", &from_chart, &daemon_set_of_kustomize());

    let config = |map: Value| -> Value {
        serde_json::from_str(map["data"]["config.json"].as_str().unwrap()).unwrap()
    };
    let from_chart = object("default", "ConfigMap");
    let from_kustomize = manifest("configmap.yaml");
    assert_eq!(
        from_chart["metadata"]["name"],
        from_kustomize["metadata"]["name"]
    );
    assert_eq!(config(from_chart), config(from_kustomize));
    assert_eq!(rendered("default").len(), 2);
}

#[test]
fn the_chart_has_the_version_of_the_program() {
    let chart = documents("deployments/helm/sriovdp/Chart.yaml").remove(0);
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// Each component adds to lists: mounts, volumes and variables by a patch of its own file, and arguments by JSON patch.
#[test]
fn optional_parts_are_the_components_of_kustomize() {
    for (name, component) in [("cdi", "cdi"), ("monitoring", "monitoring")] {
        let mut expected = daemon_set_of_kustomize();
        let patch = manifest(&format!("{component}/daemonset.yaml"));
        let patches = &manifest(&format!("{component}/kustomization.yaml"))["patches"];
        let operations: Vec<Value> =
            serde_saphyr::from_str(patches[1]["patch"].as_str().unwrap()).unwrap();
        let pod = &mut expected["spec"]["template"]["spec"];
        append(
            &mut pod["volumes"],
            &patch["spec"]["template"]["spec"]["volumes"],
        );
        for key in ["volumeMounts", "env", "ports"] {
            append(&mut pod["containers"][0][key], &container(&patch)[key]);
        }
        for operation in operations {
            assert_eq!(operation["op"], "add");
            assert_eq!(operation["path"], "/spec/template/spec/containers/0/args/-");
            append(
                &mut pod["containers"][0]["args"],
                &json!([operation["value"]]),
            );
        }
        let from_chart = without_chart_labels(object(name, "DaemonSet"));
        // A key of an absent list is null after `append`.
        assert_same(name, &from_chart, &without_nulls(expected));
    }
    for (kind, file) in [
        ("PodMonitor", "monitoring/podmonitor.yaml"),
        ("PrometheusRule", "monitoring/prometheusrule.yaml"),
    ] {
        let from_chart = without_chart_labels(object("monitoring", kind));
        assert_eq!(
            from_chart["spec"],
            without_chart_labels(manifest(file))["spec"]
        );
    }
}

fn append(to: &mut Value, more: &Value) {
    let Value::Array(more) = more else { return };
    match to {
        Value::Array(all) => all.extend_from_slice(more),
        _ => *to = Value::Array(more.clone()),
    }
}

fn without_nulls(mut value: Value) -> Value {
    let container = &mut value["spec"]["template"]["spec"]["containers"][0];
    let container = container.as_object_mut().unwrap();
    container.retain(|_, value| !value.is_null());
    value
}

#[test]
fn one_value_switches_the_directory_of_the_kubelet() {
    let default = text(&format!("{GOLDEN}default.yaml"));
    let other = text(&format!("{GOLDEN}kubelet-dir.yaml"));
    assert_eq!(
        other,
        default.replace("/var/lib/kubelet", "/var/lib/k0s/kubelet")
    );
}

#[test]
fn every_node_has_the_daemon_set_of_one_configuration() {
    let daemon_sets = objects("configurations", "DaemonSet");
    let selected = |labels: &[(&str, &str)]| {
        let mut labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        labels.insert("kubernetes.io/os", "linux");
        let all = daemon_sets.iter().filter(|one| selects(one, &labels));
        let names = all.map(|one| one["metadata"]["name"].as_str().unwrap());
        names.collect::<Vec<_>>()
    };
    let (gpu, rdma) = (("example.com/kind", "gpu"), ("example.com/rdma", "true"));
    let (edge, amd64) = (
        ("example.com/site", "edge"),
        ("kubernetes.io/arch", "amd64"),
    );
    assert_eq!(selected(&[amd64]), ["sriovdp"]);
    assert_eq!(selected(&[amd64, gpu]), ["sriovdp"]);
    assert_eq!(selected(&[amd64, rdma]), ["sriovdp"]);
    assert_eq!(selected(&[amd64, gpu, rdma]), ["sriovdp-gpu"]);
    assert_eq!(selected(&[amd64, edge]), ["sriovdp-edge"]);
    assert_eq!(selected(&[amd64, edge, gpu]), ["sriovdp-edge"]);
    // Both entries select it, and the first of the list has it.
    assert_eq!(selected(&[amd64, edge, gpu, rdma]), ["sriovdp-gpu"]);
    // The affinity of the values counts for all of them.
    let (riscv, tested) = (
        ("kubernetes.io/arch", "riscv64"),
        ("example.com/tested", "1"),
    );
    assert_eq!(selected(&[riscv, gpu, rdma]), [""; 0]);
    assert_eq!(selected(&[riscv, tested]), ["sriovdp"]);
    assert_eq!(selected(&[riscv, tested, edge]), ["sriovdp-edge"]);

    // Each mounts its own ConfigMap, and selects its own pods only.
    for daemon_set in &daemon_sets {
        let spec = &daemon_set["spec"];
        let name = daemon_set["metadata"]["name"].as_str().unwrap();
        let volume = list(&spec["template"]["spec"]["volumes"]).find(|v| v["name"] == "config");
        assert_eq!(
            volume.unwrap()["configMap"]["name"],
            format!("{name}-config")
        );
        let labels = &spec["template"]["metadata"]["labels"];
        let selecting = daemon_sets.iter().filter(|other| {
            let selector = other["spec"]["selector"]["matchLabels"]
                .as_object()
                .unwrap();
            selector.iter().all(|(key, value)| labels[key] == *value)
        });
        assert_eq!(selecting.count(), 1, "{name}");
    }
}

/// As the controller of DaemonSets decides, for the operators that the chart and its values have.
fn selects(daemon_set: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let pod = &daemon_set["spec"]["template"]["spec"];
    let has = |key: &str, value: &Value| labels.get(key).is_some_and(|found| *value == **found);
    let matches = |expression: &Value| {
        let key = expression["key"].as_str().unwrap();
        let is_in = list(&expression["values"]).any(|value| has(key, value));
        match expression["operator"].as_str().unwrap() {
            "In" => is_in,
            "NotIn" => !is_in,
            "Exists" => labels.contains_key(key),
            other => panic!("{other}"),
        }
    };
    let required =
        &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let terms = &required["nodeSelectorTerms"];
    let selector = pod["nodeSelector"].as_object().unwrap();
    selector.iter().all(|(key, value)| has(key, value))
        && (terms.is_null() || list(terms).any(|term| list(&term["matchExpressions"]).all(matches)))
}

#[test]
fn no_container_has_a_privilege() {
    let expected = json!({
        "runAsUser": 0, "privileged": false, "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
    });
    let mut count = 0;
    for name in goldens() {
        for daemon_set in objects(&name, "DaemonSet") {
            let pod = &daemon_set["spec"]["template"]["spec"];
            for container in list(&pod["containers"]).chain(list(&pod["initContainers"])) {
                let mut context = container["securityContext"].clone();
                context.as_object_mut().unwrap().remove("seLinuxOptions");
                assert_eq!(context, expected, "{name}");
                count += 1;
            }
        }
    }
    assert!(count > goldens().len(), "{count}");
}

#[test]
fn the_program_accepts_the_arguments() {
    for name in goldens() {
        for daemon_set in objects(&name, "DaemonSet") {
            // The kubelet replaces the variable.
            let arguments = list(&container(&daemon_set)["args"]);
            let arguments =
                arguments.map(|a| a.as_str().unwrap().replace("$(NODE_IP)", "192.0.2.7"));
            let arguments = arguments.map(OsString::from);
            let line = std::iter::once(OsString::from("sriovdp")).chain(arguments);
            let parsed = Arguments::parse_go_style(line);
            parsed.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

/// Every mount has a volume, each directory of `--provider-dir` but the built-in one is mounted read only, and the
/// files of an init container are in a directory that it makes: the root of an emptyDir is writable for all users, so
/// path trust refuses it.
#[test]
fn directories_of_vendors_are_mounted() {
    let daemon_set = object("providers", "DaemonSet");
    let pod = &daemon_set["spec"]["template"]["spec"];
    let mounts = &container(&daemon_set)["volumeMounts"];
    let arguments = list(&container(&daemon_set)["args"]).filter_map(Value::as_str);
    let mut directories = arguments.filter_map(|a| a.strip_prefix("--provider-dir="));
    assert_eq!(directories.next(), Some("/opt/sriovdp/providers"));
    let mut sources = Vec::new();
    for directory in directories {
        let mount = list(mounts).find(|mount| mount["mountPath"] == directory);
        let mount = mount.unwrap_or_else(|| panic!("no mount at {directory}"));
        assert_eq!(mount["readOnly"], true);
        let volume = list(&pod["volumes"]).find(|volume| volume["name"] == mount["name"]);
        let source = volume.unwrap().as_object().unwrap().keys();
        let source = source
            .filter(|key| *key != "name")
            .cloned()
            .collect::<String>();
        if source == "emptyDir" {
            assert_eq!(mount["subPath"], "providers");
        }
        sources.push(source);
    }
    assert_eq!(sources, ["hostPath", "image", "emptyDir"]);
}
