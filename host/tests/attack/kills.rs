//! `kill -9` in a loop, during Allocates and changes of the configuration.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;

use crate::test_node::{RegistrationMode, TestNode, built};

const ROUNDS: usize = 60;
const NODE: &str = "
    pf 0000:01:00.0 8086:1572 driver=i40e net=pf0
    vf 0000:01:01.{0-7} 8086:154c pf=0000:01:00.0 id={0-7} driver=vfio-pci group={1-8}
";
const CONFIGS: [&str; 2] = [
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["pf0"]}}]}"#,
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["pf0#0-5"]}},
        {"resourceName": "b", "selectors": {"pfNames": ["pf0"]}}]}"#,
];

/// The files below `directory`, by name.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        Some((name, std::fs::read(entry.path()).ok()?))
    });
    named.collect()
}

#[tokio::test]
async fn sigkill_leaves_no_partial_file() {
    for mode in [RegistrationMode::Watcher, RegistrationMode::Register] {
        let node = TestNode::without_providers(NODE, mode);
        node.provide("net-device", &built("sriovdp_net_device"));
        node.configure(CONFIGS[0]);
        let kubelet = node.kubelet().await;
        let directories = ["var/run/cdi", "var/run/k8s.cni.cncf.io/devinfo/dp"];
        for round in 0..ROUNDS {
            let mut daemon = node.daemon_with(&["--use-cdi"]);
            // The kill comes at another point of the life each time.
            let simulation = Duration::from_millis(u64::try_from(round % 20 * 10).unwrap());
            let with_daemon = async {
                let serves = kubelet.wait_for("intel.com/a", |view| view.allocatable() > 0);
                let _ = serves.await;
                let mut ticks = tokio::time::interval(Duration::from_millis(2));
                for n in 0.. {
                    ticks.tick().await;
                    node.configure(CONFIGS[n % 2]);
                    let id = format!("0000:01:01.{}", n % 6);
                    let _ = kubelet.allocate("intel.com/a", &[&id]).await;
                }
            };
            if round % 2 == 0 {
                // From the first answer on.
                let serves = kubelet.wait_for("intel.com/a", |view| view.allocatable() > 0);
                serves.await.unwrap();
            }
            let _ = tokio::time::timeout(simulation, with_daemon).await;
            daemon.signal(Signal::KILL);
            daemon.ended().await;
            for (name, content) in directories
                .map(|name| files(&node.root().join(name)))
                .concat()
            {
                let parsed = serde_json::from_slice::<serde_json::Value>(&content);
                let is_temporary = name.starts_with('.');
                assert!(
                    is_temporary || parsed.is_ok(),
                    "round {round}: `{name}` is broken"
                );
            }
        }
        node.configure(CONFIGS[0]);
        let mut daemon = node.daemon_with(&["--use-cdi"]);
        let serves = kubelet.wait_for("intel.com/a", |view| view.allocatable() == 8);
        serves.await.unwrap();
        kubelet
            .allocate("intel.com/a", &["0000:01:01.0"])
            .await
            .unwrap();
        daemon.terminates_cleanly().await;
        for name in directories {
            for (name, _) in files(&node.root().join(name)) {
                assert!(!name.starts_with('.'), "`{name}` is left over");
            }
        }
        assert_eq!(kubelet.violations(), [""; 0]);
    }
}
