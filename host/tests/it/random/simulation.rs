//! A plugin in this process, its kubelet and its node, and what holds whenever they are left in peace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use sriovdp_agent::directory_watcher::DirectoryWatcher;
use sriovdp_agent::host_paths::HostPaths;
use sriovdp_agent::output::cdi::CdiNames;
use sriovdp_agent::reconcile::{KubeletOptions, Reconciler};
use sriovdp_fake_kubelet::{FakeKubelet, KubeletVersion, Phase, PodSpec};
use sriovdp_kubelet::DirectoryChanges;
use sriovdp_sdk::PciAddress;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::devices::{Devices, devices_of, listed};
use super::event::Event;
use super::generator::Generator;
use super::node::{
    DEVICES, RESOURCES, address, configuration, link, physical_function, plug, tree,
};
use crate::in_process::{reconciler, reconciler_with_providers};
use crate::test_node::{RegistrationMode, TestNode, built};

/// How much the clock is set forward at a time: less than anything that a peer has to answer within.
const STEP: Duration = Duration::from_millis(100);
/// More than all pauses between attempts together can be.
const STEPS: usize = 3000;
/// How many pods there are at most.
const PODS: usize = 3;
const A_MINUTE: Duration = Duration::from_secs(61);

pub(super) struct Simulation {
    node: TestNode,
    kubelet: FakeKubelet,
    state: Reconciler,
    /// Follows the kubelet's directories for as long as it is here.
    _watch: JoinSet<std::io::Result<()>>,
    /// The driver of each device that is there.
    drivers: [Option<&'static str>; DEVICES],
    /// Attributes that are hidden, with what was in them.
    hidden: BTreeMap<PathBuf, Vec<u8>>,
    configuration: usize,
    /// The functions in events since the last reconcile; nothing for a full reconcile.
    touched: Option<BTreeSet<PciAddress>>,
    /// When time alone may have changed something, as the last reconcile returned.
    requeue_at: Option<Instant>,
}

impl Simulation {
    pub(super) async fn begin(mode: RegistrationMode, version: KubeletVersion) -> Self {
        let node = TestNode::without_providers(&tree(), mode);
        node.provide("net-device", &built("sriovdp_net_device"));
        node.configure(&configuration(0));
        let kubelet = node.kubelet_with(|config| config.version = version).await;
        let tree = HostPaths::new(node.root(), "/var/lib/kubelet");
        let directories = vec![
            tree.below_root(tree.device_plugins()),
            tree.below_root(tree.plugins_registry()),
        ];
        let watch = DirectoryWatcher::new(directories)
            .expect("an inotify instance")
            .with_resync();
        let side = KubeletOptions {
            mode,
            directory_changes: DirectoryChanges::new(watch.changes()),
            use_cdi: false,
            cdi_names: CdiNames::Field,
        };
        let mut watches = JoinSet::new();
        watches.spawn(watch.run());
        Self {
            state: reconciler(&node, Some(side)),
            kubelet,
            _watch: watches,
            drivers: [Some("iavf"); DEVICES],
            hidden: BTreeMap::new(),
            configuration: 0,
            touched: None,
            requeue_at: None,
            node,
        }
    }

    /// Lets the events happen, leaves everything in peace, and compares.
    pub(super) async fn sequence(
        &mut self,
        events: &[Event],
        generator: &mut Generator,
    ) -> Result<(), String> {
        // The plugin that was started for comparison has asked the same providers, so they go on from its scans.
        self.touched = None;
        self.reconcile().await?;
        for event in events {
            self.apply(*event).await;
            if generator.one_in(2) {
                self.reconcile().await?;
            }
        }
        self.undo_faults();
        self.reconcile().await?;
        let expected = self.expected().await;
        // Devices that have left are listed for a while, and a plugin that starts has only those of pods.
        self.settle(&expected, |listed, expected, _| {
            expected
                .iter()
                .all(|(id, state)| listed.get(id).is_some_and(|listed| agree(listed, state)))
        })
        .await?;
        advance(A_MINUTE).await;
        self.reconcile().await?;
        // One that a pod has stays in the list until the pod ends, although it is no longer there.
        self.settle(&expected, |listed, expected, held| {
            let mut listed = listed.clone();
            listed.retain(|id, (healthy, _)| {
                *healthy || expected.contains_key(id) || !held.contains(id)
            });
            let mut pairs = listed.iter().zip(expected);
            listed.len() == expected.len()
                && pairs.all(|((a, listed), (b, state))| a == b && agree(listed, state))
        })
        .await?;
        match self.kubelet.violations().as_slice() {
            [] => Ok(()),
            violations => Err(format!(
                "rules were broken: {violations:#?}\n{}",
                self.journal()
            )),
        }
    }

