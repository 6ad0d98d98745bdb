//! Resolves the selectors of a configuration to providers.
//!
//! Each key goes to the provider that declares it. A key that no provider declares refuses the resource, because ignoring
//! it would match more devices than the user meant.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::nested::by_schema;
use super::{ProviderSections, ProviderSelector, Resource, Selector, misplaced};
use crate::config::{
    Problem, ResourceSpec, SelectionSpec, SelectorMember, SelectorSpec, Severity, did_you_mean,
};
use sriovdp_providers::{Provider, Providers};

/// What an undeclared selector key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// It refuses the resource.
    Strict,
    /// It is ignored with a warning, as the Go plugin ignores it silently.
    Lenient,
    /// The same, and the Go plugin's reading of the known keys also, for a comparison.
    GoPlugin,
}

/// Why a resource cannot be resolved.
#[derive(Debug)]
pub enum ResolveError {
    /// The configuration is wrong.
    Invalid(Vec<Problem>),
    /// A provider does not answer.
    ProviderUnavailable(Vec<Problem>),
}

/// Resolves one resource, with the warnings that arose.
///
/// # Errors
///
/// The problems because of which it cannot be published, or not now.
pub async fn resolve(
    providers: &Providers,
    file: &Path,
    strictness: Strictness,
    settings: &ProviderSections,
    spec: &ResourceSpec,
) -> Result<(Resource, Vec<Problem>), ResolveError> {
    let mut context = Context::new(providers, file, strictness, &spec.selection);
    let (mut selectors, problems) = context.selection(&spec.selection).await?;
    for (selector, spec) in selectors.iter_mut().zip(&spec.selection.alternatives) {
        for part in &mut selector.provider_selectors {
            settings.require(&part.provider, context.problem_of_object(spec))?;
            part.settings = settings.of(&part.provider).cloned();
        }
    }
    let owner = context.providers.first();
    let cdi_class = owner.and_then(|owner| owner.manifest().cdi_class.clone());
    let device_type = context.device_type.unwrap_or_default().to_owned();
    let resource = Resource {
        name: spec.name.clone(),
        cdi_class: cdi_class.unwrap_or_else(|| device_type.clone()),
        device_type,
        selectors,
        exclude_topology: spec.exclude_topology,
        allocation_policy: spec.allocation_policy,
        health: spec.health,
        additional_info: spec.additional_info.clone(),
    };
    let resource = match strictness {
        Strictness::GoPlugin => resource.read_by_go_plugin(),
        Strictness::Strict | Strictness::Lenient => resource,
    };
    Ok((resource, problems))
}

/// What is wrong with the selection of a resource that is refused for another reason.
pub async fn mistakes(
    providers: &Providers,
    file: &Path,
    strictness: Strictness,
    spec: &SelectionSpec,
) -> Vec<Problem> {
    let mut context = Context::new(providers, file, strictness, spec);
    match context.selection(spec).await {
        Ok((_, problems)) | Err(ResolveError::Invalid(problems)) => problems,
        Err(ResolveError::ProviderUnavailable(_)) => Vec::new(),
    }
}

pub(super) struct Context<'a> {
    pub(super) file: &'a Path,
    pub(super) strictness: Strictness,
    /// Every provider.
    pub(super) available: &'a [Arc<Provider>],
    /// Absent where no provider owns the configured one.
    pub(super) device_type: Option<&'a str>,
    /// Those of the device type: its owner first.
    pub(super) providers: Vec<Arc<Provider>>,
    pub(super) problems: Vec<Problem>,
    /// Of providers that did not answer.
    pub(super) timed_out: Vec<Problem>,
}

impl<'a> Context<'a> {
    fn new(
        all: &'a Providers,
        file: &'a Path,
        strictness: Strictness,
        spec: &SelectionSpec,
    ) -> Self {
        let types = all.device_type(spec.device_type.as_deref());
        let of_type = types
            .iter()
            .flat_map(|(_, types)| types.owner.iter().chain(&types.extensions));
        let mut context = Self {
            file,
            strictness,
            available: all.all(),
            device_type: types.map(|(name, _)| name),
            providers: of_type.cloned().collect(),
            problems: Vec::new(),
            timed_out: Vec::new(),
        };
        if types.is_none() {
            context.problems.push(unknown_device_type(all, file, spec));
        }
        context
    }

    /// Resolves a selection, with the warnings that arose.
    async fn selection(
        &mut self,
        spec: &SelectionSpec,
    ) -> Result<(Vec<Selector>, Vec<Problem>), ResolveError> {
        for stray in &spec.strays {
            let problem = misplaced::beside_selectors(self, spec, stray);
            self.problems.push(problem);
        }
        let mut selectors = Vec::new();
        if self.device_type.is_some() {
            for selector in &spec.alternatives {
                selectors.push(self.selector(selector).await);
            }
        }
        let problems = std::mem::take(&mut self.problems);
        let is_refused = |problem: &Problem| problem.severity == Severity::Refused;
        if problems.iter().any(is_refused) {
            Err(ResolveError::Invalid(problems))
        } else if self.timed_out.is_empty() {
            Ok((selectors, problems))
        } else {
            Err(ResolveError::ProviderUnavailable(std::mem::take(
                &mut self.timed_out,
            )))
        }
    }

