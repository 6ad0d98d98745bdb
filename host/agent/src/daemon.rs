//! The life of the daemon: a first reconcile, then one for each trigger, until a signal ends it.

mod triggers;

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use triggers::Triggers;

use crate::config::ConfigError;
use crate::directory_watcher::DirectoryWatcher;
use crate::events::NodeEvents;
use crate::host_paths::RootError;
use crate::output::cdi::CdiNames;
use crate::reconcile::{KubeletOptions, Reconciler, Settings};
use sriovdp_kubelet::{DirectoryChanges, RegistrationMode};
use sriovdp_providers::malloc;
use sriovdp_report::Hint;

/// All pools end at the same time, each within half a second.
const DRAIN: Duration = Duration::from_millis(1500);

/// How long a reconcile waits for the discovery of one provider, because the pools of the others wait with it.
pub const DISCOVERY_WAIT: Duration = Duration::from_secs(1);

/// Why the daemon cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The first configuration is no configuration.
    #[error("the configuration cannot be used")]
    Config(#[source] ConfigError),
    /// The command line names no root.
    #[error(transparent)]
    HostRoot(#[from] RootError),
    /// The kernel does not let it follow directories or signals.
    #[error("cannot follow {0}")]
    Follow(&'static str, #[source] io::Error),
    /// A fault of this program.
    #[error("a task of the plugin failed, so it cannot go on")]
    Task(#[source] JoinError),
}

impl Hint for DaemonError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::HostRoot(error) => error.hint(),
            Self::Follow("directories", _) => {
                Some("raise the sysctl `fs.inotify.max_user_instances`".to_owned())
            }
            Self::Follow(..) => None,
            Self::Task(_) => Some("report this with the log to the authors of sriovdp".to_owned()),
        }
    }
}

/// How the daemon runs, besides what [`Settings`] say about the node.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How resources register; without a mode, the kubelet's directories decide.
    pub registration: Option<RegistrationMode>,
    /// The time between two full reconciles.
    pub rescan_interval: Duration,
    /// With a kind of names, containers get device nodes through CDI.
    pub cdi_names: Option<CdiNames>,
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
    let signals = |kind| signal(kind).map_err(|error| DaemonError::Follow("signals", error));
    let (mut terminate, mut interrupt) = (
        signals(SignalKind::terminate())?,
        signals(SignalKind::interrupt())?,
    );
    let hang_up = signals(SignalKind::hangup())?;
    let mode = options.registration.unwrap_or_else(|| {
        RegistrationMode::detect(&settings.tree.real(settings.tree.plugins_registry()))
    });
    tracing::info!(version = env!("CARGO_PKG_VERSION"), registration = %mode, "starting");

    let mut watches = JoinSet::new();
    let kubelet_directories = vec![
        settings.tree.real(settings.tree.device_plugins()),
        settings.tree.real(settings.tree.plugins_registry()),
    ];
    let kubelet_watch = DirectoryWatcher::new(kubelet_directories);
    let kubelet_ticks = follow(
        &mut watches,
        kubelet_watch.map(DirectoryWatcher::with_resync),
    )?;
    let config_file = settings.tree.real(&settings.config_file);
    let config_dir = config_file.parent().map(Path::to_path_buf);
    let list_dir = settings.providers.digests.as_deref().and_then(Path::parent);
    let file_directories = config_dir
        .into_iter()
        .chain([settings.providers.directory.clone()])
        .chain(list_dir.map(Path::to_path_buf));
    let file_watch = DirectoryWatcher::new(file_directories.collect());
    let files = [config_file.clone()].into_iter();
    let files = files.chain(settings.providers.digests.clone());
    let (files, followed) = watch::channel(files.collect());
    let file_ticks = follow(
        &mut watches,
        file_watch.map(|watch| watch.with_files(followed)),
    )?;
    let NodeEvents {
        news,
        subsystems,
        kernel,
    } = events;
    let mut reasons = Triggers::new(hang_up, options.rescan_interval, file_ticks, news);
    if let Some(kernel) = kernel {
        watches.spawn(async {
            kernel.run().await;
            Ok(())
        });
    }

    let kubelet = KubeletOptions {
        mode,
        directory_changes: DirectoryChanges::new(kubelet_ticks),
        cdi: options.cdi_names,
    };
    let mut state = Reconciler::new(settings, Some(kubelet));
    let mut first = true;
    let serving = async {
        let mut touched = None;
        loop {
            let look = match &touched {
                Some(functions) => state.reconcile_functions(functions).await,
                None => state.look().await,
            };
            malloc::trim();
            files.send_replace(state.files());
            reasons.looked(look.was_whole);
            subsystems.send_replace(Some(state.providers().subsystems()));
            if let (true, Some(error)) =
                (first, look.config_error.filter(|error| !error.may_appear()))
            {
                return Err(DaemonError::Config(error));
            }
            first = false;
            let again = look.requeue_at.map(|at| (at, look.again_in_part));
            touched = reasons.next(&mut state, again).await?;
        }
    };
    let ended = tokio::select! {
        ended = serving => ended,
        // These tasks end only when they fail.
        Some(ended) = watches.join_next() => match ended {
            Ok(Err(error)) => Err(DaemonError::Follow("directories", error)),
            Ok(Ok(())) => Err(DaemonError::Follow("directories", io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(DaemonError::Task(error)),
        },
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    tracing::info!("ending");
    if tokio::time::timeout(DRAIN, state.withdraw()).await.is_err() {
        tracing::warn!("not every pool ended in time");
    }
    ended
}

/// Lets a follower of directories run, on a task that ends with `watches`.
fn follow(
    watches: &mut JoinSet<io::Result<()>>,
    watch: io::Result<DirectoryWatcher>,
) -> Result<watch::Receiver<u64>, DaemonError> {
    let watch = watch.map_err(|error| DaemonError::Follow("directories", error))?;
    let ticks = watch.ticks();
    watches.spawn(watch.run());
    Ok(ticks)
}
