//! A node with some pools, its kubelet and its plugin, for one scenario.

use std::fmt::Write;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sriovdp_fake_kubelet::{Config, FakeKubelet, KubeletVersion, PodSpec, PodView, ResourceView};

use crate::test_node::{Daemon, RegistrationMode, TestNode, built};

/// So many pools that what one needs adds up.
pub(super) const MANY: usize = 64;

/// The first pool, and the only one of most scenarios.
pub(super) const POOL: &str = "intel.com/pool0";

/// Which kubelet, and how a plugin registers with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) mode: RegistrationMode,
    pub(super) version: KubeletVersion,
    /// How many pools there are at least.
    pub(super) pools: usize,
}

impl Kind {
    /// `make kubelet` sets the variable: then the device manager is that of a real kubelet.
    pub(super) fn configure(self, config: &mut Config) {
        config.version = self.version;
        config.device_manager = std::env::var_os("SRIOVDP_DEVICE_MANAGER").map(PathBuf::from);
    }
}

/// A node and its kubelet. The kubelet's own methods are called on it directly.
pub(super) struct PoolNode {
    pub(super) test_node: TestNode,
    kubelet: FakeKubelet,
    pub(super) pools: usize,
    pub(super) devices: usize,
}

impl PoolNode {
    /// Pools of two devices each.
    pub(super) async fn new(kind: Kind) -> Self {
        Self::with(kind, 1, 2, |_| {}).await
    }

    /// Pools `intel.com/pool0` and so on, with so many devices each, and a kubelet that is a little different.
    pub(super) async fn with(
        kind: Kind,
        pools: usize,
        devices: usize,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let pools = pools.max(kind.pools);
        let node = without_kubelet(kind.mode, pools, devices);
        let kubelet = node.kubelet_with(|config| {
            kind.configure(config);
            if pools < MANY {
                config.timing.dial = Duration::from_millis(500);
                config.timing.get_info = Duration::from_millis(300);
            } else {
                // Each waits for others, on a machine that may be loaded.
                config.timing.dial = Duration::from_secs(5);
                config.timing.get_info = Duration::from_secs(5);
            }
            change(config);
        });
        Self {
            kubelet: kubelet.await,
            test_node: node,
            pools,
            devices,
        }
    }

    /// The plugin, once all of its pools are registered with all of their devices.
    pub(super) async fn registered_daemon(&self) -> Daemon {
        let daemon = self.test_node.daemon();
        self.registered().await;
        daemon
    }

    /// Waits until every pool is registered, with all of its devices.
    pub(super) async fn registered(&self) {
        for pool in 0..self.pools {
            self.when(&name(pool), |view| {
                view.connected && view.allocatable() == self.devices
            })
            .await;
        }
    }

    /// Waits for a state of a pool.
    pub(super) async fn when(
        &self,
        pool: &str,
        wanted: impl Fn(&ResourceView) -> bool,
    ) -> ResourceView {
        match self.kubelet.wait_for(pool, wanted).await {
            Ok(view) => view,
            Err(timeout) => panic!("{timeout}\nlog:\n{}", self.log()),
        }
    }

    /// Waits until a pool was registered so many times and is there as a whole.
    pub(super) async fn registered_again(&self, pool: &str, times: usize) {
        self.when(pool, |view| {
            view.registrations >= times && view.allocatable() == self.devices
        })
        .await;
    }

    /// Runs a pod with devices of the first pool.
    pub(super) async fn pod(&self, name: &str, devices: usize) -> PodView {
        self.run_pod(PodSpec::wanting(name, devices, POOL)).await
    }

    /// The same, and after a rejection another pod in its place, as a `ReplicaSet` does. A kubelet that is still busy
    /// with the file of a dead plugin may register the living one twice, and rejects pods in between.
    pub(super) async fn replica(&self, name: &str, devices: usize) -> PodView {
        for _ in 0..10 {
            self.registered().await;
            let pod = self.pod(name, devices).await;
            if pod.rejection().is_none() {
                return pod;
            }
        }
        panic!("{:?}\nlog:\n{}", self.pod_now(name), self.log())
    }

    /// A pod that was not deleted.
    pub(super) fn pod_now(&self, name: &str) -> PodView {
        self.kubelet.pod(name).expect("a pod")
    }

    /// What the plugins of this node have logged.
    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.test_node.root().join("daemon.log")).unwrap_or_default()
    }

    /// The sockets of plugins that are there, dead ones too.
    pub(super) fn plugin_sockets(&self) -> Vec<PathBuf> {
        let mut sockets = plugin_sockets(&self.test_node);
        // A hidden name is there until the kubelet has found the socket.
        let is_hidden = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            name.as_encoded_bytes().starts_with(b".")
        };
        sockets.retain(|path| !is_hidden(path));
        sockets
    }

    /// Nothing happened that has no consequences only because this kubelet is so forgiving.
    pub(super) fn assert_no_violations(&self) {
        assert_eq!(self.violations(), [""; 0]);
    }
}

impl Deref for PoolNode {
    type Target = FakeKubelet;

    fn deref(&self) -> &FakeKubelet {
        &self.kubelet
    }
}

/// The node and its pools, before there is a kubelet.
pub(super) fn without_kubelet(mode: RegistrationMode, pools: usize, devices: usize) -> TestNode {
    let node = TestNode::without_providers(&node(pools, devices), mode);
    node.provide("net-device", &built("sriovdp_net_device"));
    node.configure(&config(&resources(pools)));
    node
}

