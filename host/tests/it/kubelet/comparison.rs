//! The fake kubelet compared with the device manager of a real one: the same actions have the same events.
//!
//! `make kubelet` runs these tests. After each action the events since the one before are compared, in their order, with
//! what the node then shows: the counts of the pool, the phases of the pods, and the health in their status. Left out is
//! what differs between two runs of one real kubelet:
//!
//! * which devices a pod gets, of several that are equal: the kubelet takes them in the order of a map;
//! * that a registration is repeated, before its list has come or with the same list: the plugin watcher does so while it
//!   deals with a dead file, and two instances while a kubelet restarts;
//! * when the end of a stream is noticed, which is a task of its own, and in which words: the counts show it;
//! * when the watcher finds files, which depends on its interval.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use sriovdp_fake_kubelet::{Config, Event, EventKind, FakeKubelet, KubeletVersion, Phase, PodSpec};

use crate::kubelet::pool_node::{Kind, POOL, PoolNode, kill, plug};
use crate::test_node::{Daemon, RegistrationMode};

use Action::{
    CancelStream, Delete, DeleteAllSockets, DeleteSocket, Finish, InitAndApp, Kill, Plug, Pod,
    Reboot, RestartKubelet, SidecarAndApp, Start, StartKubelet, StopKubelet, Terminate, Unplug,
};
use Then::{Registers, Shows};

