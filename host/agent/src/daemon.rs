//! The life of the daemon: a first reconcile, then one for each trigger, until a signal ends it.

mod observers;
mod triggers;

use std::io;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

pub use observers::{MetricsOptions, ObserverOptions};

use observers::Observers;
use triggers::Triggers;

use crate::config::ConfigError;
use crate::directory_watcher::DirectoryWatcher;
use crate::events::{NodeEvents, ReconcileScope};
use crate::host_paths::RootError;
use crate::output::cdi::CdiNames;
use crate::reconcile::{KubeletOptions, Reconciler, Settings};
use crate::status::report::DaemonInfo;
use sriovdp_kubelet::{DirectoryChanges, RegistrationMode};
use sriovdp_providers::{Providers, malloc};
use sriovdp_report::Hint;

/// For all pools to end, at the same time and each within half a second.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(1500);

/// After a reconcile, a kubelet registers its new pools within this time. A plugin watcher does so for all at once, with one
/// more connection to each, and a megabyte of buffers is free afterwards.
const KUBELET_SETTLES: Duration = Duration::from_secs(5);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The first configuration is invalid.
    #[error("the configuration cannot be used")]
    Config(#[source] ConfigError),
    /// The root is not a directory.
    #[error(transparent)]
    HostRoot(#[from] RootError),
    /// inotify fails.
    #[error("cannot watch directories")]
    WatchDirectories(#[source] io::Error),
    /// A signal handler cannot be installed.
    #[error("cannot handle signals")]
    HandleSignals(#[source] io::Error),
    /// A bug of this program.
    #[error("a task of the plugin failed")]
    Task(#[source] JoinError),
}

impl Hint for DaemonError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::HostRoot(error) => error.hint(),
            // No instance is left for this user, or no descriptor for this process.
            Self::WatchDirectories(error) if Errno::from_io_error(error) == Some(Errno::MFILE) => {
                Some("raise the sysctl `fs.inotify.max_user_instances`".to_owned())
            }
            Self::WatchDirectories(_) | Self::HandleSignals(_) => None,
            Self::Task(_) => Some("report this with the log to the authors of sriovdp".to_owned()),
        }
    }
}

/// The options of the daemon beside the [`Settings`] for the node.
#[derive(Clone, Debug)]
pub struct Options {
    /// How resources register; without a mode, the kubelet's directories decide.
    pub registration: Option<RegistrationMode>,
    /// The time between two full reconciles.
    pub rescan_interval: Duration,
    /// Whether containers get device nodes through CDI.
    pub use_cdi: bool,
    /// How the names of CDI devices reach the container runtime.
    pub cdi_names: CdiNames,
    /// How the daemon can be observed.
    pub observers: ObserverOptions,
}

/// Serves until SIGTERM or SIGINT. Events, the resync timer, a changed file and SIGHUP trigger a reconcile.
///
/// # Errors
///
/// When the daemon cannot start. Once it serves, only a signal or a failed task ends it.
pub async fn run(
    options: Options,
    settings: Settings,
    events: NodeEvents,
) -> Result<(), DaemonError> {
    settings.tree.require_root()?;
    let signals = |kind| signal(kind).map_err(DaemonError::HandleSignals);
    let mut terminate = signals(SignalKind::terminate())?;
    let mut interrupt = signals(SignalKind::interrupt())?;
    let hang_up = signals(SignalKind::hangup())?;
    let mode = options.registration.unwrap_or_else(|| {
        RegistrationMode::detect(&settings.tree.below_root(settings.tree.plugins_registry()))
    });
    tracing::info!(event = "starting", version = env!("CARGO_PKG_VERSION"), registration = %mode, "starting");

    let mut watchers = JoinSet::new();
    let kubelet_directories = vec![
        settings.tree.below_root(settings.tree.device_plugins()),
        settings.tree.below_root(settings.tree.plugins_registry()),
    ];
    let kubelet_watcher = DirectoryWatcher::new(kubelet_directories);
    let kubelet_changes = watch_directories(
        &mut watchers,
        kubelet_watcher.map(DirectoryWatcher::with_resync),
    )?;
    let config_file = settings.tree.below_root(&settings.config_file);
    let config_dir = config_file.parent().map(Path::to_path_buf);
    let list_dir = settings.providers.digests.as_deref().and_then(Path::parent);
    let file_directories = config_dir
        .into_iter()
        .chain(settings.providers.directories.clone())
        .chain(list_dir.map(Path::to_path_buf));
    let file_watcher = DirectoryWatcher::new(file_directories.collect());
    let files = [config_file.clone()].into_iter();
    let files = files.chain(settings.providers.digests.clone());
    let (files, watched_files) = watch::channel(files.collect());
    let file_changes = watch_directories(
        &mut watchers,
        file_watcher.map(|watcher| watcher.with_files(watched_files)),
    )?;
    let NodeEvents {
        changes,
        subsystems,
        kernel,
    } = events;
    let mut triggers = Triggers::new(hang_up, options.rescan_interval, file_changes, changes);
    if let Some(kernel) = kernel {
        watchers.spawn(async {
            kernel.run().await;
            Ok(())
        });
    }

    let info = DaemonInfo {
        started: Instant::now(),
        registration_mode: mode.to_string(),
        config_file: settings.config_file.display().to_string(),
    };
    let observers = Observers::start(&mut watchers, options.observers, info, &settings.tree);

    let kubelet = KubeletOptions {
        mode,
        directory_changes: DirectoryChanges::new(kubelet_changes),
        use_cdi: options.use_cdi,
        cdi_names: options.cdi_names,
    };
    let mut state = Reconciler::new(settings, Providers::default(), Some(kubelet));
    let mut first = true;
    let serving = async {
        let mut scope = ReconcileScope::Full;
        loop {
            let began = observers.reconciling();
            let outcome = match &scope {
                ReconcileScope::Functions(functions) => state.reconcile_functions(functions).await,
                ReconcileScope::Full => state.reconcile().await,
            };
            observers.reconciled(&state, &outcome, began);
            malloc::trim();
            files.send_replace(state.files());
            triggers.reconciled(outcome.kind);
            subsystems.send_replace(Some(state.providers().subsystems()));
            if let (true, Some(error)) = (
                first,
                outcome.config_error.filter(|error| !error.may_appear()),
            ) {
                return Err(DaemonError::Config(error));
            }
            first = false;
            let mut next = pin!(triggers.next(&mut state, outcome.requeue));
            scope = match tokio::time::timeout(KUBELET_SETTLES, next.as_mut()).await {
                Ok(next) => next?,
                Err(_) => {
                    malloc::trim();
                    next.await?
                }
            };
        }
    };
    let ended = tokio::select! {
        ended = serving => ended,
        // These tasks end only when they fail.
        Some(ended) = watchers.join_next() => match ended {
            Ok(Err(error)) => Err(DaemonError::WatchDirectories(error)),
            Ok(Ok(())) => Err(DaemonError::WatchDirectories(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(DaemonError::Task(error)),
        },
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    tracing::info!(event = "stopping", "stopping");
    if tokio::time::timeout(DRAIN_TIMEOUT, state.withdraw())
        .await
        .is_err()
    {
        tracing::warn!(
            event = "stop_timeout",
            "some pools did not end within their timeout"
        );
    }
    ended
}

/// Runs a watcher on a task of `watchers`.
fn watch_directories(
    watchers: &mut JoinSet<io::Result<()>>,
    watcher: io::Result<DirectoryWatcher>,
) -> Result<watch::Receiver<u64>, DaemonError> {
    let watcher = watcher.map_err(DaemonError::WatchDirectories)?;
    let changes = watcher.changes();
    watchers.spawn(watcher.run());
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lack_of_instances_has_the_hint_of_their_limit() {
        let hint = |errno: Errno| DaemonError::WatchDirectories(errno.into()).hint();
        assert!(hint(Errno::MFILE).is_some_and(|hint| hint.contains("max_user_instances")));
        assert_eq!(hint(Errno::IO), None);
    }
}
