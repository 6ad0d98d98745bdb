//! What each command prints in each format, as files in `host/tests/snapshots`, and the help of each.
//!
//! `UPDATE_EXPECT=1 cargo test -p sriovdp-tests --test it snapshots` writes them.

use std::fmt::Write as _;
use std::path::Path;

use expect_test::expect_file;
use serde_json::Value;

use super::POOLS;
use crate::test_node::{CAPTURED, RegistrationMode, TestNode, built};

const FORMATS: [&str; 4] = ["text", "wide", "json", "yaml"];

/// Resources that are empty, unhealthy and refused, and a key that has no effect.
const MISTAKES: &str = r#"{"resourceList": [
    {"resourceName": "kernel", "selectors": {"drivers": ["igbvf"], "pfNames": ["eth2"]}},
    {"resourceName": "typo", "selectors": {"device": ["10ca"]}},
    {"resourceName": "empty", "selectors": {"vendors": ["ffff"]}},
    {"resourceName": "far", "selectors": {"rootDevices": ["0000:81:00.0"]}, "unknown": 1}
]}"#;
const NO_LINK: &str = "file @0000:81:00.0/net/eth3/carrier 0";

fn check(name: &str, text: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("snapshots");
    expect_file![directory.join(name)].assert_eq(text);
}

/// Compares the output of a command in each format with its file. JSON and YAML have the same content.
async fn snapshot(node: &TestNode, name: &str, command: &[&str]) {
    let mut text = String::new();
    let mut documents = Vec::new();
    let mut of_text = String::new();
    let root = &*node.root().to_string_lossy();
    let providers = &*node.provider_dir().to_string_lossy();
    for format in FORMATS {
        let arguments = [command, &["-o", format]].concat();
        let (code, output, errors) = node.run(&arguments).await;
        let printed = masked(&(output.clone() + &errors).replace(root, "ROOT"));
        match format {
            "json" => documents.push(serde_json::from_str::<Value>(&output).unwrap()),
            "yaml" => documents.push(serde_saphyr::from_str(&output).unwrap()),
            "text" => of_text = printed.clone(),
            // A command without a wider table.
            _ if printed == of_text => continue,
            _ => {}
        }
        let code = code.unwrap();
        let line = arguments.join(" ").replace(providers, "PROVIDERS");
        writeln!(text, "$ sriovdp {line}  # {code}").unwrap();
        text += &printed;
    }
    check(name, &text);
    let [mut json, mut yaml] = <[Value; 2]>::try_from(documents).unwrap();
    assert_eq!(json["apiVersion"], "sriovdp/v1");
    assert!(json["kind"].is_string());
    // Two runs have other times.
    for document in [&mut json, &mut yaml] {
        mask_numbers(document);
    }
    assert_eq!(json, yaml, "{name}");
}

fn mask_numbers(value: &mut Value) {
    match value {
        Value::Number(_) => *value = Value::from(0),
        Value::Array(list) => list.iter_mut().for_each(mask_numbers),
        Value::Object(object) => object.values_mut().for_each(mask_numbers),
        _ => {}
    }
}

/// Times, versions and digests are other ones in each build or run.
fn masked(text: &str) -> String {
    let text = text
        .replace(env!("CARGO_PKG_VERSION"), "VERSION")
        .replace(sriovdp_sdk::VERSION, "SDK");
    let is_time = |line: &str| {
        [
            "Seconds",
            "Ms",
            "checked in ",
            "reconcile ",
            "version ",
            "configuration ",
            "registered for ",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    let lines = text.lines().map(|line| {
        let mut masked = String::new();
        for part in line.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let number = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
            let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
            if word.len() == 64 {
                masked += &part.replace(word, "SHA256");
            } else if is_number && is_time(line) {
                masked += &part.replacen(number, "N", 1);
            } else {
                masked += part;
            }
        }
        // YAML quotes a digest that begins with a digit.
        masked
            .replace("N.N", "N")
            .replace("sha256: \"SHA256\"", "sha256: SHA256")
            + "\n"
    });
    lines.collect()
}

#[tokio::test]
async fn pools_and_devices() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, POOLS);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    let pod = kubelet.run_pod_with("web", "intel.com/dpdk", &["0000:41:10.2"]);
    daemon
        .logs("registered")
        .with("resource", "intel.com/dpdk")
        .await;
    pod.await.unwrap();
    node.change(NO_LINK);
    snapshot(&node, "list.txt", &["list"]).await;
    snapshot(&node, "explain.txt", &["explain", "0000:41:10.0"]).await;
}

