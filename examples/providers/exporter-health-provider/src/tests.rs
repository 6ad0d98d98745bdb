//! The extension with an exporter on a real socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use sriovdp_sdk::{BaseDevice, Finding, FindingKind};
use sriovdp_sdk_testing::{conformance, json, Harness, TempTree, Tree};

use crate::exporter::SOCKET;
use crate::IonicHealth;

const NODE: &str = "
    pf 0000:41:00.0 1dd8:1002 driver=ionic net=enp65s0
    vf 0000:41:00.{1-2} 1dd8:1003 pf=0000:41:00.0 id={0-1} driver=ionic
    pf 0000:03:00.0 8086:1572 driver=i40e net=eth0
    dir /var/run/ionic-exporter
";
const VF: &str = "0000:41:00.1";
const HOT: &str = r#"{"unhealthy": {"0000:41:00.1": "too hot", "0000:03:00.0": "not mine"}}"#;

conformance!(IonicHealth, NODE);

/// A node, and its exporter, which answers each query by `answer`.
fn exporter(answer: fn(UnixStream)) -> TempTree {
    let node = Tree::parse(NODE).unwrap().temp();
    let socket = node.path().join(SOCKET.trim_start_matches('/'));
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
    node
}

fn line(stream: &UnixStream) -> String {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

fn on(node: &TempTree) -> Harness<IonicHealth> {
    let device = |id: &str| {
        let address: sriovdp_sdk::PciAddress = id.parse().unwrap();
        BaseDevice::new("netDevice", address.into(), address)
    };
    let devices = ["0000:03:00.0", VF, "0000:41:00.2"].map(device);
    Harness::extending(IonicHealth::default(), node.path(), devices.to_vec())
}

fn checked() -> sriovdp_sdk::serde_json::Value {
    json!({"enableExporterHealthCheck": true})
}

#[test]
fn what_the_exporter_reports_counts_for_resources_that_want_it() {
    let node = exporter(|mut stream| {
        assert_eq!(line(&stream), "{\"query\": \"health\"}\n");
        stream.write_all(HOT.as_bytes()).unwrap();
    });
    let health = on(&node);
    let hot = Finding::new(FindingKind::Other, "its metrics exporter reports: too hot");
    assert_eq!(health.findings_for(checked(), VF), [hot]);
    assert_eq!(health.findings_for(json!({}), VF), []);
    assert_eq!(health.findings_for(checked(), "0000:41:00.2"), []);
    // It is on another driver.
    assert_eq!(health.findings_for(checked(), "0000:03:00.0"), []);
    assert!(health.warnings(checked()).is_empty());
}

#[test]
fn an_exporter_that_does_not_answer_takes_no_device_away() {
    let silent: fn(UnixStream) = |stream| {
        line(&stream);
        std::thread::sleep(Duration::from_secs(5));
    };
    let endless: fn(UnixStream) = |mut stream| while stream.write_all(&[b' '; 4096]).is_ok() {};
    let wrong: fn(UnixStream) = |mut stream| stream.write_all(b"healthy").unwrap();
    let absent = Tree::parse(NODE).unwrap().temp();
    for node in [exporter(silent), exporter(endless), exporter(wrong), absent] {
        let began = Instant::now();
        let health = on(&node);
        assert!(
            began.elapsed() < Duration::from_secs(1),
            "the host waits a second"
        );
        assert_eq!(health.findings_for(checked(), VF), []);
        let warnings = health.warnings(checked());
        assert!(
            warnings[0].starts_with("`enableExporterHealthCheck` has no effect now: cannot query"),
            "{warnings:?}"
        );
        assert!(health.warnings(json!({})).is_empty());
    }
}
