//! The first steps of a reconcile: the configuration is reloaded, and its resources are resolved.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Outcome, Reconciler, Settings};
use crate::config;
use crate::config::{
    ConfigError, Problem, ProviderSection, ResourceName, ResourceSpec, SelectionSpec, Severity,
};
use crate::pools::{ProviderSections, ResolveError, Resource, is_needed, mistakes, resolve};
use sriovdp_providers::limits::is_shortage;
use sriovdp_providers::{Provider, blocking};

/// Where the text of the configuration is.
#[derive(Clone, Debug, Default)]
pub enum ConfigurationSource {
    /// In the configuration file below the root.
    #[default]
    BelowRoot,
    /// In the configuration file, outside of the root.
    OutsideRoot,
    /// Here; the configuration file is only its name.
    Text(Arc<[u8]>),
}

/// The last valid configuration.
#[derive(Debug, Default)]
pub(super) struct Configuration {
    pub(super) specs: Vec<ResourceSpec>,
    pub(super) providers: Vec<ProviderSection>,
    /// Since when it is active.
    pub(super) applied: Option<SystemTime>,
    fingerprint: Option<u64>,
    pub(super) source: ConfigurationSource,
}

impl Configuration {
    /// Reads the file, and returns the selections of the resources that it refuses. The last valid configuration stays
    /// active when the file is invalid, and when it is removed, because a ConfigMap is briefly absent while it is
    /// replaced.
    pub(super) async fn reload(
        &mut self,
        settings: &Settings,
        outcome: &mut Outcome,
    ) -> Vec<SelectionSpec> {
        let file = settings.config_file.clone();
        let below_root = settings.tree.below_root(&file);
        let (source, defaults) = (self.source.clone(), settings.defaults.clone());
        let read = move || match source {
            ConfigurationSource::BelowRoot => config::read(&below_root, &file, &defaults),
            ConfigurationSource::OutsideRoot => config::read(&file, &file, &defaults),
            ConfigurationSource::Text(text) => config::parse(&text, &file, &defaults),
        };
        match blocking::run(read).await {
            Ok(configuration) => {
                self.specs = configuration.resources;
                self.providers = configuration.providers;
                self.log_change(configuration.fingerprint);
                outcome.problems = configuration.problems;
                configuration.refused
            }
            Err(error) => {
                outcome.config_error = Some(error);
                Vec::new()
            }
        }
    }
}

impl Configuration {
    /// Whether a resource, a `refused` one among them, or a section needs the provider.
    fn needs(&self, refused: &[SelectionSpec], provider: &Provider) -> bool {
        let selections = self.specs.iter().map(|spec| &spec.selection);
        is_needed(provider, selections.chain(refused), &self.providers)
    }

    fn log_change(&mut self, fingerprint: u64) {
        if self.fingerprint.replace(fingerprint) == Some(fingerprint) {
            return;
        }
        self.applied = Some(SystemTime::now());
        let resources = self.specs.len();
        tracing::info!(
            event = "config_applied",
            resources,
            "the configuration is applied"
        );
    }
}

impl Reconciler {
    /// Loads the providers that the configuration needs, or all for a command, which shows all.
    pub(super) async fn reload_providers(&mut self, refused: &[SelectionSpec]) {
        let (configuration, is_daemon) = (&self.configuration, self.servers.are_served());
        let needed = |provider: &Provider| !is_daemon || configuration.needs(refused, provider);
        let settings = &self.settings.providers;
        self.providers.reload_needed(settings, &needed).await;
    }

    /// Validates the sections of the providers.
    pub(super) async fn resolve_provider_sections(&mut self, outcome: &mut Outcome) {
        let (file, strictness) = (&self.settings.config_file, self.settings.strictness);
        let sections = &self.configuration.providers;
        let resolved = ProviderSections::resolve(&self.providers, file, strictness, sections);
        let (sections, problems) = resolved.await;
        self.provider_sections = sections;
        outcome.problems.extend(problems);
    }

    /// The resources that can be published. The problems of all are in the file's order.
    pub(super) async fn resolve(
        &self,
        refused: &[SelectionSpec],
        outcome: &mut Outcome,
    ) -> Vec<Arc<Resource>> {
        let before = self.snapshot.resources().map(|known| (&known.name, known));
        let before: HashMap<&ResourceName, &Arc<Resource>> = before.collect();
        let mut resources = Vec::new();
        let file = &self.settings.config_file;
        let strictness = self.settings.strictness;
        for spec in refused {
            let problems = mistakes(&self.providers, file, strictness, spec).await;
            outcome.problems.extend(problems);
        }
        for spec in &self.configuration.specs {
            let settings = &self.provider_sections;
            match resolve(&self.providers, file, strictness, settings, spec).await {
                Ok((resource, warnings)) => {
                    resources.push(Arc::new(resource));
                    outcome.problems.extend(warnings);
                }
                Err(ResolveError::Invalid(problems)) => outcome.problems.extend(problems),
                Err(ResolveError::ProviderUnavailable(problems)) => {
                    let reason = problems.first().map(|problem| problem.message.clone());
                    outcome
                        .unknown
                        .insert(spec.name.clone(), reason.unwrap_or_default());
                    let before = before.get(&spec.name).copied();
                    let severity = before.map_or(Severity::Refused, |_| Severity::Warning);
                    resources.extend(before.cloned());
                    let problems = problems.into_iter();
                    let problems = problems.map(|problem| Problem {
                        severity,
                        ..problem
                    });
                    outcome.problems.extend(problems);
                }
            }
        }
        outcome.problems.sort_by_key(|problem| problem.place);
        resources
    }
}

impl ConfigError {
    /// Whether the plugin can wait for a better file, which a node without its own may get, or for another moment.
    pub fn may_appear(&self) -> bool {
        match self {
            Self::Missing { .. } => true,
            Self::Unreadable { source, .. } => is_shortage(source),
            Self::Malformed { .. } => false,
        }
    }
}