#[tokio::test]
async fn mistakes_of_a_configuration() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, MISTAKES);
    node.change(NO_LINK);
    snapshot(&node, "check.txt", &["check"]).await;
    node.configure("{");
    snapshot(&node, "check-rejected.txt", &["check"]).await;
}

#[tokio::test]
async fn provider_files() {
    let node = TestNode::without_providers(CAPTURED, RegistrationMode::Watcher);
    // Its selectors do not change.
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    node.provide_bytes("junk.so", b"junk");
    snapshot(&node, "providers.txt", &["providers"]).await;
    let file = |name: &str| node.provider_dir().join(name).display().to_string();
    for (name, file) in [("loaded", file("faulty.so")), ("refused", file("junk.so"))] {
        let command = ["provider", "check", &file];
        let output = format!("provider-check-{name}.txt");
        snapshot(&node, &output, &command).await;
    }
}

#[tokio::test]
async fn the_running_daemon() {
    let config = r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}, {"resourceName": "b-"}]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() > 0)
        .await
        .unwrap();
    kubelet
        .run_pod_with("web", "intel.com/a", &["0000:41:10.2"])
        .await
        .unwrap();
    daemon.logs("registered").await;
    snapshot(&node, "status.txt", &["status"]).await;
    snapshot(&node, "events.txt", &["events", "--since", "0s"]).await;
}

/// Values for containers may be secrets.
#[tokio::test]
async fn additional_info_is_in_no_output() {
    let config = r#"{"resourceList": [{"resourceName": "a", "additionalInfo": {"*": {"key": "secret-value"}, "none": {"k": "secret-value"}}}]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    for command in [
        &["check"][..],
        &["check", "--migrate"],
        &["list"],
        &["explain"],
    ] {
        for format in FORMATS {
            let (_, output, errors) = node.run(&[command, &["-o", format]].concat()).await;
            let printed = output + &errors;
            assert!(
                !printed.is_empty() && !printed.contains("secret-value"),
                "{printed}"
            );
        }
    }
}

#[tokio::test]
async fn a_version() {
    let node = TestNode::without_providers("", RegistrationMode::Watcher);
    let (code, output, _) = node.run(&["version", "-o", "json"]).await;
    assert_eq!(code, Some(0));
    let version: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(version["kind"], "Version");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["sdk"], sriovdp_sdk::VERSION);
    for key in ["rustc", "target"] {
        assert!(
            version[key].as_str().is_some_and(|text| !text.is_empty()),
            "{output}"
        );
    }
    let (_, short, _) = node.run(&["--version"]).await;
    assert_eq!(short, format!("sriovdp {}\n", env!("CARGO_PKG_VERSION")));
}

/// Colours are for terminals, unless an option demands them.
#[tokio::test]
async fn colors() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, MISTAKES);
    for (arguments, has_colors) in [
        (["list", "--color", "always"], true),
        (["list", "--color", "auto"], false),
        (["nonsense", "--color", "always"], true),
        (["nonsense", "--color", "never"], false),
    ] {
        let (_, output, errors) = node.run(&arguments).await;
        let printed = output + &errors;
        assert_eq!(
            printed.contains('\u{1b}'),
            has_colors,
            "{arguments:?}: {printed}"
        );
    }
}

#[test]
fn help() {
    fn write(text: &mut String, command: &mut clap::Command, name: &str) {
        let help = command.render_long_help().to_string();
        writeln!(text, "$ {name} --help\n{}\n", help.trim_end()).unwrap();
        for command in command.get_subcommands_mut() {
            if !command.is_hide_set() && command.get_name() != "help" {
                let name = format!("{name} {}", command.get_name());
                write(text, command, &name);
            }
        }
    }
    let mut command = sriovdp::cli::command().term_width(100);
    command.build();
    let mut text = String::new();
    write(&mut text, &mut command, "sriovdp");
    let lines = text.lines().map(|line| line.trim_end().to_owned() + "\n");
    check("help.txt", &lines.collect::<String>());
}