    pub(super) async fn end(mut self) {
        self.state.withdraw().await;
    }

    async fn apply(&mut self, event: Event) {
        match event {
            Event::Unplug(device) => self.unplug(device),
            Event::Plug(device, driver) => {
                self.unplug(device);
                self.touch(&address(device));
                self.node.change(&plug(device, driver));
                self.drivers[device] = Some(driver);
            }
            Event::Link(pf, is_up) => {
                self.node.change(&link(pf, is_up));
                self.touch(&physical_function(pf));
            }
            Event::Hide(device, attribute) => self.hide(device, attribute),
            Event::Configure(which) => {
                self.configuration = which;
                self.node.configure(&configuration(which));
            }
            Event::BreakConfiguration => self.node.configure("{\"resourceList\": [,]}"),
            Event::RemoveConfiguration => {
                let _ = std::fs::remove_file(self.node.root().join("etc/pcidp/config.json"));
            }
            Event::AddProvider("broken") => self.node.provide_bytes("broken.so", b"no library"),
            Event::AddProvider(name) => {
                let library = format!("sriovdp_{}", name.replace('-', "_"));
                self.node.provide(name, &built(&library));
            }
            Event::RemoveProvider(name) => {
                let _ = std::fs::remove_file(self.node.provider_dir().join(format!("{name}.so")));
            }
            Event::AMinute => advance(A_MINUTE).await,
            Event::Outcome => self.touched = None,
            of_the_kubelet => self.apply_to_kubelet(of_the_kubelet).await,
        }
    }

    /// What finds nothing to happen to does not happen.
    async fn apply_to_kubelet(&self, event: Event) {
        match event {
            Event::RestartKubelet => self.kubelet.restart().await.expect("a kubelet"),
            Event::StopKubelet => self.kubelet.stop().await,
            Event::StartKubelet => self.kubelet.start_again().expect("a kubelet"),
            Event::DeleteSocket(pool) => {
                let _ = self.kubelet.delete_socket(RESOURCES[pool]);
            }
            Event::DeleteAllSockets => self.kubelet.delete_all_sockets().expect("directories"),
            Event::CancelStream(pool) => {
                let _ = self.kubelet.cancel_stream(RESOURCES[pool]);
            }
            Event::Refuse => self.kubelet.refuse_registration(Some("not today")),
            Event::RunPod(pool) => {
                let pod = PodSpec::wanting(&format!("pod{}", pool % PODS), 1, RESOURCES[pool]);
                self.kubelet.run_pod(pod).await;
            }
            Event::DeletePod(pod) => {
                let _ = self.kubelet.delete_pod(&format!("pod{pod}"));
            }
            _ => {}
        }
    }

    /// The event of a change. There is none for an attribute that becomes unreadable.
    fn touch(&mut self, function: &str) {
        if let Some(touched) = &mut self.touched {
            touched.insert(function.parse().expect("an address"));
        }
    }

    fn unplug(&mut self, device: usize) {
        if self.drivers[device].take().is_some() {
            self.touch(&address(device));
            self.hidden
                .retain(|path, _| !path.iter().any(|part| *part == *address(device)));
            self.node.change(&format!("unplug {}", address(device)));
        }
    }

    fn hide(&mut self, device: usize, attribute: &str) {
        let functions = self.node.root().join("sys/bus/pci/devices");
        let path = functions.join(address(device)).join(attribute);
        if let Ok(content) = std::fs::read(&path) {
            std::fs::remove_file(&path).expect("a file");
            // A directory in place of an attribute fails each read of it.
            std::fs::create_dir(&path).expect("no file");
            self.hidden.insert(path, content);
        }
    }

