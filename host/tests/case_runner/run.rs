//! One run of a case: a node, its kubelet and the daemon, and what each step finds.

use std::path::Path;
use std::time::{Duration, Instant};

use sriovdp_fake_kubelet::{FakeKubelet, ResourceView};
use sriovdp_proto::deviceplugin::ContainerAllocateResponse;

use super::case_file::{CaseFile, Section};
use super::test_node::{Daemon, RegistrationMode, TestNode};

/// Directories with files that outlive the plugin.
const OUTPUTS: [&str; 2] = ["/var/run/cdi", "/var/run/k8s.cni.cncf.io/devinfo/dp"];

/// A step whose expectation is not reached ends after so long without an event at the kubelet or in the log.
const SETTLED: Duration = Duration::from_secs(6);
/// The same for another program (`SRIOVDP_PROGRAM`), which an emulator may run.
const EMULATED_SETTLED: Duration = Duration::from_secs(60);

pub(super) struct Run {
    node: TestNode,
    kubelet: FakeKubelet,
    daemon: Daemon,
}

impl Run {
    /// The initial state of a case, with all providers of the repository.
    pub(super) async fn start(case: &CaseFile, mode: RegistrationMode) -> Self {
        let resources = case.initial("config").join("\n");
        let config = format!("{{\"resourceList\": [\n{resources}\n]}}");
        let node = TestNode::with_config(&case.initial("node").join("\n"), mode, &config);
        node.provide_extensions();
        let options = case.initial("options").iter().map(String::as_str);
        Self {
            kubelet: node.kubelet().await,
            daemon: node.daemon_with(&options.collect::<Vec<_>>()),
            node,
        }
    }

    /// What a step finds, in the words of the file.
    pub(super) async fn step(&self, step: &Section) -> Vec<String> {
        let words: Vec<&str> = step.head.split_whitespace().collect();
        match *words {
            ["pools"] => self.pools(&step.body).await,
            ["refused", resource] => self.refused(resource, &step.body).await,
            ["change"] => {
                self.node.change(&step.body.join("\n"));
                step.body.clone()
            }
            ["reconcile"] => {
                self.daemon.signal(rustix::process::Signal::HUP);
                Vec::new()
            }
            ["allocate", resource, ref ids @ ..] => {
                match self.kubelet.allocate(resource, ids).await {
                    Ok(container) => shown(&container),
                    Err(status) => vec![format!("refused: {}", status.message())],
                }
            }
            ["files"] => files(self.node.root()),
            _ => panic!("unknown step `{}`", step.head),
        }
    }

    pub(super) fn log(&self) -> String {
        self.daemon.log()
    }

    /// The pools as the kubelet has them, after a wait for those that are expected.
    async fn pools(&self, expected: &[String]) -> Vec<String> {
        let found = || {
            let resources = expected
                .iter()
                .map(|line| line.split(": ").next().unwrap_or_default());
            let lines = resources.map(|name| match self.kubelet.resource(name) {
                Some(view) => pool(name, &view),
                None => format!("{name}: not registered"),
            });
            lines.collect::<Vec<_>>()
        };
        self.wait_until(|| found() == expected).await;
        found()
    }

    /// Waits until the log has the reasons. Of a resource that is registered all the same, the pool is found.
    async fn refused(&self, resource: &str, reasons: &[String]) -> Vec<String> {
        let is_logged = |reason: &&String| {
            let refused = self.daemon.logs("resource_refused");
            !refused.containing("error", reason).now().is_empty()
        };
        self.wait_until(|| reasons.iter().all(|reason| is_logged(&reason)))
            .await;
        match self.kubelet.resource(resource) {
            None => reasons.iter().filter(is_logged).cloned().collect(),
            Some(view) => vec![pool(resource, &view)],
        }
    }

    /// Returns once `is_reached`, or when nothing happens any more.
    async fn wait_until(&self, is_reached: impl Fn() -> bool) {
        let progress = || (self.kubelet.journal().len(), self.daemon.log().len());
        let mut last = (progress(), Instant::now());
        let settled = match std::env::var_os("SRIOVDP_PROGRAM") {
            None => SETTLED,
            Some(_) => EMULATED_SETTLED,
        };
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        for tick in 1.. {
            ticks.tick().await;
            if is_reached() || last.1.elapsed() > settled {
                return;
            }
            if tick % 50 == 0 && progress() != last.0 {
                last = (progress(), Instant::now());
            }
        }
    }
}

/// `RESOURCE: ID numa=N, ID unhealthy, ...`; a device of the NUMA node 0 goes without saying.
fn pool(resource: &str, view: &ResourceView) -> String {
    let devices = view.devices.iter().map(|device| {
        let near = match &*device.numa {
            [] => " numa=none".to_owned(),
            [0] => String::new(),
            nodes => format!(" numa={nodes:?}").replace(['[', ']'], ""),
        };
        let health = if device.healthy { "" } else { " unhealthy" };
        format!("{}{near}{health}", device.id)
    });
    let devices: Vec<String> = devices.collect();
    match &*devices {
        [] => format!("{resource}: no devices"),
        devices => format!("{resource}: {}", devices.join(", ")),
    }
}

/// What a container gets, one line for each thing.
fn shown(container: &ContainerAllocateResponse) -> Vec<String> {
    let sorted = |pairs: &std::collections::HashMap<String, String>, before: &str| {
        let lines = pairs.iter().map(|(k, v)| format!("{before}{k} = {v}"));
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        lines
    };
    let renamed = |on_node: &str, in_container: &str| match on_node == in_container {
        true => on_node.to_owned(),
        false => format!("{on_node} as {in_container}"),
    };
    let devices = container.devices.iter().map(|node| {
        let path = renamed(&node.host_path, &node.container_path);
        format!("device {} {path}", node.permissions)
    });
    let mounts = container.mounts.iter().map(|mount| {
        let path = renamed(&mount.host_path, &mount.container_path);
        format!("mount {} {path}", if mount.read_only { "ro" } else { "rw" })
    });
    let names = container.cdi_devices.iter();
    let mut lines = sorted(&container.envs, "");
    lines.extend(devices);
    lines.extend(mounts);
    lines.extend(names.map(|device| format!("cdi {}", device.name)));
    lines.extend(sorted(&container.annotations, "annotation "));
    lines
}

/// Every file that the plugin left behind: its path, and its content as one line of JSON.
fn files(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for directory in OUTPUTS {
        let entries = std::fs::read_dir(root.join(&directory[1..]));
        let mut names: Vec<String> = entries
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            // One that is being written has a hidden name.
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        for name in names {
            let path = format!("{directory}/{name}");
            let bytes = std::fs::read(root.join(&path[1..])).unwrap();
            let content: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            lines.extend([path, format!("  {content}")]);
        }
    }
    lines
}
