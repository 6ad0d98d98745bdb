//! Why the loop looks again, and at what.

use std::collections::BTreeSet;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sriovdp_sdk::PciAddress;
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::DaemonError;
use crate::events::{Debounce, PendingChanges};
use crate::reconcile::Reconciler;

/// Changes to files come in bursts (a ConfigMap is a new directory, two links and a rename), so a look waits this long.
const GATHER: Duration = Duration::from_millis(100);

/// The functions that a look is about, or everything.
pub(super) type Scope = Option<BTreeSet<PciAddress>>;

/// Everything that is a reason to look, but for what lies in the state itself.
pub(super) struct Triggers {
    hang_up: Signal,
    timer: Interval,
    files: watch::Receiver<u64>,
    /// What the kernel tells is taken out of here.
    news: watch::Sender<PendingChanges>,
    node: watch::Receiver<PendingChanges>,
    pace: Debounce,
    /// The CPU time that this process had taken when the look began.
    cpu: Duration,
}

impl Triggers {
    /// SIGHUP, a time that is over, a change of files, and the news of the node.
    pub(super) fn new(
        hang_up: Signal,
        rescan_interval: Duration,
        files: watch::Receiver<u64>,
        news: watch::Sender<PendingChanges>,
    ) -> Self {
        let mut timer = tokio::time::interval(rescan_interval);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        timer.reset();
        Self {
            hang_up,
            timer,
            files,
            node: news.subscribe(),
            news,
            pace: Debounce::default(),
            cpu: cpu_time(),
        }
    }

    /// A look has been since the last reason.
    pub(super) fn looked(&mut self, at_everything: bool) {
        let (ended, took) = (Instant::now(), cpu_time().saturating_sub(self.cpu));
        if at_everything {
            self.pace.reconciled_everything(ended, took);
            // However many changes of functions there are in between, everything is looked at in time.
            self.timer.reset();
        } else {
            self.pace.reconciled_functions(ended, took);
        }
    }

    /// Waits for the next reason; at the time `again` time alone is one, and whether only for what could not be read.
    ///
    /// # Errors
    ///
    /// When a task of the state fails.
    pub(super) async fn next(
        &mut self,
        state: &mut Reconciler,
        again: Option<(Instant, bool)>,
    ) -> Result<Scope, DaemonError> {
        let time_is_up = async {
            match again {
                Some((at, partial)) => {
                    tokio::time::sleep_until(at).await;
                    partial
                }
                None => std::future::pending().await,
            }
        };
        let (mut of_the_node, mut of_the_unread) = (false, false);
        tokio::select! {
            _ = self.hang_up.recv() => tracing::info!("SIGHUP: looking at the node again"),
            _ = self.timer.tick() => {}
            partial = time_is_up => of_the_unread = partial,
            Ok(()) = self.node.changed() => {
                self.pace.gather(&mut self.node).await;
                of_the_node = true;
            }
            Ok(()) = self.files.changed() => tokio::time::sleep(GATHER).await,
            news = state.news() => news.map_err(DaemonError::Task)?,
        }
        self.cpu = cpu_time();
        if of_the_unread {
            // A reconcile of some functions reads these as well. Other changes remain reasons for the next one.
            return Ok(Some(BTreeSet::new()));
        }
        self.files.mark_unchanged();
        self.node.mark_unchanged();
        // What has come until now is seen by the look that follows, or it is a reason for the next one.
        let mut touched = None;
        self.news.send_if_modified(|news| {
            if of_the_node {
                touched = news.take();
            } else {
                *news = PendingChanges::default();
            }
            !news.is_empty()
        });
        Ok(touched)
    }
}

/// The CPU time that this process has taken, with all of its threads.
fn cpu_time() -> Duration {
    // The kernel has this clock, and it does not go back.
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
