//! Device types of vendors, from crates outside the workspace.

use sriovdp_fake_kubelet::ResourceView;

use crate::cargo_build::{Build, installed, notify};
use crate::repository;
use crate::test_node::{RegistrationMode, TestNode};

const NODE: &str = "
pci 0000:17:00.{0-1} ac3e:000{0-1} class=120000 driver=acme
file @0000:17:00.1/acme/acme7/dev 240:7
dev /dev/acme7
";

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "cards", "deviceType": "acmeFpga", "selectors": {"DEVICES": ["0x0001"]}}
]}"#;

#[tokio::test]
#[ignore = "builds a crate: `make test-all`"]
async fn vendor_provider_is_loaded_by_a_running_daemon() {
    let library = Build::of("examples/providers/vendor-provider").library("acme_fpga");
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    daemon
        .logs("resource_refused")
        .containing("error", "`acmeFpga`")
        .await;

    node.provide("acme", &library);
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

const CARDS: &str = "
pf 0000:3d:00.0 beef:0100 class=120000 driver=nimbus numa=1
pci 0000:5e:00.0 beef:0100 class=120000 driver=nimbus
@0000:3d:00.0/nimbus/nimbus0/
  firmware = 2.10
  algorithms = aes-gcm sm4
  state = ready
@0000:5e:00.0/nimbus/nimbus7/
  firmware = 2.9
  algorithms = aes-gcm
  state = ready
dev /dev/nimbus0
dev /dev/nimbus7
dev /dev/nimbus_ctl
dir /usr/lib/nimbus
";

const CRYPTO: &str = r#"{"resourceList": [
    {"resourceName": "fast", "deviceType": "nimbusCrypto",
     "selectors": {"algorithms": ["SM4"], "firmwareAtLeast": "2.10", "needLibrary": true}},
    {"resourceName": "any", "deviceType": "nimbusCrypto"},
    {"resourceName": "odd", "deviceType": "nimbusCrypto", "selectors": {"firmwareAtLeast": "newest"}}
]}"#;

#[tokio::test]
#[ignore = "builds a crate: `make test-all`"]
async fn vendor_accelerator_provides_selectors_health_and_mounts() {
    let node = TestNode::with_config(CARDS, RegistrationMode::Watcher, CRYPTO);
    let library = Build::of("examples/providers/accelerator-provider").library("nimbus_crypto");
    node.provide("nimbus", &library);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    daemon
        .logs("resource_refused")
        .containing("error", "`newest`")
        .await;

    let healthy = |view: &ResourceView| view.allocatable() == 1;
    let view = kubelet.wait_for("intel.com/fast", healthy).await.unwrap();
    assert_eq!(view.devices[0].id, "0000:3d:00.0");
    let container = kubelet
        .allocate("intel.com/fast", &["0000:3d:00.0"])
        .await
        .unwrap();
    let nodes: Vec<&str> = container
        .devices
        .iter()
        .map(|node| node.host_path.as_str())
        .collect();
    assert_eq!(nodes, ["/dev/nimbus0", "/dev/nimbus_ctl"]);
    assert_eq!(container.mounts[0].container_path, "/usr/lib/nimbus");
    assert!(container.mounts[0].read_only);
    let info = &container.envs["PCIDEVICE_INTEL_COM_FAST_INFO"];
    assert!(
        info.contains(r#""nimbus":{"firmware":"2.10","node":"/dev/nimbus0"}"#),
        "{info}"
    );

    kubelet.wait_for("intel.com/any", healthy).await.unwrap();
    node.change("file @0000:5e:00.0/nimbus/nimbus7/state updating");
    daemon.signal(rustix::process::Signal::HUP);
    let updating = |view: &ResourceView| view.allocatable() == 0 && view.capacity() == 1;
    kubelet.wait_for("intel.com/any", updating).await.unwrap();
    assert_eq!(kubelet.violations(), [""; 0]);
}

#[test]
#[ignore = "builds a crate: `make test-all`"]
fn the_oldest_rust_of_the_sdk_builds_and_tests_a_provider() {
    let manifest = repository::text("sdk/Cargo.toml");
    let (_, stated) = manifest.split_once("rust-version = \"").unwrap();
    let (oldest, _) = stated.split_once('"').unwrap();
    match installed(oldest) {
        Some(toolchain) => Build::of("examples/providers/vendor-provider")
            .on_toolchain(&toolchain)
            .test(),
        None => notify(&format!(
            "skipped: a provider built by Rust {oldest}, which is not installed (`rustup toolchain install {oldest}`)"
        )),
    }
}

/// The example providers that come with a configuration, by the names of their libraries.
const WITH_CONFIGURATION: [(&str, &str); 4] = [
    ("c-provider", "orbit_dsp"),
    ("dsa-provider", "dsa_work_queues"),
    ("exporter-health-provider", "ionic_health"),
    ("slingshot-provider", "slingshot_cxi"),
];

#[tokio::test]
#[ignore = "builds crates: `make test-all`"]
async fn configurations_of_example_providers_are_valid() {
    for (example, library) in WITH_CONFIGURATION {
        let directory = format!("examples/providers/{example}");
        let config = repository::text(&format!("{directory}/config.json"));
        let node = TestNode::with_config("", RegistrationMode::Watcher, &config);
        node.provide(library, &Build::of(&directory).library(library));
        let (code, output, errors) = node.run(&["check"]).await;
        assert_eq!(code, Some(0), "{example}:\n{output}{errors}");
    }
}
