//! The one loop that owns the state: it looks at the node, divides the devices, and publishes what changed.
//!
//! Whatever happens, an event of the kernel, a signal, the timer, a changed file, is a reason to look again. A look
//! reads everything, or what may have changed where an event says so, builds new values and compares them with the
//! published ones; a pool that is equal is not published. Nothing else writes.

mod additional_info;
mod afresh;
mod assignment;
mod configuration;
mod empty;
mod health;
mod log_on_change;
mod node_notes;
mod pod_devices_cache;
mod pool_files;
mod removal_reasons;
mod retained;
mod scan_node;
mod servers;
mod settings;
mod single_files;
mod unread;
mod view;

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use sriovdp_sdk::{PciAddress, PciFunction};
use tokio::task::JoinError;
use tokio::time::Instant;

pub use servers::KubeletOptions;
pub use settings::Settings;

use assignment::MatchesOfAll;
use log_on_change::LogOnChange;
use pod_devices_cache::PodDevicesCache;
use servers::{RemovalContext, ResourceServers};
use unread::Unread;

use crate::config::{ConfigError, Problem, ResourceName, ResourceSpec, Severity};
use crate::pools::{FlapDamping, PendingDiscoveries, Pool, Resource, Scan, ScanError};
use sriovdp_providers::{Providers, Step};
use sriovdp_report::inline;

/// How many of the files that are refused at one step of their check the log names.
const NAMED: usize = 5;

/// The state of the plugin.
#[derive(Debug)]
pub struct Reconciler {
    settings: Settings,
    providers: Providers,
    /// The PCI bus, as it was last seen.
    functions: Arc<[PciFunction]>,
    scan: Scan,
    pending: PendingDiscoveries,
    /// The functions to read again soon.
    unread: Unread,
    links: FlapDamping,
    books: PodDevicesCache,
    /// By the resources of the last look.
    admitted: MatchesOfAll,
    /// The last look knows everything, so that the next one may be about what has changed since.
    is_settled: bool,
    /// The configuration file is not looked up below the root.
    configuration_is_outside: bool,
    /// The last good configuration.
    specs: Vec<ResourceSpec>,
    /// Its resources that can be offered, in the file's order.
    resources: Vec<Arc<Resource>>,
    offered: ResourceServers,
    /// What was said already and still holds.
    told: BTreeSet<String>,
}

/// What one look came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What is wrong with the configuration.
    pub problems: Vec<Problem>,
    /// Why there is no new configuration.
    pub config_error: Option<ConfigError>,
    /// Why not everything on the node is known.
    pub failures: Vec<ScanError>,
    /// The resources whose devices are not known now, because a provider does not answer, and why.
    pub unknown: BTreeMap<ResourceName, String>,
    /// Whether it was about the whole node.
    pub was_whole: bool,
    /// When time alone will have changed something, if nothing else does.
    pub requeue_at: Option<Instant>,
    /// Whether that look need only be about functions of which something could not be read.
    pub again_in_part: bool,
}

impl Reconciler {
    /// A state in which nothing has been looked at; without a kubelet, nothing is offered.
    pub fn new(settings: Settings, kubelet: Option<KubeletOptions>) -> Self {
        let wait = match kubelet {
            Some(_) => settings.discovery_wait,
            None => settings.providers.timeouts.discover,
        };
        Self {
            offered: ResourceServers::new(
                settings.tree.clone(),
                settings.defaults.resource_prefix.clone(),
                kubelet,
            ),
            settings,
            providers: Providers::default(),
            functions: Arc::default(),
            scan: Scan::default(),
            pending: PendingDiscoveries::new(wait),
            unread: Unread::default(),
            links: FlapDamping::default(),
            books: PodDevicesCache::default(),
            admitted: MatchesOfAll::new(),
            is_settled: false,
            configuration_is_outside: false,
            specs: Vec::new(),
            resources: Vec::new(),
            told: BTreeSet::new(),
        }
    }

    /// Looks at providers, configuration and node, and publishes what changed.
    pub async fn look(&mut self) -> Outcome {
        self.reconcile_scope(None).await
    }

    /// The same, where of the PCI functions only `touched` may have changed since the last look.
    pub async fn reconcile_functions(&mut self, touched: &BTreeSet<PciAddress>) -> Outcome {
        self.reconcile_scope(Some(touched)).await
    }

