//! Metrics of the running daemon: which series there are when, and that they cost nothing without `--metrics-listen`.

use std::net::TcpListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::test_node::{CAPTURED, Daemon, RegistrationMode, TestNode};

const TIMEOUT: Duration = Duration::from_secs(30);

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "b", "selectors": {"drivers": ["vfio-pci"]}},
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}
]}"#;
const ONLY_B: &str =
    r#"{"resourceList": [{"resourceName": "b", "selectors": {"drivers": ["vfio-pci"]}}]}"#;

/// A scrape of `path` at `address`, once there is a server.
pub(crate) async fn get(address: &str, path: &str) -> String {
    tokio::time::timeout(TIMEOUT, scraped(address, path))
        .await
        .unwrap_or_else(|_| panic!("no answer of {address} within {TIMEOUT:?}"))
}

async fn scraped(address: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let mut answer = String::new();
    let mut stream = loop {
        match TcpStream::connect(address).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// A daemon that serves metrics, and where.
pub(crate) fn with_metrics(node: &TestNode, more: &[&str]) -> (Daemon, String) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let options = [&["--metrics-listen", &address], more].concat();
    (node.daemon_with(&options), address)
}

/// Scrapes until the page is as expected.
async fn page(address: &str, is_expected: impl Fn(&str) -> bool) -> String {
    let mut last = String::new();
    let scraped = tokio::time::timeout(TIMEOUT, async {
        loop {
            last = get(address, "/metrics").await;
            if is_expected(&last) {
                return;
            }
        }
    });
    assert!(scraped.await.is_ok(), "{last}");
    last
}

#[tokio::test]
async fn counters_of_a_resource_exist_while_it_does() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let (_daemon, address) = with_metrics(&node, &[]);
    let registered = kubelet.wait_for("intel.com/a", |view| view.allocatable() > 0);
    registered.await.unwrap();
    let none = r#"sriovdp_allocations_total{resource="intel.com/a",result="error"} 0"#;
    page(&address, |page| page.lines().any(|line| line == none)).await;
    node.configure(ONLY_B);
    let of_a = r#"resource="intel.com/a""#;
    let rest = page(&address, |page| !page.contains(of_a)).await;
    let of_b = r#"sriovdp_allocations_total{resource="intel.com/b",result="ok"} 0"#;
    assert!(rest.lines().any(|line| line == of_b), "{rest}");
}

#[tokio::test]
async fn devices_of_pods_have_series_by_an_option() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let (_daemon, address) = with_metrics(&node, &["--metrics-pod-devices"]);
    let registered = kubelet.wait_for("intel.com/b", |view| view.allocatable() > 0);
    registered.await.unwrap();
    let pod = kubelet.run_pod_with("web", "intel.com/b", &["0000:41:10.2"]);
    pod.await.unwrap();
    let page = get(&address, "/metrics").await;
    let series = page
        .lines()
        .find(|line| line.starts_with("sriov_kubepoddevice{"));
    let series = series.unwrap_or_else(|| panic!("{page}"));
    let labels = r#"{pciAddr="0000:41:10.2",dev_type="intel.com/b",pod="web",namespace=""#;
    assert!(series.contains(labels), "{series}");
    assert!(series.contains(r#",container=""#) && series.ends_with("\"} 1"));
}

/// `key` in `/proc/PID/status`, as a number.
fn number(daemon: &Daemon, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", daemon.id())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let value = line.and_then(|line| line.split_whitespace().next());
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("{key} in {text}"))
}

/// The TCP sockets of the daemon.
fn tcp_sockets(daemon: &Daemon) -> usize {
    let process = format!("/proc/{}", daemon.id());
    let table = |name| std::fs::read_to_string(format!("{process}/net/{name}")).unwrap_or_default();
    let tables = table("tcp") + &table("tcp6");
    let inodes: Vec<&str> = tables
        .lines()
        .filter_map(|line| line.split_whitespace().nth(9))
        .collect();
    let open = std::fs::read_dir(format!("{process}/fd"))
        .unwrap()
        .flatten();
    let targets = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let is_tcp = |target: &std::path::PathBuf| {
        let target = target.to_string_lossy();
        inodes
            .iter()
            .any(|inode| target == format!("socket:[{inode}]"))
    };
    targets.filter(is_tcp).count()
}

#[tokio::test]
async fn without_the_option_there_is_no_socket_and_no_thread() {
    let (mut sockets, mut threads) = (Vec::new(), Vec::new());
    for on in [false, true] {
        let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
        let kubelet = node.kubelet().await;
        let (daemon, address) = match on {
            true => with_metrics(&node, &[]),
            false => (node.daemon(), String::new()),
        };
        let registered = kubelet.wait_for("intel.com/a", |view| view.allocatable() > 0);
        registered.await.unwrap();
        if on {
            get(&address, "/metrics").await;
        }
        sockets.push(tcp_sockets(&daemon));
        // Blocking threads come and go with the load, and one of them stays.
        let end = tokio::time::Instant::now() + Duration::from_secs(30);
        while number(&daemon, "Threads:") > 2 && tokio::time::Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        threads.push(number(&daemon, "Threads:"));
    }
    assert_eq!((sockets, threads), (vec![0, 1], vec![2, 2]));
}
