//! Mistakes of users and of provider authors: one clear sentence each, and everything else goes on.

use expect_test::{Expect, expect};

use crate::test_node::{CAPTURED, RegistrationMode, TestNode, built};

/// A pool of the faulty provider beside a good one.
const BESIDE_FAULTY: &str = r#"{"resourceList": [
    {"resourceName": "faulty", "deviceType": "faulty"},
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}
]}"#;
const GOOD: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;

/// A provider that does not come back costs only itself, and its pools keep what they have.
#[tokio::test]
async fn hanging_provider_keeps_its_pools() {
    let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, BESIDE_FAULTY);
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    // It hangs in the second discovery, when the pool has its device.
    node.environment("FAULTY_PROVIDER", "discover=hang-later");
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    kubelet
        .wait_for("intel.com/faulty", |view| view.allocatable() > 0)
        .await
        .unwrap();
    daemon.signal(rustix::process::Signal::HUP);
    daemon
        .logs("discovery_failed")
        .containing("error", "`faulty.so`")
        .await;
    // The next reconcile finds it busy, and other pools still change.
    node.change("vf 0000:41:11.0 8086:10ca pf=0000:41:00.0 id=4 driver=igbvf");
    daemon.signal(rustix::process::Signal::HUP);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 5)
        .await
        .unwrap();
    let view = kubelet.resource("intel.com/faulty").unwrap();
    assert!(view.connected && view.allocatable() > 0, "{view}");
    assert!(daemon.logs("pool_withdrawn").now().is_empty());
}

#[tokio::test]
async fn a_configuration_that_is_no_file() {
    let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
    let directory = node.root().join("etc/pcidp");
    std::fs::create_dir_all(&directory).unwrap();
    let fifo = directory.join("config.json");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(1));
    assert!(
        output.contains("Caused by: it is not a regular file"),
        "{output}"
    );
}

/// What `sriovdp check` prints, and its exit code.
async fn check(config: &str, expected: Expect) {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    let (code, output, _) = node.run(&["check"]).await;
    expected.assert_eq(&format!("{output}exit {}", code.unwrap_or(-1)));
}

/// The output of `sriovdp providers` about one more file in the directory.
async fn provider(file: &str, bytes: &[u8], expected: Expect) {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    node.provide_bytes(file, bytes);
    let (code, output, _) = node.run(&["providers"]).await;
    assert_eq!(code, Some(1), "{output}");
    let about: Vec<&str> = output.lines().filter(|line| line.contains(file)).collect();
    // Numbers differ from build to build and from machine to machine.
    let numbers = |c: char| c.is_ascii_digit();
    let shown: Vec<String> = about
        .join("\n")
        .split(numbers)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    expected.assert_eq(&shown.join("N"));
    // The others serve.
    let kubelet = node.kubelet().await;
    let _daemon = node.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
}

#[tokio::test]
async fn selectors() {
    check(
        r#"{"resourceList": [
  {"resourceName": "typo", "selectors": {"pfName": ["eth2"]}},
  {"resourceName": "elsewhere", "selectors": {"isRdma": true}},
  {"resourceName": "operator", "selectors": {"IsRdma": false, "vendors": ["8086"], "PFNAMES": ["eth2#0-1"]}},
  {"resourceName": "range", "selectors": {"pfNames": ["eth2#3-1"]}},
  {"resourceName": "number", "selectors": {"vendors": [8086]}},
  {"resourceName": "id", "selectors": {"devices": ["intel"]}},
  {"resourceName": "accel", "deviceType": "accelerator", "selectors": {"pfNames": ["eth2"]}},
  {"resourceName": "gpu", "deviceType": "gpu"},
  {"resourceName": "acc", "deviceType": "Accelerator"},
  {"resourceName": "text", "selectors": {"vendors": "8086"}}
]}"#,
        expect![[r#"
            error: /etc/pcidp/config.json:2:52: `resourceList[0].selectors.pfName`: no provider declares this selector for `netDevice`
            hint: did you mean `pfNames`?
            error: /etc/pcidp/config.json:3:57: `resourceList[1].selectors.isRdma`: no provider declares this selector for `netDevice`
            hint: put the provider `mellanox-rdma.so` into the provider directory
            error: /etc/pcidp/config.json:5:55: `resourceList[3].selectors.pfNames[0]`: invalid value for `pfNames`: `3-1` in `eth2#3-1` is not a list of numbers and ranges
            hint: write numbers and rising ranges behind `#`, for example `ens1f0#0,2-7`
            error: /etc/pcidp/config.json:6:56: `resourceList[4].selectors.vendors[0]`: invalid value for `vendors`: it must be a string, and it is the integer `8086`
            hint: write it in quotes, and an id as `lspci -n` prints it: YAML reads `0x154c` and `10e9` without quotes as other numbers
            error: /etc/pcidp/config.json:7:52: `resourceList[5].selectors.devices[0]`: invalid value for `devices`: `intel` is not a PCI id
            hint: an id has up to four hexadecimal digits, as `lspci -n` prints them: `8086`, `154c`
            error: /etc/pcidp/config.json:8:83: `resourceList[6].selectors.pfNames`: no provider declares this selector for `accelerator`
            hint: it is a selector of `auxNetDevice`, `netDevice`; the selectors of `accelerator` are acpiIndexes, devices, drivers, kubevirtHostDevice, needIommufd, pciAddresses, pcieRoots, vendors
            error: /etc/pcidp/config.json:9:41: `resourceList[7].deviceType`: no provider brings the device type `gpu`
            hint: the device types are accelerator, auxNetDevice, netDevice
            error: /etc/pcidp/config.json:10:41: `resourceList[8].deviceType`: no provider brings the device type `Accelerator`
            hint: did you mean `accelerator`?
            error: /etc/pcidp/config.json:11:53: `resourceList[9].selectors.vendors`: invalid value for `vendors`: it must be a list, and it is the string "8086"
            hint: write it in brackets: `["8086"]`
            intel.com/operator: 2 devices, 2 healthy
            exit 1"#]],
    )
    .await;
}

