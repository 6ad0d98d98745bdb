//! A plugin in this process, its kubelet and its node, and what holds whenever they are left in peace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use sriovdp_fake_kubelet::{FakeKubelet, KubeletVersion, PodSpec, ResourceView};
use sriovdp_host::config::Defaults;
use sriovdp_host::kubelet::Mode;
use sriovdp_host::node::NodeTree;
use sriovdp_host::pools::{Health, Pool, Strictness};
use sriovdp_host::providers::ProviderSettings;
use sriovdp_host::reconcile::{KubeletSide, Reconciler, Settings};
use sriovdp_host::watch::DirectoryWatch;
use tokio::task::JoinSet;

use super::dice::Dice;
use super::event::Event;
use super::node::{DEVICES, RESOURCES, address, configuration, plug, tree};
use crate::world::{Way, World, built};

/// How much the clock is set forward at a time: less than anything that a peer has to answer within.
const STEP: Duration = Duration::from_millis(100);
/// More than all pauses between attempts together can be.
const STEPS: usize = 3000;
const A_MINUTE: Duration = Duration::from_secs(61);

/// Each device of a resource: whether it is healthy, and its NUMA nodes.
type Devices = BTreeMap<String, (bool, Vec<i64>)>;

pub(super) struct Life {
    world: World,
    kubelet: FakeKubelet,
    state: Reconciler,
    /// Follows the kubelet's directories for as long as it is here.
    _watch: JoinSet<std::io::Result<()>>,
    /// The driver of each device that is there.
    drivers: [Option<&'static str>; DEVICES],
    /// Attributes that are hidden, with what was in them.
    hidden: BTreeMap<PathBuf, Vec<u8>>,
    configuration: usize,
}

impl Life {
    pub(super) async fn begin(way: Way, version: KubeletVersion) -> Self {
        let world = World::without_providers(&tree(), way);
        world.provide("net-device", &built("sriovdp_net_device"));
        world.configure(&configuration(0));
        let kubelet = world.kubelet_with(|config| config.version = version).await;
        let tree = NodeTree::new(world.root(), "/var/lib/kubelet");
        let directories = vec![
            tree.real(tree.device_plugins()),
            tree.real(tree.plugins_registry()),
        ];
        let watch = DirectoryWatch::new(directories)
            .expect("an inotify instance")
            .with_safety_net();
        let side = KubeletSide {
            mode: match way {
                Way::Watcher => Mode::Watcher,
                Way::Register => Mode::Register,
            },
            ticks: watch.ticks(),
            cdi: None,
        };
        let mut watches = JoinSet::new();
        watches.spawn(watch.run());
        let mut providers = ProviderSettings::new(world.provider_dir().to_owned());
        providers.program = env!("CARGO_BIN_EXE_sriovdp").into();
        let settings = Settings {
            defaults: Defaults {
                resource_prefix: "intel.com".to_owned(),
                registry: tree.plugins_registry(),
            },
            config_file: "/etc/pcidp/config.json".into(),
            strictness: Strictness::Strict,
            providers,
            tree,
        };
        Self {
            state: Reconciler::new(settings, Some(side)),
            kubelet,
            _watch: watches,
            drivers: [Some("iavf"); DEVICES],
            hidden: BTreeMap::new(),
            configuration: 0,
            world,
        }
    }

    /// Lets the events happen, leaves everything in peace, and compares.
    pub(super) async fn sequence(
        &mut self,
        events: &[Event],
        dice: &mut Dice,
    ) -> Result<(), String> {
        for event in events {
            self.happen(*event).await;
            if dice.one_in(2) {
                self.look().await?;
            }
        }
        self.leave_in_peace();
        self.look().await?;
        // Devices that have left are listed for a while, and a plugin that starts does not know of them.
        self.settle(|listed, expected| {
            expected
                .iter()
                .all(|(id, state)| listed.get(id) == Some(state))
        })
        .await?;
        advance(A_MINUTE).await;
        self.look().await?;
        self.settle(|listed, expected| listed == expected).await?;
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

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Unplug(device) => self.unplug(device),
            Event::Plug(device, driver) => {
                self.unplug(device);
                self.world.change(&plug(device, driver));
                self.drivers[device] = Some(driver);
            }
            Event::Hide(device, attribute) => self.hide(device, attribute),
            Event::Configure(which) => {
                self.configuration = which;
                self.world.configure(&configuration(which));
            }
            Event::BreakConfiguration => self.world.configure("{\"resourceList\": [,]}"),
            Event::RemoveConfiguration => {
                let _ = std::fs::remove_file(self.world.root().join("etc/pcidp/config.json"));
            }
            Event::AddProvider("broken") => self.world.provide_bytes("broken.so", b"no library"),
            Event::AddProvider(name) => {
                let library = format!("sriovdp_{}", name.replace('-', "_"));
                self.world.provide(name, &built(&library));
            }
            Event::RemoveProvider(name) => {
                let _ = std::fs::remove_file(self.world.provider_dir().join(format!("{name}.so")));
            }
            Event::AMinute => advance(A_MINUTE).await,
            Event::Look => {}
            of_the_kubelet => self.happen_at_the_kubelet(of_the_kubelet).await,
        }
    }