/// What a step does.
#[derive(Clone, Copy, Debug)]
enum Action {
    /// An instance of the plugin starts. It waits while there is another one.
    Start,
    /// The oldest instance ends.
    Terminate,
    Kill,
    RestartKubelet,
    StopKubelet,
    StartKubelet,
    Reboot,
    Unplug(usize),
    Plug(usize),
    Pod(&'static str, usize),
    /// An init container with one device, and a container with so many.
    InitAndApp(&'static str, usize),
    /// The same with a sidecar.
    SidecarAndApp(&'static str, usize),
    Finish(&'static str),
    Delete(&'static str),
    DeleteSocket,
    DeleteAllSockets,
    CancelStream,
}

/// What a step waits for: allocatable devices and capacity, and before that perhaps another registration.
#[derive(Clone, Copy, Debug)]
enum Then {
    Shows(usize, usize),
    Registers(usize, usize),
}

type Script = &'static [(Action, Then)];

const PODS: Script = &[
    (Start, Registers(3, 3)),
    (Pod("one", 1), Shows(3, 3)),
    (Pod("two", 2), Shows(3, 3)),
    (Pod("three", 1), Shows(3, 3)),
    (Finish("two"), Shows(3, 3)),
    (Pod("four", 1), Shows(3, 3)),
    (Delete("one"), Shows(3, 3)),
    (InitAndApp("five", 2), Shows(3, 3)),
    (Delete("five"), Shows(3, 3)),
    (SidecarAndApp("six", 2), Shows(3, 3)),
    (Delete("four"), Shows(3, 3)),
    (SidecarAndApp("seven", 2), Shows(3, 3)),
    (Terminate, Shows(0, 3)),
    (Pod("eight", 1), Shows(0, 3)),
];

const HEALTH: Script = &[
    (Start, Registers(3, 3)),
    (Pod("all", 3), Shows(3, 3)),
    (Unplug(0), Shows(2, 3)),
    (Unplug(2), Shows(1, 3)),
    (Delete("all"), Shows(1, 3)),
    (Pod("two", 2), Shows(1, 3)),
    (Plug(0), Shows(2, 3)),
    (Pod("other", 2), Shows(2, 3)),
    (Terminate, Shows(0, 3)),
    // Another instance has not seen the device that is gone.
    (Start, Registers(2, 2)),
    (RestartKubelet, Registers(2, 2)),
    (Plug(2), Shows(3, 3)),
    (Kill, Shows(0, 3)),
];

const RESTARTS: Script = &[
    (Start, Registers(3, 3)),
    (Pod("one", 1), Shows(3, 3)),
    (RestartKubelet, Registers(3, 3)),
    (Pod("two", 1), Shows(3, 3)),
    (StopKubelet, Shows(3, 3)),
    (Delete("one"), Shows(3, 3)),
    (StartKubelet, Registers(3, 3)),
    (Pod("three", 2), Shows(3, 3)),
    (StopKubelet, Shows(3, 3)),
    (Kill, Shows(3, 3)),
    (StartKubelet, Shows(0, 0)),
    (Pod("four", 1), Shows(0, 0)),
    (Start, Registers(3, 3)),
    (Terminate, Shows(0, 3)),
    (Reboot, Shows(0, 0)),
    (Start, Registers(3, 3)),
    (Pod("five", 3), Shows(3, 3)),
];

const INSTANCES: Script = &[
    (Start, Registers(3, 3)),
    (Pod("one", 1), Shows(3, 3)),
    (Start, Shows(3, 3)),
    (Terminate, Registers(3, 3)),
    (Pod("two", 1), Shows(3, 3)),
    (Start, Shows(3, 3)),
    (Kill, Registers(3, 3)),
    (Start, Shows(3, 3)),
    // Either registers with the new kubelet.
    (RestartKubelet, Registers(3, 3)),
];

const SOCKETS: Script = &[
    (Start, Registers(3, 3)),
    (Pod("one", 1), Shows(3, 3)),
    (DeleteSocket, Registers(3, 3)),
    (DeleteAllSockets, Registers(3, 3)),
    (CancelStream, Registers(3, 3)),
    (Pod("two", 2), Shows(3, 3)),
    (Terminate, Shows(0, 3)),
];

macro_rules! comparison {
    ($($name:ident: $script:ident),+ $(,)?) => {
        mod watcher {
            $(#[tokio::test]
            #[ignore = "needs the device manager of a real kubelet: `make kubelet`"]
            async fn $name() {
                super::compare(crate::test_node::RegistrationMode::Watcher, super::$script).await;
            })+
        }

        mod register {
            $(#[tokio::test]
            #[ignore = "needs the device manager of a real kubelet: `make kubelet`"]
            async fn $name() {
                super::compare(crate::test_node::RegistrationMode::Register, super::$script).await;
            })+
        }
    };
}

comparison!(
    pods: PODS,
    health: HEALTH,
    restarts: RESTARTS,
    instances: INSTANCES,
    sockets: SOCKETS,
);

async fn compare(mode: RegistrationMode, script: Script) {
    let kind = |version| Kind {
        mode,
        version,
        pools: 1,
    };
    let (program, real) = play(kind(KubeletVersion::V1_37), script, |_| {}).await;
    let program = program.expect("`make kubelet` sets `SRIOVDP_DEVICE_MANAGER`");
    let fake = |config: &mut Config| config.device_manager = None;
    let (_, fake) = play(kind(behaviour(&program)), script, fake).await;
    for ((step, real), (_, fake)) in real.iter().zip(&fake) {
        assert_eq!(real, fake, "{step}: the kubelet {program} and the fake one");
    }
}

/// The version of the fake kubelet that stands for this one, which is written `v1.37.2`.
fn behaviour(program: &str) -> KubeletVersion {
    let minor = program.split('.').nth(1);
    match minor.and_then(|minor| minor.parse().ok()) {
        Some(0..=32) => KubeletVersion::V1_32,
        Some(33..=36) => KubeletVersion::V1_36,
        _ => KubeletVersion::V1_37,
    }
}

/// The version of the program, and for each step what happened and what the node shows.
async fn play(
    kind: Kind,
    script: Script,
    change: impl FnOnce(&mut Config),
) -> (Option<String>, Vec<(String, Vec<String>)>) {
    let change = |config: &mut Config| {
        // The timeouts of a real kubelet.
        config.timing.dial = Duration::from_secs(10);
        config.timing.get_info = Duration::from_secs(1);
        change(config);
    };
    let node = PoolNode::with(kind, 1, 3, change).await;
    let mut daemons = Vec::new();
    let mut pods = Vec::new();
    let mut record = Vec::new();
    for (number, (action, then)) in script.iter().enumerate() {
        let step = format!("step {number}, {action:?}");
        let seen = node.journal().len();
        let view = node.resource(POOL);
        let before = view.map_or(0, |view| view.registrations);
        act(&node, *action, &mut daemons, &mut pods).await;
        let (wanted, again) = match *then {
            Shows(allocatable, capacity) => ((allocatable, capacity), 0),
            Registers(allocatable, capacity) => ((allocatable, capacity), 1),
        };
        let shown = node.when(POOL, |view| {
            let counts = (view.allocatable(), view.capacity());
            // The counts may still be those of the list before.
            let is_listed = again == 0 || view.messages > 0;
            counts == wanted && view.registrations >= before + again && is_listed
        });
        let shown = shown.await;
        let mut lines = comparable(&node.journal()[seen..]);
        let (allocatable, capacity) = (shown.allocatable(), shown.capacity());
        lines.push(format!("{allocatable}/{capacity}"));
        lines.extend(pods.iter().filter_map(|pod| state(&node, pod)));
        record.push((step, lines));
    }
    (node.program_version(), record)
}

async fn act(
    node: &PoolNode,
    action: Action,
    daemons: &mut Vec<Daemon>,
    pods: &mut Vec<&'static str>,
) {
    let oldest = |daemons: &mut Vec<Daemon>| daemons.remove(0);
    match action {
        Start => {
            let _ = std::fs::remove_file(node.test_node.root().join("daemon.log"));
            let daemon = node.test_node.daemon();
            if !daemons.is_empty() {
                daemon.logs("peer_wait").await;
            }
            daemons.push(daemon);
        }
        Terminate => {
            let mut daemon = oldest(daemons);
            daemon.signal(Signal::TERM);
            assert_eq!(daemon.ended().await.code(), Some(0));
        }
        Kill => kill(oldest(daemons)).await,
        RestartKubelet => node.restart().await.unwrap(),
        StopKubelet => node.stop().await,
        StartKubelet => {
            let before = Instant::now();
            node.start_again().unwrap();
            let is_start = |event: &Event| event.kind == EventKind::Started && event.at > before;
            node.wait_for_event(is_start).await.unwrap();
        }
        Reboot => node.reboot_node().await.unwrap(),
        Unplug(device) => plug(node, &daemons[0], device, false),
        Plug(device) => plug(node, &daemons[0], device, true),
        Pod(name, devices) => {
            pods.push(name);
            node.pod(name, devices).await;
        }
        InitAndApp(name, devices) => {
            pods.push(name);
            let pod = PodSpec::new(name).init_container("init", 1, POOL);
            node.run_pod(pod.container("app", devices, POOL)).await;
        }
        SidecarAndApp(name, devices) => {
            pods.push(name);
            let pod = PodSpec::new(name).sidecar("beside", 1, POOL);
            node.run_pod(pod.container("app", devices, POOL)).await;
        }
        Finish(pod) => node.finish_pod(pod).unwrap(),
        Delete(pod) => node.delete_pod(pod).unwrap(),
        DeleteSocket => node.delete_socket(POOL).unwrap(),
        DeleteAllSockets => node.delete_all_sockets().unwrap(),
        CancelStream => node.cancel_stream(POOL).unwrap(),
    }
}

/// The events without what is not deterministic.
fn comparable(events: &[Event]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for event in events {
        let line = match &event.kind {
            EventKind::Registered { mode, .. } => format!("registered through {mode}"),
            EventKind::Listed {
                devices, healthy, ..
            } => format!("listed {healthy}/{devices}"),
            EventKind::Allocated { pod, ids, .. } => format!("`{pod}` got {}", ids.len()),
            EventKind::Started
            | EventKind::Killed
            | EventKind::Crashed
            | EventKind::Rejected { .. } => event.kind.to_string(),
            _ => continue,
        };
        // A registration that is repeated before its list has come.
        if line.starts_with("registered") && lines.last() == Some(&line) {
            continue;
        }
        lines.push(line);
        // A registration that is repeated with the same list.
        if let [.., a, b, c, d] = &lines[..]
            && a == c
            && b == d
            && a.starts_with("registered")
        {
            lines.truncate(lines.len() - 2);
        }
    }
    // A start admits the pods again, in any order; the phases of the pods show the result.
    if lines.iter().any(|line| line == "kubelet started") {
        lines.retain(|line| !line.contains(" was rejected: "));
    }
    // What a pod got for a container before another one was rejected is not shown by a real kubelet.
    for event in events {
        if let EventKind::Rejected { pod, .. } = &event.kind {
            lines.retain(|line| !line.starts_with(&format!("`{pod}` got")));
        }
    }
    lines
}

/// A pod with the number of its devices and their health.
fn state(node: &PoolNode, name: &str) -> Option<String> {
    let pod = FakeKubelet::pod(node, name)?;
    let phase = match &pod.phase {
        Phase::Failed { reason, message } => format!("{reason}: {message}"),
        phase => format!("{phase:?}"),
    };
    let health = node.device_health(name).unwrap_or_default();
    let mut words: Vec<String> = health.into_values().collect();
    words.sort_unstable();
    // A pod that has ended has no status of its own any more.
    if pod.phase != Phase::Running {
        words.clear();
    }
    Some(format!("`{name}` {phase} {words:?}"))
}
