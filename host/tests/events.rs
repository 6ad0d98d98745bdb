//! The daemon reconciles on changes: by events that the test injects, and by `sriovdp rescan`.
//!
//! It runs in this process for the first, which has a program of its own, because the daemon takes its signals.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot continue panics with its line"
)]

#[path = "it/test_node.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the harness of the tests in `it`, of which few need all"
)]
mod test_node;

use std::sync::Arc;

use sriovdp::cli::Arguments;
use sriovdp_agent::daemon;
use sriovdp_agent::events::{ChangeScope, NodeEvents, PendingChanges};
use sriovdp_fake_kubelet::{EventKind, FakeKubelet, ResourceView};
use test_node::{RegistrationMode, TestNode};
use tokio::sync::watch;

const NODE: &str = "
pf 0000:41:00.0 8086:1572 driver=i40e net=ens1
vf 0000:41:02.0 8086:154c pf=0000:41:00.0 id=0 driver=iavf net=ens1v0
";
const SECOND: &str = "vf 0000:41:02.1 8086:154c pf=0000:41:00.0 id=1 driver=iavf net=ens1v1";
const THIRD: &str = "vf 0000:41:02.2 8086:154c pf=0000:41:00.0 id=2 driver=iavf net=ens1v2";
const POOL: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["ens1"]}}]}"#;
/// No test waits for the timer.
const NEVER: &str = "--rescan-interval=86400";

#[tokio::test]
async fn event_triggers_a_reconcile() {
    with_daemon(async |node, kubelet, notify| {
        node.change(SECOND);
        notify(&[ChangeScope::Unknown]);
        allocatable(kubelet, 2).await;
    })
    .await;
}

#[tokio::test]
async fn function_event_triggers_an_incremental_reconcile() {
    with_daemon(async |node, kubelet, notify| {
        // No event names the third one; new functions are found in any case.
        node.change(&format!(
            "{SECOND}\n{THIRD}\nfile @0000:41:02.0/numa_node 1"
        ));
        notify(&[function("0000:41:02.1")]);
        allocatable(kubelet, 3).await;
        assert_eq!(numa_of_first(kubelet), [0]);
        notify(&[function("0000:41:02.0")]);
        listed(kubelet, |view| view.devices[0].numa == [1]).await;
        node.change("unplug 0000:41:02.1");
        notify(&[function("0000:41:02.1")]);
        allocatable(kubelet, 2).await;
    })
    .await;
}

#[tokio::test]
async fn physical_function_event_covers_its_virtual_functions() {
    with_daemon(async |node, kubelet, notify| {
        node.change(SECOND);
        notify(&[function("0000:41:02.1")]);
        allocatable(kubelet, 2).await;
        node.change("file @0000:41:00.0/net/ens1/carrier 0");
        notify(&[function("0000:41:00.0")]);
        allocatable(kubelet, 0).await;
        node.change("file @0000:41:00.0/net/ens1/carrier 1");
        notify(&[function("0000:41:00.0")]);
        allocatable(kubelet, 2).await;
    })
    .await;
}

#[tokio::test]
async fn function_events_and_full_reconciles_keep_their_order() {
    with_daemon(async |node, kubelet, notify| {
        node.change(&format!("{SECOND}\nfile @0000:41:02.0/numa_node 1"));
        notify(&[function("0000:41:02.1"), ChangeScope::Unknown]);
        listed(kubelet, |view| {
            view.allocatable() == 2 && view.devices[0].numa == [1]
        })
        .await;
        assert_eq!(lists(kubelet), [1, 2, 2], "each is passed on at once");
    })
    .await;
}