    /// What finds nothing to happen to does not happen.
    async fn happen_at_the_kubelet(&self, event: Event) {
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
                let pod = PodSpec::wanting(&format!("pod{}", pool % 3), 1, RESOURCES[pool]);
                self.kubelet.run_pod(pod).await;
            }
            Event::DeletePod(pod) => {
                let _ = self.kubelet.delete_pod(&format!("pod{pod}"));
            }
            _ => {}
        }
    }

    fn unplug(&mut self, device: usize) {
        if self.drivers[device].take().is_some() {
            self.hidden
                .retain(|path, _| !path.iter().any(|part| *part == *address(device)));
            self.world.change(&format!("unplug {}", address(device)));
        }
    }

    fn hide(&mut self, device: usize, attribute: &str) {
        let functions = self.world.root().join("sys/bus/pci/devices");
        let path = functions.join(address(device)).join(attribute);
        if let Ok(content) = std::fs::read(&path) {
            std::fs::remove_file(&path).expect("a file");
            self.hidden.insert(path, content);
        }
    }

    /// Ends everything that lasts for a while.
    fn leave_in_peace(&mut self) {
        for (path, content) in std::mem::take(&mut self.hidden) {
            std::fs::write(path, content).expect("a file");
        }
        self.world.configure(&configuration(self.configuration));
        self.kubelet.refuse_registration(None);
        self.kubelet.start_again().expect("a kubelet");
    }

    async fn look(&mut self) -> Result<(), String> {
        self.state.look().await;
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

    /// Waits until each resource is at the kubelet what it would be after a start now.
    async fn settle(&mut self, is_good: impl Fn(&Devices, &Devices) -> bool) -> Result<(), String> {
        let mut start = self.state.afresh();
        start.look().await;
        let expected: BTreeMap<String, Devices> = start
            .pools()
            .map(|pool| (pool.resource.name.to_string(), devices_of(&pool)))
            .collect();
        for _ in 0..STEPS {
            let differs = RESOURCES.iter().any(|name| {
                let view = self.kubelet.resource(name);
                match (expected.get(*name), view) {
                    (None, None) => false,
                    (None, Some(view)) => view.connected,
                    (Some(_), None) => true,
                    (Some(devices), Some(view)) => {
                        !view.connected || !is_good(&listed(&view), devices)
                    }
                }
            });
            if !differs {
                return Ok(());
            }
            let news = tokio::time::timeout(Duration::from_millis(1), self.state.news());
            match news.await {
                Ok(Err(error)) => return Err(format!("a task has failed: {error}")),
                Ok(Ok(())) => self.look().await?,
                Err(_) => advance(STEP).await,
            }
        }
        let mut told = String::new();
        for name in RESOURCES {
            let _ = writeln!(told, "{name}: expected {:?}", expected.get(name));
            let _ = writeln!(
                told,
                "    found {:?}",
                self.kubelet.resource(name).as_ref().map(listed)
            );
        }
        Err(told + &self.journal())
    }

    fn journal(&self) -> String {
        let journal = self.kubelet.journal();
        let last = journal.iter().rev().take(60).rev();
        let lines: Vec<String> = last.map(|event| event.what.to_string()).collect();
        lines.join("\n")
    }
}

fn devices_of(pool: &Pool) -> Devices {
    let numa = |node: Option<u32>| node.map(i64::from).into_iter().collect();
    let devices = pool.devices.iter().map(|device| {
        let shown = device.numa_node.filter(|_| !pool.resource.exclude_topology);
        let healthy = device.health == Health::Healthy;
        (device.id.to_string(), (healthy, numa(shown)))
    });
    devices.collect()
}

fn listed(view: &ResourceView) -> Devices {
    let devices = view.devices.iter();
    let devices: Devices = devices
        .map(|device| (device.id.clone(), (device.healthy, device.numa.clone())))
        .collect();
    let ids: BTreeSet<&String> = devices.keys().collect();
    assert_eq!(ids.len(), view.devices.len(), "no id is listed twice");
    devices
}

/// Sets the clock forward. What waits for the time that is over by then has had its turn.
async fn advance(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}
