//! Clients of a pool's socket that do what no kubelet does: odd requests, many connections, a stream of their own.

use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sriovdp_fake_kubelet::FakeKubelet;
use sriovdp_proto::deviceplugin::device_plugin_client::DevicePluginClient;
use sriovdp_proto::deviceplugin::{Empty, ListAndWatchResponse};
use sriovdp_proto::pluginregistration::RegistrationStatus;
use sriovdp_proto::pluginregistration::registration_client::RegistrationClient;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};

use crate::test_node::{CAPTURED, Daemon, RegistrationMode, TestNode, both_modes};

/// Requests that no kubelet sends.
mod requests;

const POOL: &str = "intel.com/a";
const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}},
    {"resourceName": "b", "selectors": {"pfNames": ["eth3"]}}
]}"#;
const GOOD: &str = "0000:41:10.0";

/// What each socket promises.
const MAX_CONNECTIONS: usize = 64;

async fn registered(mode: RegistrationMode) -> (TestNode, FakeKubelet, Daemon) {
    let node = TestNode::with_config(CAPTURED, mode, CONFIG);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    registered_again(&kubelet, &daemon, 1).await;
    (node, kubelet, daemon)
}

async fn registered_again(kubelet: &FakeKubelet, daemon: &Daemon, times: usize) {
    let all = kubelet.wait_for(POOL, |view| {
        view.registrations >= times && view.allocatable() == 4
    });
    if let Err(timeout) = all.await {
        panic!("{timeout}\nlog:\n{}", daemon.log());
    }
}

async fn channel(socket: &Path) -> Channel {
    let uri = format!("unix://{}", socket.display());
    let endpoint = Endpoint::from_shared(uri).expect("a path");
    endpoint.connect().await.expect("a connection")
}

async fn client(kubelet: &FakeKubelet) -> DevicePluginClient<Channel> {
    DevicePluginClient::new(channel(&kubelet.resource(POOL).unwrap().socket).await)
}

/// A reader of the list, which has read it.
async fn reader(kubelet: &FakeKubelet) -> tonic::Streaming<ListAndWatchResponse> {
    let list = client(kubelet).await.list_and_watch(Empty {}).await;
    let mut list = list.unwrap().into_inner();
    assert_eq!(list.message().await.unwrap().unwrap().devices.len(), 4);
    list
}

/// A number of `/proc/PID/status`, in kilobytes.
fn memory(daemon: &Daemon, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.unwrap().trim_matches(|c: char| !c.is_ascii_digit());
    number.parse().unwrap()
}

both_modes!(
    connection_flood_does_not_exclude_the_kubelet,
    kubelet_stream_end_is_detected_beside_another_client,
    peer_texts_are_truncated_and_escaped,
);

async fn connection_flood_does_not_exclude_the_kubelet(mode: RegistrationMode) {
    let (_node, kubelet, daemon) = registered(mode).await;
    let socket = kubelet.resource(POOL).unwrap().socket;
    let mut readers = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        readers.push(reader(&kubelet).await);
    }
    // Each takes the place of a reader, and the last ones the places of the first.
    let mut idle = Vec::new();
    for _ in 0..=MAX_CONNECTIONS {
        idle.push(UnixStream::connect(&socket).await.unwrap());
    }
    let mut bytes = Vec::new();
    let ended = idle[0].read_to_end(&mut bytes);
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    assert!(ended.is_ok(), "the oldest idle connection is still open");
    kubelet.allocate(POOL, &[GOOD]).await.unwrap();
    assert_eq!(kubelet.resource(POOL).unwrap().registrations, 1);
    let warnings = daemon.logs("connections_limit").now();
    assert_eq!(warnings.len(), 1, "{}", daemon.log());
    kubelet.restart().await.unwrap();
    registered_again(&kubelet, &daemon, 2).await;
}

async fn kubelet_stream_end_is_detected_beside_another_client(mode: RegistrationMode) {
    let (_node, kubelet, daemon) = registered(mode).await;
    let mut reader = reader(&kubelet).await;
    kubelet.cancel_stream(POOL).unwrap();
    registered_again(&kubelet, &daemon, 2).await;
    // The socket that it read from is gone.
    while let Ok(Some(_)) = reader.message().await {}
}

