//! What a provider did not say is not known: the commands report why, and end with 1.

use serde_json::{Value, json};

use crate::world::{CAPTURED, Way, World, built};

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "faulty", "deviceType": "faulty"},
    {"resourceName": "good", "selectors": {"pfNames": ["eth2"]}}
]}"#;

/// A node on which the provider of `faulty` has this fault.
fn world(fault: &str) -> World {
    let mut world = World::with_config(CAPTURED, Way::Watcher, CONFIG);
    world.provide("faulty", &built("sriovdp_faulty_provider"));
    world.environment("FAULTY_PROVIDER", fault);
    world
}

/// That every command says that `faulty` is not known and why, and goes on with what is.
async fn expect_unknown(world: &World, why: &str) {
    let run = async |arguments: &[&str]| {
        let (code, output, errors) = world.run(arguments).await;
        assert_eq!(code, Some(1), "{arguments:?}: {output}{errors}");
        let reports = format!("{output}{errors}");
        assert!(
            reports.contains("error: the provider `faulty.so` failed\nCaused by: "),
            "{reports}"
        );
        assert!(reports.contains(why), "{reports}");
        output
    };
    let checked = run(&["check"]).await;
    assert!(
        checked.contains("intel.com/faulty: not known: "),
        "{checked}"
    );
    assert!(checked.contains("intel.com/good: 4 devices"), "{checked}");
    let listed = run(&["list"]).await;
    assert!(
        listed.contains("intel.com/faulty (faulty)\n    not known: "),
        "{listed}"
    );
    let listed: Value = serde_json::from_str(&run(&["list", "-o", "json"]).await).unwrap();
    assert_eq!(listed[0]["devices"], json!(null), "{listed}");
    assert!(listed[0]["unknown"].is_string(), "{listed}");
    assert_eq!(
        listed[1]["devices"].as_array().unwrap().len(),
        4,
        "{listed}"
    );
    let explained = run(&["explain", "--resource", "intel.com/faulty"]).await;
    assert!(
        explained.contains("intel.com/faulty: not known: "),
        "{explained}"
    );
    let explained = run(&["explain", "-o", "json", "--resource", "intel.com/faulty"]).await;
    let explained: Value = serde_json::from_str(&explained).unwrap();
    assert_eq!(
        explained[0]["resources"][0]["takes"],
        json!(null),
        "{explained}"
    );
}

#[tokio::test]
async fn a_discovery_that_fails() {
    let world = world("discover=panic");
    expect_unknown(&world, "the provider panicked in `discover`").await;
}

#[tokio::test]
async fn a_discovery_that_is_late() {
    let mut world = world("discover=wait");
    let gate = world.root().join("gate");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &gate, kind, mode, 0).unwrap();
    world.environment("FAULTY_GATE", gate.to_str().unwrap());
    let (code, output, _) = world.run(&["--provider-timeout", "2000", "check"]).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(
        output.contains("error: the provider `faulty.so` failed\nCaused by: ")
            && output.contains("within 2.0 s")
            && output.contains("intel.com/faulty: not known: ")
            && output.contains("intel.com/good: 4 devices"),
        "{output}"
    );
}

/// Selectors are a question of their own.
#[tokio::test]
async fn a_selection_that_fails() {
    let world = world("admit=panic");
    let (code, output, _) = world.run(&["check"]).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(
        output.contains("intel.com/faulty: not known: the provider `faulty.so` failed"),
        "{output}"
    );
}

#[tokio::test]
async fn a_bus_that_cannot_be_listed() {
    let world = World::with_config(
        "",
        Way::Watcher,
        r#"{"resourceList": [{"resourceName": "a"}]}"#,
    );
    let devices = world.root().join("sys/bus/pci/devices");
    let _ = std::fs::remove_dir(&devices);
    std::fs::create_dir_all(devices.parent().unwrap()).unwrap();
    std::fs::write(devices, "").unwrap();
    for command in ["check", "list", "explain"] {
        let (code, output, errors) = world.run(&[command]).await;
        assert_eq!(code, Some(1), "{command}");
        let reports = format!("{output}{errors}");
        assert!(
            reports.contains("error: cannot look at the PCI bus\nCaused by: "),
            "{reports}"
        );
        assert!(output.contains("not known"), "{output}");
    }
}

/// The daemon waits with such a resource, and has no pool that could keep anything.
#[tokio::test]
async fn the_daemon_does_not_offer_it_yet() {
    let world = world("discover=panic");
    let kubelet = world.kubelet().await;
    let daemon = world.daemon();
    kubelet
        .wait_for("intel.com/good", |view| view.allocatable() == 4)
        .await
        .unwrap();
    let log = daemon.says("`intel.com/faulty` is not offered yet: ").await;
    assert!(!log.contains("keeps its devices"), "{log}");
    assert_eq!(kubelet.resource("intel.com/faulty"), None);
}

#[tokio::test]
async fn a_list_of_pods_that_cannot_be_read() {
    let world = World::with_config(
        CAPTURED,
        Way::Register,
        r#"{"resourceList": [{"resourceName": "a"}]}"#,
    );
    let checkpoint = "var/lib/kubelet/device-plugins/kubelet_internal_checkpoint";
    std::fs::write(world.root().join(checkpoint), "{").unwrap();
    let (code, output, _) = world.run(&["check"]).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(
        output.contains("error: cannot read the kubelet's checkpoint"),
        "{output}"
    );
}

/// What `list` and `explain` leave out, they name.
#[tokio::test]
async fn a_refused_resource_is_an_error_of_each_command() {
    let config = r#"{"resourceList": [{"resourceName": "-"}, {"resourceName": "a"}]}"#;
    let world = World::with_config(CAPTURED, Way::Watcher, config);
    for command in ["check", "list", "explain"] {
        let (code, output, errors) = world.run(&[command]).await;
        assert_eq!(code, Some(1), "{command}: {output}");
        let reports = format!("{output}{errors}");
        assert!(
            reports.contains("error: /etc/pcidp/config.json:1:"),
            "{reports}"
        );
    }
}
