//! A device type that the host has never heard of, from a crate outside the workspace.

use std::path::{Path, PathBuf};

use crate::world::{Way, World};

const NODE: &str = "
pci 0000:17:00.{0-1} ac3e:000{0-1} class=120000 driver=acme
file @0000:17:00.1/acme/acme7/dev 240:7
dev /dev/acme7
";

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "cards", "deviceType": "acmeFpga", "selectors": {"DEVICES": ["0x0001"]}}
]}"#;

#[tokio::test]
async fn a_vendors_provider_is_dropped_into_a_running_node() {
    let library = build_example();
    let world = World::with_config(NODE, Way::Watcher, CONFIG);
    let kubelet = world.kubelet().await;
    let daemon = world.daemon();
    daemon
        .says("no loaded provider brings the device type `acmeFpga`")
        .await;

    world.provide("acme", &library);
    let view = kubelet
        .wait_for("intel.com/cards", |view| view.allocatable() > 0)
        .await
        .unwrap();
    assert_eq!(view.devices[0].id, "0000:17:00.1");
    let container = kubelet
        .allocate("intel.com/cards", &["0000:17:00.1"])
        .await
        .unwrap();
    assert_eq!(container.devices[0].host_path, "/dev/acme7");
    assert_eq!(kubelet.violations(), [""; 0]);
}

/// Builds the example with its own lock file, into a directory of its own below this build's.
fn build_example() -> PathBuf {
    let manifest =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/vendor-provider/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("vendor-provider");
    let built = std::process::Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target)
        .status()
        .expect("cargo starts");
    assert!(built.success(), "the example does not build");
    let libraries = std::fs::read_dir(target.join("debug")).expect("a build");
    let mut libraries = libraries.flatten().map(|entry| entry.path());
    libraries
        .find(|path| path.extension().is_some_and(|e| e == "so"))
        .expect("a library")
}