    async fn reconcile_scope(&mut self, touched: Option<&BTreeSet<PciAddress>>) -> Outcome {
        let mut saying = LogOnChange::default();
        self.reload_providers(&mut saying).await;
        let (mut look, refused) = self.reload_configuration().await;
        let resources = self.resolve(&mut look, &refused).await;
        self.scan_node_and_devices(&resources, touched, &mut look, &mut saying)
            .await;
        let now = Instant::now();
        let devices = self
            .scan
            .device_types()
            .flat_map(|(_, found)| &found.devices);
        let before: Vec<Arc<Pool>> = self.offered.states().collect();
        let known = LazyCell::new(|| {
            // What has left its pool and comes back, is seen for the first time again.
            let known = before.iter().flat_map(|pool| &pool.devices);
            let known = known.filter(|device| !device.health.is_removed());
            known.map(|device| &device.id).collect::<HashSet<_>>()
        });
        self.links = self.links.next(devices, |id| known.contains(id), now);
        let shares = self.divide(&resources, now, &mut look, &mut saying).await;
        self.resources.clone_from(&resources);
        let departure = RemovalContext {
            now,
            pod_devices: self.books.held(),
        };
        self.offered
            .publish(resources, shares, &departure, &mut saying);
        if self.offered.are_served() {
            self.log_empty_pools(&before, &mut saying).await;
            self.log_single_files(&mut saying).await;
        }
        let waits = [
            self.links.stable_at(),
            self.books.requeue_at(),
            self.offered.requeue_at(now),
        ];
        let wait = waits.into_iter().flatten().min();
        (look.requeue_at, look.again_in_part) = self.unread.or_sooner(wait);
        self.offered.remove_device_info(&mut saying).await;
        self.offered.write_cdi(self.books.held(), &mut saying).await;
        for problem in &look.problems {
            match problem.severity {
                Severity::Refused => {
                    saying.error(format!("the resource is not offered: {}", inline(problem)))
                }
                Severity::Warning => saying.warn(inline(problem)),
            }
        }
        if let Some(error) = &look.config_error {
            saying.error(if self.specs.is_empty() {
                inline(error)
            } else {
                format!("{}; what was valid before goes on", inline(error))
            });
        }
        for warning in self.node_warnings() {
            saying.warn(inline(&warning));
        }
        for kept_out in self.kept_out() {
            saying.info(kept_out.to_string());
        }
        self.told = saying.say(&self.told);
        look
    }

    /// Withdraws every pool, and returns when their streams have ended and their sockets are gone.
    pub async fn withdraw(&mut self) {
        self.offered.withdraw().await;
    }

    /// Waits for a reason to look again that lies in here: a discovery that was late has come back.
    ///
    /// # Errors
    ///
    /// When the task of a pool fails, which only a fault of this program can bring about.
    pub async fn news(&mut self) -> Result<(), JoinError> {
        tokio::select! {
            error = self.offered.task_failed() => Err(error),
            () = self.pending.changed() => Ok(()),
        }
    }

    async fn reload_providers(&mut self, saying: &mut LogOnChange) {
        self.providers.reload(&self.settings.providers).await;
        if let Some(error) = self.providers.unusable() {
            saying.error(inline(error));
        }
        for provider in self.providers.loaded() {
            saying.info(format!(
                "provider `{}` is loaded: {}",
                provider.file_name(),
                provider.manifest().summary
            ));
        }
        self.log_refused(saying);
        for provider in self.providers.removed() {
            let file = provider.file().display();
            saying.warn(format!(
                "the provider `{file}` was removed, and stays loaded until the plugin is restarted"
            ));
        }
        if let Some(error) = self.no_provider() {
            saying.error(inline(&error));
        }
    }

    /// A directory full of other files must not fill the log.
    fn log_refused(&self, saying: &mut LogOnChange) {
        let mut by_step = BTreeMap::<Step, usize>::new();
        let mut unnamed = 0;
        for refused in self.providers.refused() {
            let file = refused.file.display();
            let reason = LazyCell::new(|| inline(&refused.reason));
            let named = by_step.entry(refused.reason.step()).or_default();
            if self.providers.is_loaded(&refused.file) {
                saying.error(format!("the provider `{file}` has changed and is refused, so what was loaded before goes on: {}", *reason));
            } else if *named < NAMED {
                *named += 1;
                saying.error(format!("the provider `{file}` is refused: {}", *reason));
            } else {
                unnamed += 1;
            }
        }
        if unnamed > 0 {
            let directory = self.settings.providers.directory.display();
            saying.error(format!(
                "{unnamed} further files of the provider directory `{directory}` are refused \
                 (hint: `sriovdp providers` lists them all)"
            ));
        }
    }
}
