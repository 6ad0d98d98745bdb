//! Limits of the system: a moment without threads, and too few file descriptors.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, Signal, geteuid, getrlimit};
use tokio::process::Command;

use crate::test_node::{CAPTURED, Daemon, RegistrationMode, TestNode, both_modes, built};

both_modes!(descriptor_limit_serves_some_pools_and_names_the_rest);

/// A user without any other process. RLIMIT_NPROC counts all threads of a user, and none of root's.
pub(crate) const USER: u32 = 51_234;
const POOLS: usize = 64;

/// `program` with `limit` as an option of prlimit(1), before the arguments of the command.
pub(crate) fn limited(limit: &str, command: &Command) -> Command {
    let command = command.as_std();
    let mut limited = Command::new("prlimit");
    limited
        .arg(limit)
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        limited.env(name, value.unwrap_or_default());
    }
    limited
}

pub(crate) fn give_to_user(path: &Path) {
    if path.is_symlink() {
        return;
    }
    std::os::unix::fs::chown(path, Some(USER), Some(USER)).unwrap();
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        give_to_user(&entry.path());
    }
}

/// Changes the soft limit of a daemon, as its own user: root may lack the right to.
pub(crate) async fn allow_threads(daemon: &Daemon, threads: Option<u64>) {
    let most = threads.or_else(|| getrlimit(Resource::Nproc).maximum);
    let most = most.map_or_else(|| "unlimited".to_owned(), |most| most.to_string());
    let mut prlimit = Command::new("prlimit");
    let id = daemon.id().to_string();
    prlimit.args(["--pid", &id, &format!("--nproc={most}:")]);
    let changed = prlimit.uid(USER).gid(USER).status().await.unwrap();
    assert!(changed.success());
}

/// Whether this is root, and the program can be started as another user.
pub(crate) async fn can_be_limited() -> bool {
    let version = Command::new(sriovdp_tests::program())
        .arg("--version")
        .uid(USER)
        .output();
    let can_be_run = version.await.is_ok_and(|output| output.status.success());
    let can_be_limited = geteuid().is_root() && can_be_run;
    if !can_be_limited {
        println!("skipped: only root can start the program as a user whose threads are limited");
    }
    can_be_limited
}

#[tokio::test]
async fn thread_shortage_fails_only_the_calls_during_it() {
    let config = r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#;
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, config);
    let kubelet = node.kubelet().await;
    for directory in [node.root(), node.provider_dir()] {
        give_to_user(directory);
    }
    let mut command = limited("--nproc=1:", &node.command(&[]));
    command.uid(USER).gid(USER);
    if !can_be_limited().await {
        return;
    }

    // At the start there is no thread for anything.
    let mut daemon = node.daemon_of(command);
    daemon.logs("thread_start_failed").await;
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    for _ in 0..3 {
        daemon.signal(Signal::HUP);
    }
    allow_threads(&daemon, None).await;
    daemon.signal(Signal::HUP);
    let registered = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 4);
    registered.await.unwrap();
    // Later the one thread that is kept does the work.
    allow_threads(&daemon, Some(1)).await;
    let allocated = kubelet.allocate("intel.com/a", &["0000:41:10.0"]).await;
    allocated.unwrap();

    daemon.signal(Signal::HUP);
    assert!(daemon.is_running(), "{}", daemon.log());

    allow_threads(&daemon, None).await;
    daemon.terminates_cleanly().await;
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

/// No other trigger follows the shortage, and the next resync is a minute away.
#[tokio::test]
async fn providers_are_retried_after_a_shortage_of_descriptors() {
    let node = TestNode::without_providers(CAPTURED, RegistrationMode::Watcher);
    node.configure(
        r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["eth2"]}}]}"#,
    );
    let kubelet = node.kubelet().await;
    let daemon = node.daemon();
    daemon.logs("no_provider").await;
    let allow_files = async |files: &str| {
        let mut prlimit = Command::new("prlimit");
        let id = daemon.id().to_string();
        prlimit.args(["--pid", &id, &format!("--nofile={files}:")]);
        assert!(prlimit.status().await.unwrap().success());
    };
    allow_files("3").await;
    node.provide("net-device", &built("sriovdp_net_device"));
    let failed = daemon.logs("providers_unreadable");
    failed.containing("error", "os error 24").await;
    allow_files("1024").await;
    let served = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 4);
    assert!(served.await.is_ok(), "{}", daemon.log());
}

#[tokio::test]
async fn sigterm_ends_a_long_first_reconcile() {
    let resource =
        |n| format!(r#"{{"resourceName": "r{n}", "selectors": {{"pfNames": ["pf{n}"]}}}}"#);
    let list: Vec<String> = (0..20_000).map(resource).collect();
    let config = format!(r#"{{"resourceList": [{}]}}"#, list.join(","));
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, &config);
    let mut daemon = node.daemon();
    daemon.logs("starting").await;
    daemon.signal(Signal::TERM);
    let ended = tokio::time::timeout(Duration::from_secs(10), daemon.ended());
    let status = ended.await.expect("an end");
    assert!(status.success(), "{status}: {}", daemon.log());
}

fn config() -> String {
    let mut list = String::new();
    for n in 0..POOLS {
        let comma = if n == 0 { "" } else { "," };
        write!(
            list,
            r#"{comma}{{"resourceName": "p{n}", "selectors": {{"pciAddresses": ["0000:01:{:02x}.{}"]}}}}"#,
            1 + n / 8,
            n % 8
        )
        .unwrap();
    }
    format!(r#"{{"resourceList": [{list}]}}"#)
}

fn node() -> String {
    let mut tree = "pf 0000:01:00.0 8086:1572 driver=i40e net=pf0\n".to_owned();
    for n in 0..POOLS {
        let (device, function) = (1 + n / 8, n % 8);
        writeln!(
            tree,
            "vf 0000:01:{device:02x}.{function} 8086:154c pf=0000:01:00.0 id={n} driver=iavf"
        )
        .unwrap();
    }
    tree
}

/// 64 resources want about 180 descriptors.
async fn descriptor_limit_serves_some_pools_and_names_the_rest(mode: RegistrationMode) {
    for (limit, served) in [(32, 1), (48, 1), (64, 7), (128, 39)] {
        let node = TestNode::with_config(&node(), mode, &config());
        let kubelet = node.kubelet().await;
        let command = limited(&format!("--nofile={limit}"), &node.command(&[]));
        let mut daemon = node.daemon_of(command);
        let record = daemon.logs("descriptors_short").with("count", served).await;
        let log = record.text("reason");
        for n in 0..POOLS {
            let name = format!("intel.com/p{n}");
            if n < served {
                let one = kubelet.wait_for(&name, |view| view.allocatable() == 1);
                one.await
                    .unwrap_or_else(|error| panic!("nofile {limit}: {error}\n{}", daemon.log()));
            } else {
                assert!(log.contains(&name), "{name} is not named: {log}");
            }
        }
        daemon.signal(Signal::HUP);
        kubelet
            .allocate("intel.com/p0", &["0000:01:01.0"])
            .await
            .unwrap();
        daemon.terminates_cleanly().await;
        // While all of them register, a connection may have to wait for a descriptor.
        let log = daemon.log();
        let lines = log.lines().count() - daemon.logs("accept_failed").now().len();
        assert!(lines < 4 * POOLS, "{lines} lines: {}", daemon.log());
        assert_eq!(kubelet.violations(), [""; 0]);
    }
}
