//! The life of the daemon: a first look, then one look for each reason, until it is told to end.

mod triggers;

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use triggers::Triggers;

use crate::cli::{Arguments, Registration};
use crate::config::{ConfigError, Defaults};
use crate::directory_watcher::DirectoryWatcher;
use crate::events::NodeEvents;
use crate::host_paths::{HostPaths, RootError};
use crate::kubelet::RegistrationMode;
use crate::pools::Strictness;
use crate::providers::{ProviderSettings, Timeouts, malloc};
use crate::reconcile::{KubeletOptions, Reconciler, Settings};
use crate::report::Hint;

/// All pools end at the same time, each within half a second.
const DRAIN: Duration = Duration::from_millis(1500);

/// How long a reconcile waits for the discovery of one provider, because the pools of the others wait with it.
const DISCOVERY_WAIT: Duration = Duration::from_secs(1);

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

/// What the command line says about the node.
pub fn settings(arguments: &Arguments) -> Settings {
    let common = &arguments.common;
    let tree = HostPaths::new(&common.root, &arguments.kubelet_dir);
    Settings {
        defaults: Defaults {
            resource_prefix: common.resource_prefix.clone(),
            registry: tree.plugins_registry(),
        },
        // A relative path is meant from here, and looked up below the root like any other.
        config_file: std::path::absolute(&common.config_file)
            .unwrap_or_else(|_| common.config_file.clone()),
        strictness: if common.lenient {
            Strictness::Lenient
        } else {
            Strictness::Strict
        },
        providers: ProviderSettings {
            digests: common.provider_digests.clone(),
            budgets: budgets(common.provider_budget),
            ..ProviderSettings::new(common.provider_dir.clone())
        },
        discovery_wait: DISCOVERY_WAIT,
        tree,
    }
}

fn budgets(limit: Option<Duration>) -> Timeouts {
    let budgets = Timeouts::default();
    limit.map_or(budgets, |limit| budgets.at_most(limit))
}

/// Serves until SIGTERM or SIGINT; what `events` tell, the timer, a changed file and SIGHUP are reasons to look at what
/// [`settings`] made of the command line.
///
/// # Errors
///
/// When it cannot begin. Once it serves, nothing but a signal ends it.
pub async fn run(
    arguments: &Arguments,
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
    let mode = match arguments.registration {
        Registration::Auto => RegistrationMode::detect(&settings.tree),
        Registration::Watcher => RegistrationMode::Watcher,
        Registration::Register => RegistrationMode::Register,
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), registration = %mode, "starting");
    for option in arguments.logging.without_effect() {
        tracing::info!(
            "the option `{option}` of the Go plugin has no effect: the log goes to standard error"
        );
    }

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
    let mut reasons = Triggers::new(hang_up, arguments.rescan_interval, file_ticks, news);
    if let Some(kernel) = kernel {
        watches.spawn(async {
            kernel.run().await;
            Ok(())
        });
    }

    let kubelet = KubeletOptions {
        mode,
        ticks: kubelet_ticks,
        cdi: arguments.use_cdi.then_some(arguments.cdi_names),
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
