//! What observes the running daemon: the local socket, and the HTTP server of metrics. Neither can disturb the pools.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::history::History;
use crate::host_paths::HostPaths;
use crate::metrics::{AllocatedDevices, METRICS_TARGET, PodSeries, Recorded};
use crate::observers::{MetricsServer, Sources, serve_local_socket};
use crate::reconcile::{Outcome, Reconciler};
use crate::status::DaemonStatus;
use crate::status::report::DaemonInfo;
use sriovdp_providers::microseconds;

/// How the daemon can be observed.
#[derive(Clone, Debug)]
pub struct ObserverOptions {
    /// The directory of the local socket, as a path on the node.
    pub socket_dir: PathBuf,
    /// What the log records for `sriovdp events`.
    pub history: Arc<History>,
    /// How metrics are served over HTTP.
    pub metrics: Option<MetricsOptions>,
}

/// How metrics are served over HTTP.
#[derive(Clone, Debug)]
pub struct MetricsOptions {
    /// Where.
    pub address: SocketAddr,
    /// What the log counts for them.
    pub recorded: Arc<Recorded>,
    /// Whether they name pods.
    pub pod_series: PodSeries,
}

/// The status that observers read.
pub(super) struct Observers(watch::Sender<DaemonStatus>);

impl Observers {
    /// Serves on tasks of `tasks`. What cannot be served is logged and tried again, and the daemon does without.
    pub(super) fn start(
        tasks: &mut JoinSet<io::Result<()>>,
        options: ObserverOptions,
        daemon: DaemonInfo,
        tree: &HostPaths,
    ) -> Self {
        let (status, receiver) = watch::channel(DaemonStatus::default());
        let metrics = options.metrics;
        let pod_series = metrics.as_ref().map(|metrics| metrics.pod_series);
        let address = metrics.as_ref().map(|metrics| metrics.address);
        let sources = Sources {
            daemon: Arc::new(daemon),
            status: receiver,
            history: options.history,
            allocated: Arc::new(AllocatedDevices::new(
                tree.below_root(tree.pod_resources_socket()),
                tree.below_root(tree.checkpoint()),
                pod_series.unwrap_or_default(),
            )),
            recorded: metrics.map(|metrics| metrics.recorded),
        };
        if let Some(address) = address {
            let sources = sources.clone();
            let server = MetricsServer { address, sources };
            tasks.spawn(async {
                server.serve().await;
                Ok(())
            });
        }
        let directory = tree.below_root(&options.socket_dir);
        tasks.spawn(async {
            serve_local_socket(directory, sources).await;
            Ok(())
        });
        Self(status)
    }

    /// A reconcile begins.
    pub(super) fn reconciling(&self) -> Instant {
        let began = Instant::now();
        self.0
            .send_modify(|status| status.reconciling_since = Some(began));
        began
    }

    /// The reconcile that `began` then has ended.
    pub(super) fn reconciled(&self, state: &Reconciler, outcome: &Outcome, began: Instant) {
        self.0
            .send_modify(|status| *status = status.after(state, outcome, began));
        let scope = outcome.kind.name();
        let duration_us = microseconds(began.elapsed());
        tracing::debug!(target: METRICS_TARGET, event = "reconciled", scope, duration_us, "reconciled");
    }
}
