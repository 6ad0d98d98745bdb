//! The daemon hears of changes: by events that the test injects, and by `sriovdp rescan`.
//!
//! It runs in this process for the first, which has a program of its own, because the daemon takes its signals.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by its line"
)]

#[path = "it/world.rs"]
#[allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the harness of the tests in `it`, of which few need all"
)]
mod world;

use sriovdp_host::cli::Arguments;
use sriovdp_host::daemon;
use sriovdp_host::events::NodeEvents;
use tokio::sync::watch;
use world::{Way, World};

const NODE: &str = "
pf 0000:41:00.0 8086:1572 driver=i40e net=ens1
vf 0000:41:02.0 8086:154c pf=0000:41:00.0 id=0 driver=iavf net=ens1v0
";
const SECOND: &str = "vf 0000:41:02.1 8086:154c pf=0000:41:00.0 id=1 driver=iavf net=ens1v1";
const POOL: &str =
    r#"{"resourceList": [{"resourceName": "a", "selectors": {"pfNames": ["ens1"]}}]}"#;
/// No test waits for the timer.
const NEVER: &str = "--rescan-interval=86400";

#[tokio::test]
async fn an_event_is_a_reason_to_look() {
    let world = World::with_config(NODE, Way::Watcher, POOL);
    let kubelet = world.kubelet().await;
    let command = world.command(&[NEVER]);
    let line = [command.as_std().get_program()]
        .into_iter()
        .chain(command.as_std().get_args());
    let arguments = Arguments::parse_go_style(line.map(ToOwned::to_owned)).unwrap();
    let mut settings = daemon::settings(&arguments);
    // It runs in the program of this test, which cannot probe providers.
    settings.providers.program = env!("CARGO_BIN_EXE_sriovdp").into();
    let (events, ticks) = watch::channel(0_u64);
    let test = async {
        kubelet
            .wait_for("intel.com/a", |view| view.allocatable() == 1)
            .await
            .unwrap();
        world.change(SECOND);
        events.send_modify(|tick| *tick += 1);
        kubelet
            .wait_for("intel.com/a", |view| view.allocatable() == 2)
            .await
            .unwrap();
    };
    tokio::select! {
        () = test => {}
        ended = daemon::run(&arguments, settings, NodeEvents::given(ticks)) => panic!("the daemon ended: {ended:?}"),
    }
}

#[tokio::test]
async fn rescan_asks_the_running_daemon() {
    let world = World::with_config(NODE, Way::Watcher, POOL);
    let (code, said, error) = world.run(&["rescan"]).await;
    assert_eq!((code, &*said), (Some(1), ""));
    assert!(
        error.starts_with("error: this user runs no daemon of this program here"),
        "{error}"
    );

    let kubelet = world.kubelet().await;
    let mut daemon = world.daemon_with(&[NEVER]);
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 1)
        .await
        .unwrap();
    world.change(SECOND);
    let (code, said, error) = world.run(&["rescan"]).await;
    assert_eq!((code, &*error), (Some(0), ""));
    assert!(said.ends_with(" looks at the node again\n"), "{said}");
    kubelet
        .wait_for("intel.com/a", |view| view.allocatable() == 2)
        .await
        .unwrap();
    assert!(daemon.is_running());
}