    async fn selector(&mut self, spec: &SelectorSpec) -> Selector {
        let providers = self.providers.clone();
        let mut parts: Vec<Map<String, Value>> = vec![Map::new(); providers.len()];
        for member in &spec.members {
            let declared = providers.iter().enumerate().find_map(|(n, provider)| {
                let key = provider
                    .keys()
                    .find(|key| key.eq_ignore_ascii_case(&member.name))?;
                Some((n, key.to_owned()))
            });
            match declared {
                Some((n, key)) => {
                    if let Some(value) = self.value(spec, member, &providers[n], &key) {
                        parts[n].insert(key, value);
                    }
                }
                None => self.undeclared(spec, member),
            }
        }
        self.exclude_each_other(spec, &providers);
        self.replace_each_other(spec, &providers, &parts);
        let mut provider_selectors = Vec::new();
        for (n, (provider, part)) in providers.into_iter().zip(parts).enumerate() {
            // The owner is always queried; an extension only when one of its keys is there.
            if n > 0 && part.is_empty() {
                continue;
            }
            let constrains = n == 0 || !part.values().all(constrains_nothing);
            self.check(spec, &provider, part.clone()).await;
            // The operator writes every key, and an extension may have to read much for a key that constrains nothing.
            if constrains {
                provider_selectors.push(ProviderSelector {
                    provider,
                    selectors: Value::Object(part),
                    settings: None,
                });
            }
        }
        Selector { provider_selectors }
    }

    /// The value of a selector in its provider's spelling, without the keys that it does not declare.
    fn value(
        &mut self,
        spec: &SelectorSpec,
        member: &SelectorMember,
        provider: &Provider,
        key: &str,
    ) -> Option<Value> {
        let schema = &provider.manifest().schema;
        let (value, unknown) = by_schema(schema, key, member.value.json()).ok()?;
        for unknown in unknown {
            let constrains_nothing = unknown.value.constrains_nothing();
            let problem = Problem {
                severity: self.severity_of_unknown(constrains_nothing),
                place: unknown.value.place(),
                hint: Some(unknown.hint),
                ..self.problem(
                    format!("{}.{}", spec.key, unknown.path),
                    member,
                    format!("the selector `{key}` has no such key"),
                )
            };
            self.problems.push(problem);
        }
        Some(value)
    }

    /// Keys that exclude each other, by the manifests.
    fn exclude_each_other(&mut self, spec: &SelectorSpec, providers: &[Arc<Provider>]) {
        let constraining = |key: &str| {
            let named = |member: &&SelectorMember| member.name.eq_ignore_ascii_case(key);
            let member = spec.members.iter().find(named);
            member.filter(|member| !member.value.json().constrains_nothing())
        };
        let pairs = providers
            .iter()
            .flat_map(|provider| &provider.manifest().exclusive_keys);
        for (key, other) in pairs {
            if let (Some(member), Some(_)) = (constraining(key), constraining(other)) {
                let message = format!("it cannot be combined with `{other}`");
                let hint = "remove one of the two, or make two resources of it".to_owned();
                self.problems.push(Problem {
                    hint: Some(hint),
                    ..self.problem(format!("{}.{}", spec.key, member.name), member, message)
                });
            }
        }
    }

    /// A key that no provider of the device type declares. One that constrains nothing, such as `false`, cannot widen a
    /// selection.
    fn undeclared(&mut self, spec: &SelectorSpec, member: &SelectorMember) {
        let elsewhere = misplaced::file_of(&self.providers, &member.name);
        let constrains_nothing = member.value.json().constrains_nothing();
        if elsewhere.is_some() && constrains_nothing {
            return;
        }
        let hint = match elsewhere {
            Some(file) => format!("put the provider `{file}` into the provider directory"),
            None => misplaced::hint_inside_selectors(self, &member.name),
        };
        let message = format!(
            "no provider declares this selector for `{}`",
            self.device_type.unwrap_or_default()
        );
        let problem = Problem {
            severity: self.severity_of_unknown(constrains_nothing),
            hint: Some(hint),
            ..self.problem(format!("{}.{}", spec.key, member.name), member, message)
        };
        self.problems.push(problem);
    }

    /// The severity of an unknown key: ignoring it would match more devices than the user meant.
    pub(super) fn severity_of_unknown(&self, constrains_nothing: bool) -> Severity {
        match self.strictness {
            Strictness::Strict if !constrains_nothing => Severity::Refused,
            Strictness::Strict | Strictness::Lenient | Strictness::GoPlugin => Severity::Warning,
        }
    }

    /// A problem of a selector object as a whole.
    pub(super) fn problem_of_object(&self, spec: &SelectorSpec) -> Problem {
        Problem::refused(
            self.file,
            spec.source.place(),
            spec.key.clone(),
            String::new(),
        )
    }

    pub(super) fn problem(&self, key: String, member: &SelectorMember, message: String) -> Problem {
        Problem::refused(self.file, member.value.place(), key, message)
    }
}

/// Whether a value constrains nothing, as the default of a selector.
pub(super) fn constrains_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn unknown_device_type(providers: &Providers, file: &Path, spec: &SelectionSpec) -> Problem {
    let known: Vec<&str> = providers.device_types().map(|(name, _)| name).collect();
    let (message, did_you_mean) = match &spec.device_type {
        Some(name) => (
            format!("no provider brings the device type `{name}`"),
            did_you_mean(name, known.iter().copied()),
        ),
        None => ("no provider brings a default device type".to_owned(), None),
    };
    let hint = match (did_you_mean, known.is_empty()) {
        (Some(name), _) => format!("did you mean `{name}`?"),
        (None, true) => {
            "the provider directory has no usable provider; see `sriovdp providers`".to_owned()
        }
        (None, false) => format!("the device types are {}", known.join(", ")),
    };
    let key = format!("{}.deviceType", spec.key);
    Problem {
        hint: Some(hint),
        ..Problem::refused(file, spec.source.place(), key, message)
    }
}
