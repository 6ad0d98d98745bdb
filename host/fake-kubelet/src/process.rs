//! What dies with the kubelet's process: its tasks and its connections.

use std::future::Future;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// One life of the kubelet, from its start until it is killed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Process {
    killed: CancellationToken,
    alive: TaskTracker,
}

impl Process {
    /// Runs a task until it ends or the process is killed.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let killed = self.killed.clone();
        self.alive.spawn(async move {
            tokio::select! {
                // First, so that a task does not see the end of its own process.
                biased;
                () = killed.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Runs something within another's task, such as a request of the gRPC server; `None` if the process was killed.
    pub(crate) async fn run<T>(&self, part: impl Future<Output = T>) -> Option<T> {
        let _alive = self.alive();
        self.killed.run_until_cancelled(part).await
    }

    /// Counts its holder among what [`ended`](Self::ended) waits for.
    pub(crate) fn alive(&self) -> TaskTrackerToken {
        self.alive.token()
    }

    pub(crate) fn killed(&self) -> WaitForCancellationFutureOwned {
        self.killed.clone().cancelled_owned()
    }

    /// A token for a part of the process that can also end by itself.
    pub(crate) fn part(&self) -> CancellationToken {
        self.killed.child_token()
    }

    pub(crate) fn kill(&self) {
        self.killed.cancel();
        self.alive.close();
    }

    /// Waits until nothing of a killed process is left.
    pub(crate) async fn ended(&self) {
        self.alive.wait().await;
    }
}
