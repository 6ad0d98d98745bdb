//! How soon a change of the node is a message at the kubelet, from its event on.
//!
//! The daemon runs in this process, on a thread of its own, because its events have to be injected: a kernel sends
//! its own devices only.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use sriovdp::cli::Arguments;
use sriovdp_agent::daemon;
use sriovdp_agent::events::{ChangeScope, NodeEvents, PendingChanges};
use sriovdp_fake_kubelet::{EventKind, FakeKubelet};
use sriovdp_sdk_testing::Tree;
use tokio::sync::watch;

use crate::start::Node;
use crate::tree::{one_more, one_more_at};

/// A little more than the daemon's own.
const MAX_COOLDOWN: Duration = Duration::from_millis(1100);

const RESOURCE: &str = "intel.com/pool0";

/// How soon changes were noticed.
#[derive(Debug)]
pub(crate) struct Noticed {
    /// A virtual function that comes.
    pub(crate) comes: Vec<Duration>,
    /// One that goes.
    pub(crate) goes: Vec<Duration>,
}

/// Adds one function after the other and takes it away again, and takes the time from each one's event to the list that
/// sends its event.
pub(crate) async fn measure(
    node: &Node,
    providers: &Path,
    changes: usize,
) -> anyhow::Result<Noticed> {
    let kubelet = node.new_kubelet().await?;
    let events = watch::Sender::default();
    let daemon = start(node, providers, events.clone())?;
    node.all_listed(&kubelet).await?;
    let (mut comes, mut goes) = (Vec::new(), Vec::new());
    // The first reconcile, which also loads the providers, leaves a rest behind as well.
    tokio::time::sleep(MAX_COOLDOWN).await;
    let devices = node.size.devices_of_a_pool();
    for n in 0..changes {
        let address = one_more_at(n);
        let function = address.parse()?;
        let unplug = format!("unplug {address}");
        for (change, devices, took) in [
            (one_more(n), devices + 1, &mut comes),
            (unplug, devices, &mut goes),
        ] {
            Tree::apply(node.root(), &change)?;
            let begin = Instant::now();
            events.send_modify(|news: &mut PendingChanges| {
                news.insert(ChangeScope::Function(function))
            });
            kubelet
                .wait_for(RESOURCE, |view| view.allocatable() == devices)
                .await
                .map_err(|timeout| anyhow::anyhow!("no {}", timeout.awaited))?;
            let noticed = last_list(&kubelet)? - begin;
            took.push(noticed);
            // The daemon pauses after a reconcile, by what that took; this is about changes that come alone.
            tokio::time::sleep((5 * noticed).min(MAX_COOLDOWN)).await;
        }
    }
    drop(daemon);
    kubelet.stop().await;
    Ok(Noticed { comes, goes })
}

/// Ends the daemon's thread when it is dropped.
struct Running(Option<tokio::sync::oneshot::Sender<()>>);

impl Drop for Running {
    fn drop(&mut self) {
        // A daemon that has ended by itself has no receiver, and was missed before.
        let _ = self.0.take().map(|end| end.send(()));
    }
}

fn start(
    node: &Node,
    providers: &Path,
    events: watch::Sender<PendingChanges>,
) -> anyhow::Result<Running> {
    let words = [
        OsString::from("sriovdp"),
        "--root".into(),
        node.root().into(),
        "--provider-dir".into(),
        providers.into(),
        "--rescan-interval=86400".into(),
    ];
    let arguments = Arguments::parse_go_style(words)?;
    let mut settings = sriovdp::settings::settings(&arguments);
    // It runs in the program of this benchmark, which cannot probe providers.
    settings.providers.program = sriovdp_tests::program();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::Builder::new().spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = ended => {}
                _ = daemon::run(sriovdp::settings::options(&arguments, Arc::default(), None), settings, NodeEvents::from_sender(events)) => {}
            }
        });
        runtime.shutdown_background();
    })?;
    Ok(Running(Some(end)))
}

fn last_list(kubelet: &FakeKubelet) -> anyhow::Result<Instant> {
    let lists = kubelet.journal().into_iter().rfind(
        |event| matches!(&event.kind, EventKind::Listed { resource, .. } if resource == RESOURCE),
    );
    Ok(lists.context("no list was sent")?.at)
}
