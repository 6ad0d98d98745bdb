//! The first half of a reconcile: the configuration is read, and its selectors get their meaning.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Outcome, Reconciler};
use crate::config;
use crate::config::{ConfigError, Problem, ResourceName, SelectionSpec, Severity};
use crate::pools::{ResolveError, Resource, mistakes, resolve};
use sriovdp_providers::blocking;
use sriovdp_providers::limits::is_shortage;

impl Reconciler {
    /// A configuration that cannot be read leaves the last good one in force; one that was removed as well, because a
    /// ConfigMap is briefly absent while it is replaced.
    pub(super) async fn reload_configuration(&mut self) -> (Outcome, Vec<SelectionSpec>) {
        let file = self.settings.config_file.clone();
        let path = match self.configuration_is_outside {
            true => file.clone(),
            false => self.settings.tree.below_root(&file),
        };
        let defaults = self.settings.defaults.clone();
        match blocking::run(move || config::read(&path, &file, &defaults)).await {
            Ok(configuration) => {
                self.specs = configuration.resources;
                let look = Outcome {
                    problems: configuration.problems,
                    ..Outcome::default()
                };
                (look, configuration.refused)
            }
            Err(error) => {
                let look = Outcome {
                    config_error: Some(error),
                    ..Outcome::default()
                };
                (look, Vec::new())
            }
        }
    }

    /// The resources that can be offered; the problems of all, in the file's order.
    pub(super) async fn resolve(
        &self,
        look: &mut Outcome,
        refused: &[SelectionSpec],
    ) -> Vec<Arc<Resource>> {
        let before = self.resources.iter().map(|known| (&known.name, known));
        let before: HashMap<&ResourceName, &Arc<Resource>> = before.collect();
        let mut resources = Vec::new();
        let file = &self.settings.config_file;
        let strictness = self.settings.strictness;
        for spec in refused {
            let problems = mistakes(&self.providers, file, strictness, spec).await;
            look.problems.extend(problems);
        }
        for spec in &self.specs {
            match resolve(&self.providers, file, strictness, spec).await {
                Ok((resource, warnings)) => {
                    resources.push(Arc::new(resource));
                    look.problems.extend(warnings);
                }
                Err(ResolveError::Refused(problems)) => look.problems.extend(problems),
                Err(ResolveError::Unknown(problems)) => {
                    let reason = problems.first().map(|problem| problem.message.clone());
                    look.unknown
                        .insert(spec.name.clone(), reason.unwrap_or_default());
                    let before = before.get(&spec.name).copied();
                    let severity = before.map_or(Severity::Refused, |_| Severity::Warning);
                    resources.extend(before.cloned());
                    let problems = problems.into_iter();
                    let problems = problems.map(|problem| Problem {
                        severity,
                        ..problem
                    });
                    look.problems.extend(problems);
                }
            }
        }
        look.problems.sort_by_key(|problem| problem.place);
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
