//! What `sriovdp provider new` writes is a crate whose tests pass, and whose library the daemon loads.

use std::path::Path;
use std::process::Command;

use crate::cargo_build::Build;
use crate::repository;
use crate::test_node::{RegistrationMode, TestNode};

const NODE: &str = "
pf 0000:17:00.0 1234:0001 class=020000 driver=acme net=ens1f0
pf 0000:18:00.0 1234:0002 class=020000 driver=acme net=ens1f1
file @0000:18:00.0/label Uplink
";

#[tokio::test]
#[ignore = "builds a crate: `make test-all`"]
async fn a_new_device_type_builds_passes_its_tests_and_loads() {
    let config = r#"{"resourceList": [
        {"resourceName": "mine", "deviceType": "acmeCard", "selectors": {"devices": ["0001"], "drivers": ["acme"]}}
    ]}"#;
    // Another name than that of an example, whose library would be in the same place.
    serves("acme-card", &[], config, "0000:17:00.0").await;
}

#[tokio::test]
#[ignore = "builds a crate: `make test-all`"]
async fn a_new_extension_builds_passes_its_tests_and_loads() {
    let config = r#"{"resourceList": [
        {"resourceName": "mine", "deviceType": "netDevice", "selectors": {"vendors": ["1234"], "labels": ["uplink"]}}
    ]}"#;
    serves(
        "acme-labels",
        &["--extends", "netDevice"],
        config,
        "0000:18:00.0",
    )
    .await;
}

#[tokio::test]
async fn provider_new_refuses_invalid_names_and_existing_directories() {
    let node = TestNode::new("", RegistrationMode::Watcher);
    let (code, _, error) = node.run(&["provider", "new", "Acme"]).await;
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("such as `acme-fpga`"), "{error}");
    let parent = tempfile::tempdir().unwrap();
    std::fs::create_dir(parent.path().join("acme-fpga")).unwrap();
    let mut command = node.command(&["provider", "new", "acme-fpga"]);
    let refused = command.current_dir(parent.path()).output().await.unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(
        error.starts_with("error: `acme-fpga` is there already\nhint: "),
        "{error}"
    );
}

/// Begins a provider, tests and builds it, drops it into a running node, and waits for the one device of its pool.
async fn serves(name: &str, options: &[&str], config: &str, device: &str) {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, config);
    // Not below this workspace, which cargo would take the crate for a member of.
    let parent = tempfile::tempdir().unwrap();
    let commands = begin(&node, parent.path(), name, options).await;
    let directory = parent.path().join(name);
    // All builds of crates share one directory.
    let target = Build::at(&directory).target().to_owned();
    std::fs::create_dir_all(&target).unwrap();
    std::os::unix::fs::symlink(&target, directory.join("target")).unwrap();
    follow(parent.path(), &commands);
    let library = format!("target/release/lib{}.so", name.replace('-', "_"));
    node.provide(name, &directory.join(library));

    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    let view = kubelet
        .wait_for("intel.com/mine", |view| view.allocatable() == 1)
        .await
        .unwrap();
    assert_eq!(view.devices[0].id, device);
}

/// Runs commands as a shell does, with the program of this build.
fn follow(directory: &Path, commands: &[String]) {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debug");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-euxc", &commands.join("\n")])
        .current_dir(directory)
        .env("PATH", format!("{}:{path}", program.display()))
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Begins a provider, and returns the commands that the program prints.
async fn begin(node: &TestNode, parent: &Path, name: &str, options: &[&str]) -> Vec<String> {
    let mut command = node.command(&["provider", "new", name]);
    let begun = command
        .args(options)
        .arg("--sdk")
        .arg(repository::path("").canonicalize().unwrap())
        .current_dir(parent)
        .output()
        .await
        .unwrap();
    assert!(
        begun.status.success(),
        "{}",
        String::from_utf8_lossy(&begun.stderr)
    );
    let reported = String::from_utf8_lossy(&begun.stdout).into_owned();
    assert!(
        reported.contains(&format!("{name}/src/lib.rs\n")),
        "{reported}"
    );
    let directory = parent.join(name);
    // The versions of an example, which are there already when its tests have run.
    let lock = repository::text("examples/providers/vendor-provider/Cargo.lock");
    let lock = lock.replace(
        "name = \"acme-fpga\"\nversion = \"1.0.0\"",
        &format!("name = \"{name}\"\nversion = \"0.1.0\""),
    );
    std::fs::write(directory.join("Cargo.lock"), lock).unwrap();
    let (_, commands) = reported.split_once("next:\n").unwrap();
    commands
        .lines()
        .map(|line| line.trim().to_owned())
        .collect()
}
