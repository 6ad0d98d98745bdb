//! The extension with an exporter on a real socket, which has a fault.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message;
use sriovdp_sdk::{BaseDevice, Finding, FindingKind};
use sriovdp_sdk_testing::{conformance, json, Harness, TempTree, Tree};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use crate::exporter::{NicState, NicStates, SOCKET};
use crate::IonicHealth;

const NODE: &str = "
    pf 0000:41:00.0 1dd8:1002 driver=ionic net=enp65s0
    vf 0000:41:00.{1-3} 1dd8:1003 pf=0000:41:00.0 id={0-2} driver=ionic
    pf 0000:03:00.0 8086:1572 driver=i40e net=eth0
    dir /var/lib/amd-metrics-exporter
";
const VF: &str = "0000:41:00.1";
const STATES: [(&str, &str); 5] = [
    (VF, "UNHEALTHY"),
    ("0000:41:00.2", "Healthy"),
    // On another driver, on no driver, and no function at all.
    ("0000:03:00.0", "UNHEALTHY"),
    ("0000:99:00.0", "UNHEALTHY"),
    ("nic7", "UNHEALTHY"),
];

conformance!(IonicHealth, NODE);

/// How an exporter answers.
#[derive(Clone, Copy, Debug)]
enum Answer {
    States,
    Status(&'static str),
    Compressed,
    Message(&'static [u8]),
    Endless,
    Http1,
    Silent,
    NoAccept,
}

const FAULTS: [Answer; 8] = [
    Answer::Status("12"),
    Answer::Status("x"),
    Answer::Compressed,
    Answer::Message(b"no message"),
    Answer::Endless,
    Answer::Http1,
    Answer::Silent,
    Answer::NoAccept,
];

/// A node with an exporter.
fn exporter(answer: Answer) -> TempTree {
    let node = Tree::parse(NODE).unwrap().temp();
    let socket = node.path().join(SOCKET.trim_start_matches('/'));
    let listener = UnixListener::bind(socket).unwrap();
    listener.set_nonblocking(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    std::thread::spawn(move || {
        runtime.unwrap().block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            if matches!(answer, Answer::NoAccept) {
                std::future::pending::<()>().await;
            }
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer));
            }
        });
    });
    node
}

/// The client may end the connection at any time.
async fn serve(mut stream: UnixStream, answer: Answer) -> Option<()> {
    match answer {
        Answer::Http1 => {
            return stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .ok()
        }
        Answer::Silent => return std::future::pending().await,
        _ => {}
    }
    let mut connection = h2::server::handshake(stream).await.ok()?;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        assert_eq!(request.uri().path(), "/nicmetricssvc.MetricsService/List");
        let head = http::Response::builder().header("content-type", "application/grpc");
        let mut body = respond.send_response(head.body(()).unwrap(), false).ok()?;
        let (flag, message) = match answer {
            Answer::Compressed => (1, Vec::new()),
            Answer::Message(message) => (0, message.to_vec()),
            _ => (0, states().encode_to_vec()),
        };
        let length = u32::try_from(message.len()).unwrap();
        let framed = [&[flag][..], &length.to_be_bytes(), &message].concat();
        body.send_data(Bytes::from(framed), false).ok()?;
        if matches!(answer, Answer::Endless) {
            let zeros = Bytes::from(vec![0; 4 << 20]);
            body.send_data(zeros, false).ok()?;
            continue;
        }
        let status = match answer {
            Answer::Status(status) => status,
            _ => "0",
        };
        let status = http::HeaderValue::from_static(status);
        let name = http::HeaderName::from_static("grpc-status");
        body.send_trailers([(name, status)].into_iter().collect())
            .ok()?;
    }
    Some(())
}

fn states() -> NicStates {
    let state = |(device, health): (&str, &str)| NicState {
        device: device.to_owned(),
        health: health.to_owned(),
    };
    NicStates {
        states: STATES.map(state).to_vec(),
    }
}

fn on(node: &TempTree) -> Harness<IonicHealth> {
    let device = |id: &str| {
        let address: sriovdp_sdk::PciAddress = id.parse().unwrap();
        BaseDevice::new("netDevice", address.into(), address)
    };
    let devices = ["0000:03:00.0", VF, "0000:41:00.2", "0000:41:00.3"].map(device);
    Harness::extending(IonicHealth::default(), node.path(), devices.to_vec())
}

fn checked() -> sriovdp_sdk::serde_json::Value {
    json!({"enableExporterHealthCheck": true})
}

#[test]
fn what_the_exporter_reports_counts_for_resources_that_want_it() {
    let node = exporter(Answer::States);
    let health = on(&node);
    let reason = "its metrics exporter reports the state `UNHEALTHY`";
    let unhealthy = Finding::new(FindingKind::Other, reason);
    assert_eq!(health.findings_for(checked(), VF), [unhealthy]);
    assert_eq!(health.findings_for(json!({}), VF), []);
    // Healthy, not reported, and on another driver.
    for other in ["0000:41:00.2", "0000:41:00.3", "0000:03:00.0"] {
        assert_eq!(health.findings_for(checked(), other), [], "{other}");
    }
    assert!(health.warnings(checked()).is_empty());
}

#[test]
fn an_exporter_with_a_fault_takes_no_device_away() {
    let absent = Tree::parse(NODE).unwrap().temp();
    let nodes = FAULTS.map(|fault| (Some(fault), exporter(fault)));
    for (fault, node) in nodes.into_iter().chain([(None, absent)]) {
        let began = Instant::now();
        let health = on(&node);
        let elapsed = began.elapsed();
        assert!(
            elapsed < Duration::from_secs(1),
            "{fault:?}: the host waits a second"
        );
        assert_eq!(health.findings_for(checked(), VF), [], "{fault:?}");
        let warnings = health.warnings(checked());
        assert!(
            warnings[0].starts_with("`enableExporterHealthCheck` has no effect now: cannot query"),
            "{fault:?}: {warnings:?}"
        );
        assert!(health.warnings(json!({})).is_empty());
    }
}

#[test]
fn warnings_make_no_query() {
    let node = exporter(Answer::States);
    let health = on(&node);
    std::fs::remove_file(node.path().join(SOCKET.trim_start_matches('/'))).unwrap();
    assert!(health.warnings(checked()).is_empty());
}