/// The entry of each pool in a configuration.
pub(super) fn resources(pools: usize) -> Vec<String> {
    let resources = (0..pools).map(|pool| {
        format!(r#"{{"resourceName": "pool{pool}", "selectors": {{"pfNames": ["pf{pool}"]}}}}"#)
    });
    resources.collect()
}

pub(super) fn config(resources: &[String]) -> String {
    format!(r#"{{"resourceList": [{}]}}"#, resources.join(","))
}

pub(super) fn name(pool: usize) -> String {
    format!("intel.com/pool{pool}")
}

/// The id of a device of the first pool.
pub(super) fn id(device: usize) -> String {
    format!("0000:01:01.{device}")
}

/// The line that makes a device of the first pool, also after it was unplugged.
pub(super) fn device_line(pool: usize, device: usize) -> String {
    let bus = pool + 1;
    format!(
        "vf 0000:{bus:02x}:01.{device} 8086:154c pf=0000:{bus:02x}:00.0 id={device} driver=iavf"
    )
}

/// Takes a device of the first pool away, or brings it back, and triggers a reconcile.
pub(super) fn plug(node: &PoolNode, daemon: &Daemon, device: usize, there: bool) {
    let unplug = format!("unplug {}", id(device));
    node.test_node.change(&if there {
        device_line(0, device)
    } else {
        unplug
    });
    daemon.signal(Signal::HUP);
}

/// Sends SIGTERM: the plugin ends within two seconds, successfully, and takes its sockets with it.
pub(super) async fn terminates_cleanly(node: &TestNode, mut daemon: Daemon) {
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0), "{}", daemon.log());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(2), "the end took {took:?}");
    assert_eq!(plugin_sockets(node), Vec::<PathBuf>::new());
}

pub(super) async fn kill(mut daemon: Daemon) {
    daemon.signal(Signal::KILL);
    daemon.ended().await;
}

fn plugin_sockets(node: &TestNode) -> Vec<PathBuf> {
    let directories = ["device-plugins", "plugins_registry"];
    let kubelet = node.root().join("var/lib/kubelet");
    let entries = directories.map(|directory| std::fs::read_dir(kubelet.join(directory)));
    let entries = entries.into_iter().flatten().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    let is_the_kubelets = |path: &PathBuf| {
        path.ends_with("kubelet.sock") || path.ends_with("kubelet_internal_checkpoint")
    };
    paths.retain(|path| !is_the_kubelets(path));
    paths.sort();
    paths
}

fn node(pools: usize, devices: usize) -> String {
    let mut tree = String::new();
    for pool in 0..pools {
        let bus = pool + 1;
        writeln!(
            tree,
            "pf 0000:{bus:02x}:00.0 8086:1572 driver=i40e net=pf{pool}"
        )
        .expect("a string");
        for device in 0..devices {
            writeln!(tree, "{}", device_line(pool, device)).expect("a string");
        }
    }
    tree
}

/// Tests of each scenario for kubelets that treat plugins differently, with both registration modes; those behind the
/// semicolon need many pools. The rest of the matrix is ignored by default: an older kubelet, and every scenario with 64
/// pools. The files that a kubelet up to 1.32 deletes when it starts do not concern the plugin watcher.
macro_rules! kubelet_matrix {
    ($($scenario:ident),* $(; $($of_many:ident),+)? $(,)?) => {
        kubelet_matrix!(@ watcher_1_36, Watcher, V1_36, 1, [$($scenario),*] []);
        kubelet_matrix!(@ watcher_1_37, Watcher, V1_37, 1, [$($scenario),*] []);
        kubelet_matrix!(@ register_1_32, Register, V1_32, 1, [] [$($scenario),*]);
        kubelet_matrix!(@ register_1_36, Register, V1_36, 1, [$($scenario),*] []);
        kubelet_matrix!(@ register_1_37, Register, V1_37, 1, [$($scenario),*] []);
        kubelet_matrix!(@ watcher_1_36_with_64_pools, Watcher, V1_36, 64, [] [$($scenario,)* $($($of_many),+)?]);
        kubelet_matrix!(@ watcher_1_37_with_64_pools, Watcher, V1_37, 64, [$($($of_many),+)?] [$($scenario),*]);
        kubelet_matrix!(@ register_1_36_with_64_pools, Register, V1_36, 64, [] [$($scenario,)* $($($of_many),+)?]);
        kubelet_matrix!(@ register_1_37_with_64_pools, Register, V1_37, 64, [$($($of_many),+)?] [$($scenario),*]);
    };
    (@ $kubelet:ident, $mode:ident, $version:ident, $pools:literal, [$($default:ident),*] [$($full:ident),* $(,)?]) => {
        mod $kubelet {
            const KIND: crate::kubelet::pool_node::Kind = crate::kubelet::pool_node::Kind {
                mode: crate::test_node::RegistrationMode::$mode,
                version: sriovdp_fake_kubelet::KubeletVersion::$version,
                pools: $pools,
            };

            $(#[tokio::test]
            async fn $default() {
                super::$default(KIND).await;
            })*

            $(#[tokio::test]
            #[ignore = "a part of the full matrix: `make test-all`"]
            async fn $full() {
                super::$full(KIND).await;
            })*
        }
    };
}

pub(super) use kubelet_matrix;
