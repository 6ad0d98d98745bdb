//! The triggers of a reconcile, and its scope.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::Signal;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::DaemonError;
use crate::events::{Debounce, PendingChanges, ReconcileScope};
use crate::reconcile::{ReconcileKind, Reconciler, Requeue};

/// What leads to a reconcile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Something of the node, the configuration or the providers may have changed.
    Change,
    /// The reconciler: time has passed, or a discovery has returned.
    Own,
}

/// The triggers outside of the reconciler.
pub(super) struct Triggers {
    hang_up: Signal,
    timer: Interval,
    files: watch::Receiver<u64>,
    /// The changes of the node, which a reconcile takes out.
    changes: watch::Sender<PendingChanges>,
    node: watch::Receiver<PendingChanges>,
    debounce: Debounce,
    /// The CPU time of this process when the reconcile began.
    cpu_time_before: Duration,
}

impl Triggers {
    /// Triggers by SIGHUP, the resync timer, files, and changes of the node.
    pub(super) fn new(
        hang_up: Signal,
        rescan_interval: Duration,
        files: watch::Receiver<u64>,
        changes: watch::Sender<PendingChanges>,
    ) -> Self {
        let mut timer = tokio::time::interval(rescan_interval);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        timer.reset();
        Self {
            hang_up,
            timer,
            files,
            node: changes.subscribe(),
            changes,
            debounce: Debounce::default(),
            cpu_time_before: cpu_time(),
        }
    }

    /// A reconcile has ended.
    pub(super) fn reconciled(&mut self, kind: ReconcileKind) {
        let (ended, took) = (
            Instant::now(),
            cpu_time().saturating_sub(self.cpu_time_before),
        );
        if kind == ReconcileKind::Full {
            self.debounce.reconciled_everything(ended, took);
            // Incremental reconciles do not postpone the resync.
            self.timer.reset();
        } else {
            self.debounce.reconciled_functions(ended, took);
        }
    }

    /// Waits for the next trigger, and returns the scope of the reconcile.
    ///
    /// # Errors
    ///
    /// When a task of the reconciler fails.
    pub(super) async fn next(
        &mut self,
        state: &mut Reconciler,
        requeue: Option<Requeue>,
    ) -> Result<ReconcileScope, DaemonError> {
        let requeued = async {
            match requeue {
                Some(Requeue { at, scope }) => {
                    tokio::time::sleep_until(at).await;
                    scope
                }
                None => std::future::pending().await,
            }
        };
        let mut scope = ReconcileScope::Full;
        let mut by_node = false;
        let mut cause = Cause::Change;
        tokio::select! {
            _ = self.hang_up.recv() => {
                tracing::info!(event = "rescan_requested", "SIGHUP: full reconcile");
            },
            _ = self.timer.tick() => {}
            requested = requeued => {
                if requested == ReconcileScope::Full {
                    cause = Cause::Own;
                }
                scope = requested;
            }
            Ok(()) = self.node.changed() => {
                self.debounce.settle(&mut self.node).await;
                by_node = true;
            }
            Ok(()) = self.files.changed() => self.debounce.settle_files().await,
            changed = state.changed() => {
                changed.map_err(DaemonError::Task)?;
                cause = Cause::Own;
            }
        }
        let more = self.files.has_changed().unwrap_or(false) || !self.changes.borrow().is_empty();
        if more || cause == Cause::Change {
            state.node_changed();
        }
        self.cpu_time_before = cpu_time();
        if matches!(scope, ReconcileScope::Functions(_)) {
            // An incremental reconcile for unreadable attributes. Other changes trigger the next one.
            return Ok(scope);
        }
        self.files.mark_unchanged();
        self.node.mark_unchanged();
        // The reconcile reads all changes until now; those that it does not take trigger the next one.
        self.changes.send_if_modified(|changes| {
            if by_node {
                scope = changes.take();
            } else {
                *changes = PendingChanges::default();
            }
            !changes.is_empty()
        });
        Ok(scope)
    }
}

/// The CPU time of this process and all its threads.
fn cpu_time() -> Duration {
    // The kernel always has this clock, and it never goes back.
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}
