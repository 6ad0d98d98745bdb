//! What `sriovdp provider new` writes is a crate whose tests pass, and whose library the daemon loads.

use std::path::{Path, PathBuf};

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
    let directory = begin(&node, parent.path(), name, options).await;
    let patch = |package: &str, at: &str| {
        let path = repository::path(at).canonicalize().unwrap();
        format!("patch.crates-io.{package}.path={path:?}")
    };
    let sdk = patch("sriovdp-sdk", "sdk");
    let testing = patch("sriovdp-sdk-testing", "sdk/testing");
    let options = ["--offline", "--config", &sdk, "--config", &testing];
    let build = || Build::at(&directory).with(&options);
    build().test();
    let library = build().library(&name.replace('-', "_"));

    let file = library.to_string_lossy();
    node.provide(name, &library);
    let there = node.provider_dir().join(format!("{name}.so"));
    let (code, reported, error) = node
        .run(&["provider", "check", &there.to_string_lossy()])
        .await;
    assert_eq!(code, Some(0), "{file}: {reported}{error}");

    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    let view = kubelet
        .wait_for("intel.com/mine", |view| view.allocatable() == 1)
        .await
        .unwrap();
    assert_eq!(view.devices[0].id, device);
}

async fn begin(node: &TestNode, parent: &Path, name: &str, options: &[&str]) -> PathBuf {
    let mut command = node.command(&["provider", "new", name]);
    let begun = command
        .args(options)
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
    directory
}
