//! Simulated days: what happens again and again costs one process no more memory, files, threads or sockets.
//!
//! An hour has sixty reconciles with changes, sixty allocations, and one each of what happens now and then. A
//! test takes a day, or `SRIOVDP_HOURS`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use sriovdp_fake_kubelet::FakeKubelet;

use crate::test_node::{Daemon, RegistrationMode, TestNode, both_modes, built};

both_modes!(
    #[ignore = "takes minutes: `make test-all`"]
    resource_usage_is_constant
);

const POOL: &str = "intel.com/a";
const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "a", "selectors": {"pfNames": ["pf0"]}},
    {"resourceName": "b", "selectors": {"pfNames": ["pf1"]}}
]}"#;
const NODE: &str = "
    pf 0000:01:00.0 8086:1572 driver=i40e net=pf0
    pf 0000:02:00.0 8086:1572 driver=i40e net=pf1
    vf 0000:01:01.{0-7} 8086:154c pf=0000:01:00.0 id={0-7} driver=vfio-pci group={1-8}
    vf 0000:02:01.{0-7} 8086:154c pf=0000:02:00.0 id={0-7} driver=iavf
";
const ONE_MORE: &str = "0000:01:02.0 8086:154c pf=0000:01:00.0 id=8 driver=iavf";

/// Until everything has happened once or twice.
const WARM_UP: usize = 2;
/// A day comes after that.
const HOURS: usize = 24;

/// What one process has of the machine.
#[derive(Clone, Copy)]
struct ResourceUsage {
    resident_kb: usize,
    files: usize,
    threads: usize,
    socket_files: usize,
}

async fn resource_usage_is_constant(mode: RegistrationMode) {
    let node = TestNode::without_providers(NODE, mode);
    node.provide("net-device", &built("sriovdp_net_device"));
    node.configure(CONFIG);
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    let registered = |count| kubelet.wait_for(POOL, move |view| view.allocatable() == count);
    registered(8).await.unwrap();
    for hour in 0..WARM_UP {
        run_hour(&node, &kubelet, &daemon, hour).await;
    }
    let before = ResourceUsage::of(&node, &daemon);
    let hours = std::env::var("SRIOVDP_HOURS").ok();
    let hours = hours.map_or(HOURS, |hours| hours.parse().expect("a number"));
    for hour in 0..hours {
        run_hour(&node, &kubelet, &daemon, hour).await;
    }
    let after = settled(&node, &daemon, before).await;
    assert_eq!(
        after.socket_files, before.socket_files,
        "{before}, then {after}"
    );
    assert!(after.files <= before.files, "{before}, then {after}");
    // Idle threads for calls into providers end after ten seconds, so there may be some more or less.
    assert!(
        after.threads <= before.threads + 8,
        "{before}, then {after}"
    );
    // The heap finds its shape within the first two days. What grew with each reconcile or registration would be more than
    // this: an hour has more than sixty of them.
    let bound = before.resident_kb + 1024 + hours * 2;
    assert!(after.resident_kb < bound, "{before}, then {after}");
    assert_eq!(kubelet.violations(), [""; 0]);
}

async fn run_hour(node: &TestNode, kubelet: &FakeKubelet, daemon: &Daemon, hour: usize) {
    for minute in 0..60 {
        let id = format!("0000:01:01.{}", minute % 8);
        kubelet.allocate(POOL, &[&id]).await.unwrap();
        let is_there = minute % 2 == 0;
        node.change(&if is_there {
            format!("vf {ONE_MORE}")
        } else {
            "unplug 0000:01:02.0".to_owned()
        });
        daemon.signal(Signal::HUP);
        let wanted = 8 + usize::from(is_there);
        has(kubelet, wanted).await;
    }
    kubelet.restart().await.unwrap();
    has(kubelet, 8).await;
    node.configure("no configuration");
    daemon.signal(Signal::HUP);
    node.configure(CONFIG);
    daemon.signal(Signal::HUP);
    if hour.is_multiple_of(6) {
        // Not each hour: hours are seconds here, and the backoff of a registration that is lost so often reaches half a minute.
        let registrations = kubelet.resource(POOL).unwrap().registrations;
        kubelet.delete_socket(POOL).unwrap();
        let registered = kubelet.wait_for(POOL, |view| {
            view.registrations > registrations && view.allocatable() == 8
        });
        registered.await.unwrap();
        let mut other = node.daemon();
        other.logs("peer_wait").await;
        other.signal(Signal::KILL);
        other.ended().await;
    }
}

async fn has(kubelet: &FakeKubelet, devices: usize) {
    let wanted = kubelet.wait_for(POOL, |view| view.allocatable() == devices);
    if let Err(timeout) = wanted.await {
        panic!("{timeout}");
    }
}

/// What it comes to when connections and threads that are ending have ended.
async fn settled(node: &TestNode, daemon: &Daemon, before: ResourceUsage) -> ResourceUsage {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let mut usage = ResourceUsage::of(node, daemon);
    for _ in 0..100 {
        if usage.files <= before.files {
            break;
        }
        ticks.tick().await;
        usage = ResourceUsage::of(node, daemon);
    }
    usage
}

impl ResourceUsage {
    fn of(node: &TestNode, daemon: &Daemon) -> Self {
        let process = PathBuf::from(format!("/proc/{}", daemon.id()));
        let status = std::fs::read_to_string(process.join("status")).expect("a process");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).expect("a number")
        };
        let count = |directory: PathBuf| std::fs::read_dir(directory).map_or(0, Iterator::count);
        let kubelet = node.root().join("var/lib/kubelet");
        Self {
            resident_kb: number("VmRSS:"),
            files: count(process.join("fd")),
            threads: number("Threads:"),
            socket_files: count(kubelet.join("device-plugins"))
                + count(kubelet.join("plugins_registry")),
        }
    }
}

impl fmt::Display for ResourceUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            resident_kb,
            files,
            threads,
            socket_files,
        } = self;
        write!(
            f,
            "{resident_kb} kB, {files} files, {threads} threads, {socket_files} sockets"
        )
    }
}
