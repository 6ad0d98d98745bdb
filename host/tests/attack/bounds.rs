//! What a daemon under attack takes of the machine, and how soon it answers.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sriovdp_fake_kubelet::raw_grpc::{Call, RawConnection};
use sriovdp_proto::pluginregistration::{InfoRequest, PluginInfo};

use crate::test_node::{Daemon, TestNode};

/// What an attack may add to the memory of the process at most.
const MEMORY: u64 = 48 << 10;
/// An answer may take this long during an attack, on a machine with other work.
const LATENCY: Duration = Duration::from_secs(3);

/// A daemon before an attack.
pub(crate) struct Before {
    id: u32,
    kilobytes: u64,
    descriptors: usize,
}

impl Before {
    pub(crate) fn of(daemon: &Daemon) -> Self {
        let id = daemon.id();
        // Forgets the peak so far.
        std::fs::write(format!("/proc/{id}/clear_refs"), "5").unwrap();
        Self {
            id,
            kilobytes: status(id, "VmHWM:"),
            descriptors: descriptors(id),
        }
    }

    /// The attack `name` has stayed within the bounds.
    pub(crate) async fn compare(&self, name: &str, socket: &Path) {
        let latency = info(socket).await;
        let peak = status(self.id, "VmHWM:").saturating_sub(self.kilobytes);
        println!("{name}: {peak} kB more at the peak, GetInfo after {latency:?}");
        assert!(peak < MEMORY, "{name}: {peak} kB more");
        let end = Instant::now() + Duration::from_secs(10);
        while descriptors(self.id) > self.descriptors {
            assert!(Instant::now() < end, "{name}: descriptors stay open");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How long GetInfo takes.
pub(crate) async fn info(socket: &Path) -> Duration {
    let begin = Instant::now();
    let asked = async {
        let mut connection = RawConnection::open(socket, None).await?;
        let call = Call {
            path: "/pluginregistration.Registration/GetInfo",
            authority: "localhost",
            deadline: LATENCY,
        };
        connection
            .unary::<PluginInfo>(call, &InfoRequest::default())
            .await
    };
    let answer = tokio::time::timeout(LATENCY, asked).await;
    answer.expect("an answer in time").expect("an answer");
    begin.elapsed()
}

/// The socket of a resource whose daemon is found by the plugin watcher.
pub(crate) fn socket(node: &TestNode, resource: &str) -> PathBuf {
    let name = format!("{}.sock", resource.replace('/', "_"));
    node.root()
        .join("var/lib/kubelet/plugins_registry")
        .join(name)
}

fn status(id: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.unwrap().split_whitespace().next();
    number.unwrap().parse().unwrap()
}

fn descriptors(id: u32) -> usize {
    std::fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}