/// A reader that ends is no reason to register again, and one that came before the kubelet does not count for it.
#[tokio::test]
async fn other_client_may_connect_before_the_kubelet() {
    let (_node, kubelet, daemon) = registered(RegistrationMode::Watcher).await;
    kubelet.stop().await;
    let _early = reader(&kubelet).await;
    kubelet.start_again().unwrap();
    registered_again(&kubelet, &daemon, 2).await;
    drop(reader(&kubelet).await);
    kubelet.cancel_stream(POOL).unwrap();
    registered_again(&kubelet, &daemon, 3).await;
    assert_eq!(kubelet.resource(POOL).unwrap().registrations, 3);
    let lost = daemon.logs("registration_lost").now();
    assert_eq!(lost.len(), 1, "{}", daemon.log());
}

async fn peer_texts_are_truncated_and_escaped(mode: RegistrationMode) {
    let (_node, kubelet, daemon) = registered(mode).await;
    let channel = channel(&kubelet.resource(POOL).unwrap().socket).await;
    let mut client = RegistrationClient::new(channel);
    let before = memory(&daemon, "VmRSS:");
    for n in 0..150 {
        let status = RegistrationStatus {
            plugin_registered: false,
            error: format!(
                "no {n}\n2026-01-01 ERROR forged\u{1b}[2J{}",
                "x".repeat(200_000)
            ),
        };
        client.notify_registration_status(status).await.unwrap();
    }
    if mode == RegistrationMode::Watcher {
        daemon
            .logs("registration_refused")
            .containing("error", "no 149")
            .await;
    }
    let log = daemon.log();
    let longest = log.lines().map(str::len).max().unwrap_or_default();
    assert!(longest < 1300, "a line of {longest} bytes");
    assert!(
        !log.lines().any(|line| line.starts_with("2026-01-01")),
        "{log}"
    );
    let now = memory(&daemon, "VmRSS:");
    assert!(now < before + 10_000, "{before} -> {now} kB");
    kubelet.allocate(POOL, &[GOOD]).await.unwrap();
}

#[tokio::test]
async fn a_lock_on_the_directory_delays_the_registration() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Register, CONFIG);
    let kubelet = node.kubelet().await;
    let directory = std::fs::File::open(node.root().join("var/lib/kubelet/device-plugins"));
    let directory = directory.unwrap();
    flock(&directory, FlockOperation::LockShared).unwrap();
    let daemon = node.daemon();
    for pool in [POOL, "intel.com/b"] {
        let view = kubelet.wait_for(pool, |view| view.connected).await;
        view.unwrap_or_else(|timeout| panic!("{timeout}\n{}", daemon.log()));
    }
    let warnings = daemon.logs("lock_timeout").now();
    assert_eq!(warnings.len(), 1, "{}", daemon.log());
}

#[tokio::test]
async fn descriptor_shortage_is_logged_once() {
    let (_node, kubelet, daemon) = registered(RegistrationMode::Watcher).await;
    let id = Pid::from_raw(i32::try_from(daemon.id()).unwrap());
    let limit = |current: u64| {
        let all = rustix::process::getrlimit(Resource::Nofile);
        let limit = Rlimit {
            current: Some(current),
            ..all
        };
        prlimit(id, Resource::Nofile, limit)
            .unwrap()
            .current
            .unwrap()
    };
    let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.id()))
        .unwrap()
        .count();
    let before = limit(open as u64);
    let socket = kubelet.resource(POOL).unwrap().socket;
    let mut waiting = Vec::new();
    while daemon.logs("accept_failed").now().is_empty() {
        waiting.push(UnixStream::connect(&socket).await.unwrap());
    }
    // Each of these meets the shortage again, and so does the reader behind them, until the daemon closes an idle
    // connection for it.
    for _ in 0..20 {
        waiting.push(UnixStream::connect(&socket).await.unwrap());
    }
    let _served = tokio::time::timeout(Duration::from_millis(700), reader(&kubelet)).await;
    limit(before);
    drop(reader(&kubelet).await);
    let warnings = daemon.logs("accept_failed").now();
    assert_eq!(warnings.len(), 1, "{}", daemon.log());
}
