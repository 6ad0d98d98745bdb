//! The promise across versions: old providers and newer ones load, whatever they were built with.

use crate::cargo_build::{Build, installed, notify};
use crate::repository;
use crate::test_node::{RegistrationMode, TestNode};

const NODE: &str = "
pci 0000:17:00.{0-1} f0f0:0001 class=120000 driver=frozen
dev /dev/frozen
";

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "all", "deviceType": "frozen"},
    {"resourceName": "odd", "deviceType": "frozen", "selectors": {"odd": true}}
]}"#;

/// Discovers, selects and allocates with a library of the device type `frozen`.
async fn serves(library: &std::path::Path) {
    let mut config: serde_json::Value = serde_json::from_str(CONFIG).unwrap();
    config["resourceList"].as_array_mut().unwrap().reverse();
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, &config.to_string());
    node.provide("frozen", library);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    for (resource, id) in [
        ("intel.com/odd", "0000:17:00.1"),
        ("intel.com/all", "0000:17:00.0"),
    ] {
        let view = kubelet
            .wait_for(resource, |view| view.allocatable() == 1)
            .await
            .unwrap();
        assert_eq!(view.devices[0].id, id, "{resource}");
        let container = kubelet.allocate(resource, &[id]).await.unwrap();
        assert_eq!(container.devices[0].host_path, "/dev/frozen");
        let info = container
            .envs
            .iter()
            .find(|(key, _)| key.ends_with("_INFO"))
            .unwrap();
        assert!(
            info.1.contains(&format!(r#""frozen":{{"id":"{id}"}}"#)),
            "{info:?}"
        );
    }
    daemon
        .logs("provider_log")
        .containing("message", "a discovery below")
        .await;
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn provider_of_abi_1_0_serves() {
    serves(&Build::of("host/tests/frozen/sdk-1.0").library("frozen_1_0")).await;
}

#[tokio::test]
async fn provider_of_a_later_abi_serves() {
    serves(&Build::of("host/tests/frozen/sdk-1.99").library("frozen_1_99")).await;
}

/// With everything that was in interface 1.0 when it was frozen.
#[tokio::test]
async fn provider_of_the_whole_abi_1_0_serves() {
    let library = Build::of("host/tests/frozen/abi-1.0").library("frozen_abi_1_0");
    let config = r#"{
        "providers": {"frozen": {"label": "blue"}},
        "resourceList": [{"resourceName": "all", "deviceType": "frozen"}]
    }"#;
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, config);
    node.provide("frozen", &library);
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    let pool = "intel.com/all";
    let view = kubelet
        .wait_for(pool, |view| view.allocatable() == 3)
        .await
        .unwrap();
    assert_eq!(
        (&*view.devices[0].id, &*view.devices[2].id),
        ("0000:17:00.0", "frozen0")
    );
    assert_eq!(view.devices[0].numa, [0, 1]);
    let ids = ["0000:17:00.0", "frozen0"];
    let container = kubelet.allocate(pool, &ids).await.unwrap();
    assert_eq!(container.devices[0].permissions, "r");
    assert_eq!(container.envs["FROZEN_LABEL"], "blue");
    assert_eq!(container.envs["FROZEN_RESOURCE"], pool);
    assert_eq!(container.envs["FROZEN_IDS"], "0000:17:00.0,frozen0");
    assert_eq!(container.annotations["frozen.example/id"], "frozen");
    assert_eq!(container.cdi_devices[0].name, "frozen.example/class=all");
    assert!(kubelet.start_container(pool, &ids).await.unwrap());
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[tokio::test]
async fn provider_that_needs_a_later_host_is_refused_with_both_versions() {
    let mut node = TestNode::with_config(NODE, RegistrationMode::Watcher, CONFIG);
    node.environment("FROZEN_NEEDS", "1");
    let library = Build::of("host/tests/frozen/sdk-1.99").library("frozen_1_99");
    node.provide("frozen", &library);
    let file = node.provider_dir().join("frozen.so");
    let (code, reported, _) = node
        .run(&["provider", "check", &file.to_string_lossy()])
        .await;
    let refused = format!(
        "refused  it requires a host of SDK 1.99 or newer; this host has SDK {}",
        sriovdp_sdk::VERSION
    );
    assert!(code == Some(1) && reported.contains(&refused), "{reported}");
}

#[tokio::test]
#[ignore = "builds a crate: `make test-all`"]
async fn provider_of_another_profile_serves() {
    let build = Build::of("host/tests/frozen/sdk-1.0").with(&[
        "--release",
        "--config",
        "profile.release.lto='fat'",
        "--config",
        "profile.release.codegen-units=1",
        "--config",
        "profile.release.strip=true",
    ]);
    serves(&build.library("frozen_1_0")).await;
}

/// The oldest that the SDK states, and the newest there is.
#[tokio::test]
#[ignore = "builds a crate: `make test-all`"]
async fn provider_of_another_toolchain_serves() {
    let mut tried = 0;
    for wanted in ["1.85", "nightly"] {
        match installed(wanted) {
            Some(toolchain) => {
                let build = Build::of("host/tests/frozen/sdk-1.0").on_toolchain(&toolchain);
                serves(&build.library("frozen_1_0")).await;
                tried += 1;
            }
            None => notify(&format!(
                "skipped: a provider built by Rust {wanted}, which is not installed (`rustup toolchain install {wanted}`)"
            )),
        }
    }
    notify(&format!(
        "providers of {tried} other toolchains were loaded"
    ));
}

/// The interface is recorded in a file, whose digest is in the changelog: it cannot change without a line there.
#[test]
fn abi_change_requires_a_changelog_entry() {
    let recorded = repository::text("sdk/abi/src/snapshot/interface.txt");
    let digest = fnv(recorded.as_bytes());
    let changelog = repository::text("CHANGELOG.md");
    let (_, newest) = changelog.split_once("### ABI\n").expect("a section `ABI`");
    let newest = newest.split("\n#").next().unwrap();
    assert!(
        newest.contains(&format!("`{digest}`")),
        "the interface has changed: describe the change in the newest section *ABI* of CHANGELOG.md, and state that the \
         digest of its record is now `{digest}`"
    );
}

/// FNV-1a, which is no more than a fingerprint.
fn fnv(bytes: &[u8]) -> String {
    let digest = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |digest, &byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{digest:016x}")
}