    /// Ends everything that lasts for a while.
    fn undo_faults(&mut self) {
        for (path, content) in std::mem::take(&mut self.hidden) {
            std::fs::remove_dir(&path).expect("a directory");
            std::fs::write(path, content).expect("a file");
        }
        self.node.configure(&configuration(self.configuration));
        self.kubelet.refuse_registration(None);
        self.kubelet.start_again().expect("a kubelet");
    }

    async fn reconcile(&mut self) -> Result<(), String> {
        let outcome = match self.touched.replace(BTreeSet::new()) {
            Some(touched) => self.state.reconcile_functions(&touched).await,
            None => self.state.reconcile().await,
        };
        self.requeue_at = outcome.requeue.map(|requeue| requeue.at);
        let mut owners: BTreeMap<String, String> = BTreeMap::new();
        for pool in self.state.pools() {
            for (id, (healthy, _)) in devices_of(&pool) {
                let name = pool.resource.name.to_string();
                let first = healthy.then(|| owners.insert(id.clone(), name.clone()));
                if let Some(Some(first)) = first {
                    return Err(format!("`{id}` is in the pools `{first}` and `{name}`"));
                }
            }
        }
        Ok(())
    }

    /// The devices of each resource, as a plugin would show them that starts now.
    async fn expected(&self) -> BTreeMap<String, Devices> {
        let mut start = reconciler_with_providers(&self.node, self.state.providers().clone());
        start.reconcile().await;
        let pools = start.pools();
        pools
            .map(|pool| (pool.resource.name.to_string(), devices_of(&pool)))
            .collect()
    }

    /// Waits until each resource is at the kubelet what is `expected`.
    async fn settle(
        &mut self,
        expected: &BTreeMap<String, Devices>,
        is_good: impl Fn(&Devices, &Devices, &BTreeSet<String>) -> bool,
    ) -> Result<(), String> {
        let held: BTreeMap<&str, BTreeSet<String>> =
            RESOURCES.map(|name| (name, self.held(name))).into();
        for _ in 0..STEPS {
            let differs = RESOURCES.iter().any(|name| {
                let view = self.kubelet.resource(name);
                match (expected.get(*name), view) {
                    (None, None) => false,
                    (None, Some(view)) => view.connected,
                    (Some(_), None) => true,
                    (Some(devices), Some(view)) => {
                        // Without its file, a socket accepts no new client.
                        let is_served = view.connected && view.socket.exists();
                        !is_served || !is_good(&listed(&view), devices, &held[*name])
                    }
                }
            });
            if !differs {
                return Ok(());
            }
            let news = tokio::time::timeout(Duration::from_millis(1), self.state.changed());
            match news.await {
                Ok(Err(error)) => return Err(format!("a task has failed: {error}")),
                Ok(Ok(())) => self.reconcile().await?,
                Err(_)
                    if self
                        .requeue_at
                        .is_some_and(|requeue_at| requeue_at <= Instant::now()) =>
                {
                    self.reconcile().await?;
                }
                Err(_) => advance(STEP).await,
            }
        }
        let mut reported = String::new();
        for name in RESOURCES {
            let _ = writeln!(reported, "{name}: expected {:?}", expected.get(name));
            let _ = writeln!(
                reported,
                "    found {:?}",
                self.kubelet.resource(name).as_ref().map(listed)
            );
        }
        Err(reported + &self.journal())
    }

    /// The devices that pods have by the name of a resource.
    fn held(&self, resource: &str) -> BTreeSet<String> {
        let pods = (0..PODS).filter_map(|n| self.kubelet.pod(&format!("pod{n}")));
        let running = pods.filter(|pod| pod.phase == Phase::Running);
        let devices = running.flat_map(|pod| pod.devices);
        let ours = devices.filter(|devices| devices.resource == resource);
        ours.flat_map(|devices| devices.ids).collect()
    }

    fn journal(&self) -> String {
        let journal = self.kubelet.journal();
        let last = journal.iter().rev().take(60).rev();
        let lines: Vec<String> = last.map(|event| event.kind.to_string()).collect();
        lines.join("\n")
    }
}

/// Whether a device is listed as a plugin lists it that starts now, which does not know the NUMA nodes of a function that
/// is gone.
fn agree(listed: &(bool, Vec<i64>), started: &(bool, Vec<i64>)) -> bool {
    listed == started || !listed.0 && *started == (false, Vec::new())
}

/// Sets the clock forward. What waits for the time that is over by then has had its turn.
async fn advance(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}
