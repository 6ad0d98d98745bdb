//! The manifests: what a cluster, kustomize and the program itself have to understand.

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;
use sriovdp::cli::Arguments;

use crate::repository::{documents, list, of_kind, path, text};

#[test]
fn kustomizations_name_files_that_exist() {
    let mut all = of_kind("Kustomization");
    all.extend(of_kind("Component"));
    assert_eq!(all.len(), 3);
    for (file, document) in all {
        let directory = path(&file).parent().unwrap().to_owned();
        let patches = list(&document["patches"]).filter_map(|patch| patch.get("path"));
        let resources = list(&document["resources"]).chain(list(&document["components"]));
        let generated = list(&document["configMapGenerator"]).flat_map(|one| list(&one["files"]));
        let mut named = 0;
        for name in resources.chain(patches).chain(generated) {
            // The file of a ConfigMap's key stands behind the key.
            let name = name.as_str().unwrap().rsplit('=').next().unwrap();
            assert!(directory.join(name).exists(), "{file}: `{name}`");
            named += 1;
        }
        assert!(named > 0, "{file} names nothing");
    }
    // Those that are named in a comment only.
    let kustomization = text("deployments/kustomization.yaml");
    for component in ["# components:", "#   - cdi\n", "#   - monitoring\n"] {
        assert!(kustomization.contains(component), "{component}");
    }
    let [(_, cdi), (_, patched), (_, monitoring)] = &of_kind("DaemonSet")[..] else {
        panic!("three daemon sets")
    };
    for patch in [cdi, monitoring] {
        assert_eq!(patch["metadata"], patched_metadata(patched));
        assert_eq!(container(patch)["name"], container(patched)["name"]);
    }
}

/// A patch has no labels.
fn patched_metadata(manifest: &Value) -> Value {
    let mut metadata = manifest["metadata"].clone();
    metadata.as_object_mut().unwrap().remove("labels");
    metadata
}

fn container(daemon_set: &Value) -> &Value {
    &daemon_set["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn the_program_takes_the_arguments_of_the_daemon_sets() {
    let all = of_kind("DaemonSet");
    let mut given = 0;
    for (file, daemon_set) in &all {
        let arguments = list(&container(daemon_set)["args"]);
        let arguments: Vec<OsString> = arguments.map(|a| a.as_str().unwrap().into()).collect();
        given += arguments.len();
        let line = std::iter::once(OsString::from("sriovdp")).chain(arguments);
        let parsed =
            Arguments::parse_go_style(line).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(parsed.logging.without_effect.given().is_empty(), "{file}");
    }
    assert!(given > 0, "no manifest gives any argument");
}

#[test]
fn the_daemon_sets_ask_for_no_privilege() {
    let mut whole = 0;
    for (file, daemon_set) in of_kind("DaemonSet") {
        let context = &container(&daemon_set)["securityContext"];
        if context.is_null() {
            // A patch, which adds to what is there.
            continue;
        }
        assert_eq!(context["privileged"], false, "{file}");
        assert_eq!(context["allowPrivilegeEscalation"], false, "{file}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{file}");
        let capabilities = serde_json::json!({"drop": ["ALL"]});
        assert_eq!(context["capabilities"], capabilities, "{file}");
        whole += 1;
    }
    assert!(whole > 0, "all are patches");
}

/// What the shell script in front of the Go plugin takes, each with `=`, and booleans as Go programs take them.
#[test]
fn the_program_takes_what_the_go_plugins_image_takes() {
    let parse = |line: &str| {
        let words = std::iter::once("sriovdp").chain(line.split_whitespace());
        Arguments::parse_go_style(words.map(OsString::from)).unwrap()
    };
    let all = parse(
        "--log-dir=sriovdp --log-level=10 --resource-prefix=example.com --config-file=/etc/x --use-cdi",
    );
    assert!(all.use_cdi && all.command.is_none());
    assert_eq!(all.common.resource_prefix, "example.com");
    assert_eq!(all.common.config_file, Path::new("/etc/x"));
    assert_eq!(all.logging.without_effect.given(), ["--log-dir"]);
    assert!(parse("--use-cdi=1").use_cdi && !parse("-use-cdi=FALSE").use_cdi);
}

/// The table in docs/system-access.md lists what the process writes.
#[test]
fn every_written_path_is_mounted_from_the_node() {
    let document = text("docs/system-access.md");
    let plain = mounts(&["deployments/daemonset.yaml"]);
    let with_cdi = mounts(&[
        "deployments/daemonset.yaml",
        "deployments/cdi/daemonset.yaml",
    ]);
    let mut written = 0;
    for row in document.lines() {
        let cells: Vec<&str> = row.split(" | ").collect();
        let [paths, how, why] = cells[..] else {
            continue;
        };
        if !how.contains("written") && !how.contains("made") {
            continue;
        }
        let mounts = if why.contains("--use-cdi") {
            &with_cdi
        } else {
            &plain
        };
        // What stands between a pair of back-ticks is a path; those of the process itself need no mount.
        for path in paths
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|path| !path.starts_with("/proc/self"))
        {
            let path = path.replace("<kubelet>", "/var/lib/kubelet");
            assert!(
                mounts
                    .iter()
                    .any(|mount| path.starts_with(&format!("{mount}/"))),
                "{path}: {mounts:?}"
            );
            written += 1;
        }
    }
    assert_eq!(written, 4, "the table has other words for what is written");
}

/// Directories of the node that are mounted at their own path, and not read only.
fn mounts(manifests: &[&str]) -> Vec<String> {
    let mut mounted = Vec::new();
    for manifest in manifests {
        let [daemon_set] = &documents(manifest)[..] else {
            panic!("{manifest}: one document")
        };
        let volumes = &daemon_set["spec"]["template"]["spec"]["volumes"];
        for mount in list(&container(daemon_set)["volumeMounts"]) {
            let volume = list(volumes).find(|volume| volume["name"] == mount["name"]);
            let volume = volume.unwrap_or_else(|| panic!("{manifest}: no volume for {mount}"));
            let path = &mount["mountPath"];
            if mount["readOnly"] != true && volume["hostPath"]["path"] == *path {
                mounted.push(path.as_str().unwrap().to_owned());
            }
        }
    }
    mounted
}