/// Sixteen physical functions get 256 virtual ones each, with one event each.
#[tokio::test]
async fn thousands_of_functions_are_few_lists() {
    const PFS: usize = 16;
    const VFS: usize = 256;
    let pfs: Vec<String> = (0..PFS)
        .map(|pf| format!("pf 0000:{pf:02x}:00.0 8086:1572 driver=i40e net=pf{pf}"))
        .collect();
    let config = r#"{"resourceList": [{"resourceName": "a", "selectors": {"vendors": ["8086"], "devices": ["154c"]}}]}"#;
    let node = TestNode::with_config(&pfs.join("\n"), RegistrationMode::Watcher, config);
    with_daemon_on(&node, 0, async |kubelet, notify| {
        for (pf, vf) in (0..PFS).flat_map(|pf| (0..VFS).map(move |vf| (pf, vf))) {
            let address = format!("0000:{:02x}:{:02x}.{}", 0x80 + pf, vf / 8, vf % 8);
            let of = format!("pf=0000:{pf:02x}:00.0 id={vf} driver=iavf");
            node.change(&format!("vf {address} 8086:154c {of}"));
            notify(&[function(&address)]);
            // The daemon has its turn after each.
            tokio::task::yield_now().await;
        }
        let all = PFS * VFS;
        allocatable(kubelet, all).await;
        let lists = lists(kubelet);
        assert_eq!(lists.first(), Some(&0));
        assert!(lists.is_sorted(), "no device leaves again: {lists:?}");
        assert!(lists.len() <= FEW, "{lists:?}");
        assert_eq!(kubelet.violations(), [""; 0]);
    })
    .await;
}

/// Of 4,096 changes, on a machine that takes seconds to write them all.
const FEW: usize = 20;

/// A daemon with one device, whose kernel is the test; `notify` injects its events.
async fn with_daemon(test: impl AsyncFnOnce(&TestNode, &FakeKubelet, &dyn Fn(&[ChangeScope]))) {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, POOL);
    with_daemon_on(&node, 1, async |kubelet, notify| {
        test(&node, kubelet, notify).await;
    })
    .await;
}

/// The same on any node, on which `devices` are found at first.
async fn with_daemon_on(
    node: &TestNode,
    devices: usize,
    test: impl AsyncFnOnce(&FakeKubelet, &dyn Fn(&[ChangeScope])),
) {
    let kubelet = node.kubelet().await;
    let command = node.command(&[NEVER]);
    let line = [command.as_std().get_program()]
        .into_iter()
        .chain(command.as_std().get_args());
    let arguments = Arguments::parse_go_style(line.map(ToOwned::to_owned)).unwrap();
    let mut settings = sriovdp::settings::settings(&arguments);
    // It runs in the program of this test, which cannot probe providers.
    settings.providers.program = sriovdp_tests::program();
    let events: watch::Sender<PendingChanges> = watch::Sender::default();
    let notify =
        |places: &[ChangeScope]| events.send_modify(|news| news.extend(places.iter().copied()));
    let test = async {
        allocatable(&kubelet, devices).await;
        test(&kubelet, &notify).await;
    };
    tokio::select! {
        () = test => {}
        ended = daemon::run(sriovdp::settings::options(&arguments, Arc::default(), None), settings, NodeEvents::from_sender(events.clone())) => panic!("the daemon ended: {ended:?}"),
    }
}

fn function(address: &str) -> ChangeScope {
    ChangeScope::Function(address.parse().unwrap())
}

async fn allocatable(kubelet: &FakeKubelet, devices: usize) {
    listed(kubelet, |view| view.allocatable() == devices).await;
}

async fn listed(kubelet: &FakeKubelet, is_wanted: impl Fn(&ResourceView) -> bool) {
    kubelet.wait_for("intel.com/a", is_wanted).await.unwrap();
}

/// How many devices each list had that the kubelet has got.
fn lists(kubelet: &FakeKubelet) -> Vec<usize> {
    let journal = kubelet.journal().into_iter();
    let lists = journal.filter_map(|event| match event.kind {
        EventKind::Listed { devices, .. } => Some(devices),
        _ => None,
    });
    lists.collect()
}

fn numa_of_first(kubelet: &FakeKubelet) -> Vec<i64> {
    kubelet.resource("intel.com/a").unwrap().devices[0]
        .numa
        .clone()
}

#[tokio::test]
async fn rescan_triggers_the_running_daemon() {
    let node = TestNode::with_config(NODE, RegistrationMode::Watcher, POOL);
    let (code, reply, error) = node.run(&["rescan"]).await;
    assert_eq!((code, &*reply), (Some(1), ""));
    assert!(
        error.starts_with("error: no running daemon found"),
        "{error}"
    );

    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon_with(&[NEVER]);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 1)
        .await
        .unwrap();
    node.change(SECOND);
    let (code, reply, error) = node.run(&["rescan"]).await;
    assert_eq!((code, &*error), (Some(0), ""));
    assert!(reply.starts_with("rescan requested (pid "), "{reply}");
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 2)
        .await
        .unwrap();
    assert!(daemon.is_running());
}