#[tokio::test]
async fn a_broken_file() {
    check(
        "{\n  \"resourceList\": [}\n",
        expect![[r#"
            error: /etc/pcidp/config.json:2:20: `}` does not close the `[` of 2:19
            hint: close them in the order in which they were opened
            exit 1"#]],
    )
    .await;
}

#[tokio::test]
async fn the_daemon_does_not_start_with_a_broken_file() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, "[]");
    let mut daemon = node.daemon();
    assert_eq!(daemon.ended().await.code(), Some(1));
    let log = daemon.log();
    assert!(
        log.contains(
            "error: the configuration cannot be used\nCaused by: /etc/pcidp/config.json:1:1: "
        ),
        "{log}"
    );
    assert!(log.contains("\nhint: the file is one JSON object"), "{log}");
}

#[tokio::test]
async fn daemon_without_resources_keeps_running() {
    for config in [
        None,
        Some(r#"{"resourceList": null}"#),
        Some(r#"{"resourceList": []}"#),
    ] {
        let node = TestNode::new(CAPTURED, RegistrationMode::Watcher);
        if let Some(config) = config {
            node.configure(config);
        }
        let kubelet = node.kubelet().await;
        let mut daemon = node.daemon();
        daemon.logs("starting").await;
        if config.is_none() {
            daemon
                .logs("config_rejected")
                .containing("error", "/etc/pcidp/config.json` does not exist")
                .await;
        }
        // It serves as soon as there is something to serve.
        node.configure(GOOD);
        kubelet
            .wait_for("intel.com/a", |view| view.allocatable() == 4)
            .await
            .unwrap();
        assert!(daemon.is_running());
    }
}

#[tokio::test]
async fn invalid_configuration_keeps_the_last_valid_one() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 4)
        .await
        .unwrap();
    for (invalid, error) in [
        ("{", "/etc/pcidp/config.json:1:1: "),
        (r#"{"resourceLists": []}"#, "did you mean `resourceList`"),
    ] {
        node.configure(invalid);
        let rejected = daemon.logs("config_rejected");
        rejected.containing("error", error).await;
    }
    assert!(daemon.is_running());
    kubelet
        .allocate("intel.com/a", &["0000:41:10.0"])
        .await
        .unwrap();
    assert_eq!(kubelet.resource("intel.com/a").unwrap().registrations, 1);
}

#[tokio::test]
async fn no_providers() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    for file in std::fs::read_dir(node.provider_dir()).unwrap().flatten() {
        std::fs::remove_file(file.path()).unwrap();
    }
    let mut daemon = node.daemon();
    daemon.logs("no_provider").await;
    assert!(daemon.is_running());
    for command in ["providers", "list"] {
        let (code, _, error) = node.run(&[command]).await;
        assert_eq!(code, Some(1));
        assert!(error.starts_with("error: no provider is loaded"), "{error}");
    }
    let (code, output, _) = node.run(&["check"]).await;
    assert_eq!(code, Some(1));
    assert!(
        output.contains("no provider brings a default device type"),
        "{output}"
    );
}

#[tokio::test]
async fn files_that_are_no_providers() {
    provider("text.so", b"#!/bin/sh\n", expect!["PROVIDERS/text.so: refused: it is not an ELF file (hint: keep nothing but providers in this directory; a provider is a `cdylib` that uses the crate `sriovdp-sdk`)"]).await;
    provider("empty.so", b"", expect!["PROVIDERS/empty.so: refused: it is not an ELF file (hint: keep nothing but providers in this directory; a provider is a `cdylib` that uses the crate `sriovdp-sdk`)"]).await;
    let good = std::fs::read(built("sriovdp_accelerator")).unwrap();
    provider("truncated.so", &good[..good.len() / 20], expect!["PROVIDERS/truncated.so: refused: it is truncated: its headers need N bytes, and it has N (hint: copy the file again, under another name, then rename it)"]).await;
    let mut foreign = good.clone();
    foreign[18..20].copy_from_slice(&[0xf3, 0x00]);
    provider("foreign.so", &foreign, expect!["PROVIDERS/foreign.so: refused: it was built for the ELF machine N, and this host runs on N (hint: build it for the architecture of this node)"]).await;
    let mut small = good.clone();
    small[4] = 1;
    provider("32bit.so", &small, expect!["PROVIDERS/Nbit.so: refused: it is not a library for machines of N bits with this machine's byte order (hint: build it for the architecture of this node)"]).await;
    // A foreign library, which is in every process.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .find(|path| path.contains("libc.so"));
    provider("libc.so", &std::fs::read(libc.unwrap()).unwrap(), expect!["PROVIDERS/libc.so: refused: it is not a provider: it lacks the note of `export_provider!` (hint: keep nothing but providers in this directory; a provider is a `cdylib` that uses the crate `sriovdp-sdk`)"]).await;
    // The same device type twice: the first file by name has it.
    provider("second.so", &good, expect!["PROVIDERS/second.so: refused: conflict: `accelerator.so` already provides the device type `accelerator` (hint: remove one of the two files; the first one by name counts)"]).await;
}

#[tokio::test]
async fn files_that_others_may_change() {
    use std::os::unix::fs::PermissionsExt;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    let file = node.provider_dir().join("net-device.so");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o646)).unwrap();
    let (code, output, _) = node.run(&["providers"]).await;
    assert_eq!(code, Some(1));
    let expected = "net-device.so: refused: its mode is 0646, so others than its owner may write to it (hint: `chmod go-w` the file)";
    assert!(output.contains(expected), "{output}");
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::chown(&file, Some(12345), None).unwrap();
        let (_, output, _) = node.run(&["providers"]).await;
        assert!(output.contains("it belongs to user 12345"), "{output}");
    }
}

#[tokio::test]
async fn a_panic_in_the_manifest_refuses_the_provider() {
    let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, GOOD);
    node.provide("faulty", &built("sriovdp_faulty_provider"));
    node.environment("FAULTY_PROVIDER", "manifest=panic");
    let (code, output, errors) = node.run(&["providers"]).await;
    assert_eq!(code, Some(1));
    let expected =
        "faulty.so: refused: it fails in `manifest`: the provider panicked in `manifest` at ";
    assert!(output.contains(expected), "{output}");
    assert!(output.contains("a fault in manifest"), "{output}");
    assert!(
        !errors.contains("panicked at"),
        "a panic goes through the log: {errors}"
    );
}

#[tokio::test]
async fn a_panic_in_any_other_method_costs_that_call() {
    for (fault, event, reason_part) in [
        ("check=panic", "resource_refused", "panicked in `check`"),
        (
            "discover=panic",
            "discovery_failed",
            "panicked in `discover`",
        ),
        ("discover=twice", "discovery_failed", "`0000:02:10.0`"),
        ("admit=panic", "resource_pending", "panicked in `select`"),
        (
            "allocate=panic",
            "allocate_refused",
            "panicked in `allocate`",
        ),
        ("allocate=escape", "allocate_refused", "`/etc/shadow`"),
    ] {
        let mut node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, BESIDE_FAULTY);
        node.provide("faulty", &built("sriovdp_faulty_provider"));
        node.environment("FAULTY_PROVIDER", fault);
        let kubelet = node.kubelet().await;
        let mut daemon = node.daemon();
        kubelet
            .wait_for("intel.com/a", |view| view.allocatable() == 4)
            .await
            .unwrap();
        if fault.starts_with("allocate") {
            kubelet
                .wait_for("intel.com/faulty", |view| view.allocatable() > 0)
                .await
                .unwrap();
            let status = kubelet
                .allocate("intel.com/faulty", &["0000:02:10.0"])
                .await
                .unwrap_err();
            assert!(
                status.to_string().contains(reason_part),
                "{fault}: {status}"
            );
        }
        daemon.logs(event).containing("error", reason_part).await;
        assert!(
            !daemon.log().contains("thread '"),
            "{fault}: a panic goes through the log: {}",
            daemon.log()
        );
        kubelet
            .allocate("intel.com/a", &["0000:41:10.0"])
            .await
            .unwrap();
        assert!(daemon.is_running());
    }
}
