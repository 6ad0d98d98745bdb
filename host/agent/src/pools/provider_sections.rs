//! The sections of providers in the configuration: each is validated by its provider's schema and by the provider.
//!
//! A section with a mistake refuses the resources of its provider, and no others.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::nested::section_by_schema;
use super::{ResolveError, Strictness};
use crate::config::{Problem, ProviderSection, Severity, did_you_mean};
use sriovdp_providers::{Provider, Providers};

/// The settings of the loaded providers.
#[derive(Clone, Debug, Default)]
pub struct ProviderSections {
    all: Vec<Section>,
}

#[derive(Clone, Debug)]
struct Section {
    provider: Arc<Provider>,
    /// Nothing where the section has a mistake.
    value: Result<Arc<Value>, Refusal>,
}

#[derive(Clone, Copy, Debug)]
enum Refusal {
    Invalid,
    /// The provider does not answer.
    Unavailable,
}

impl ProviderSections {
    /// Validates `sections`, and returns what is wrong with them.
    pub async fn resolve(
        providers: &Providers,
        file: &Path,
        strictness: Strictness,
        sections: &[ProviderSection],
    ) -> (Self, Vec<Problem>) {
        let mut settings = Self::default();
        let mut problems = Vec::new();
        for section in sections {
            let problem = |severity, message: String| Problem {
                severity,
                ..Problem::refused(file, section.value.place(), section.key.clone(), message)
            };
            let Some(provider) = find(providers, &section.name) else {
                let names = providers.all().iter().map(|provider| name(provider));
                let names: Vec<String> = names.collect();
                let near = did_you_mean(&section.name, names.iter().map(String::as_str));
                problems.push(Problem {
                    hint: Some(match near {
                        Some(name) => format!("did you mean `{name}`?"),
                        None => format!("the providers are {}", names.join(", ")),
                    }),
                    ..problem(
                        Severity::Warning,
                        "no provider has this name, and the section has no effect".to_owned(),
                    )
                });
                continue;
            };
            let Some(schema) = &provider.manifest().settings else {
                let message = "the provider has no settings, and its section has no effect";
                problems.push(problem(Severity::Warning, message.to_owned()));
                continue;
            };
            let before = problems.len();
            let value = match section_by_schema(schema, &section.key, section.value.json()) {
                Ok((value, unknown)) => {
                    problems.extend(unknown.into_iter().map(|unknown| Problem {
                        severity: match strictness {
                            Strictness::Strict => Severity::Refused,
                            Strictness::Lenient | Strictness::GoPlugin => Severity::Warning,
                        },
                        place: unknown.value.place(),
                        key: unknown.path,
                        hint: Some(unknown.hint),
                        ..problem(
                            Severity::Refused,
                            format!("the provider `{}` has no such setting", section.name),
                        )
                    }));
                    value
                }
                Err(wrong) => {
                    let message = format!("it must be an object, and it is {}", wrong.found);
                    problems.push(problem(Severity::Refused, message));
                    Value::Null
                }
            };
            let is_refused = |problem: &Problem| problem.severity == Severity::Refused;
            let value = if problems[before..].iter().any(is_refused) {
                Err(Refusal::Invalid)
            } else {
                match provider.check_settings(value.clone()).await {
                    Ok(()) => Ok(Arc::new(value)),
                    Err(error) if error.no_response => Err(Refusal::Unavailable),
                    Err(error) => {
                        problems.push(by_provider(section, error, problem));
                        Err(Refusal::Invalid)
                    }
                }
            };
            let provider = Arc::clone(provider);
            settings.all.push(Section { provider, value });
        }
        (settings, problems)
    }

    /// The settings of a provider, if the configuration has valid ones.
    pub fn of(&self, provider: &Arc<Provider>) -> Option<&Arc<Value>> {
        self.section(provider)?.value.as_ref().ok()
    }

    /// Refuses what needs a provider whose section cannot be used; `problem` has the place.
    pub(super) fn require(
        &self,
        provider: &Arc<Provider>,
        problem: Problem,
    ) -> Result<(), ResolveError> {
        let Some(Err(refusal)) = self.section(provider).map(|section| &section.value) else {
            return Ok(());
        };
        let name = name(provider);
        Err(match refusal {
            Refusal::Invalid => ResolveError::Invalid(vec![Problem {
                message: format!("the settings of its provider `{name}` have a mistake"),
                hint: Some(format!("correct `providers.{name}`")),
                ..problem
            }]),
            Refusal::Unavailable => ResolveError::ProviderUnavailable(vec![Problem {
                message: format!("the settings of its provider `{name}` cannot be checked now"),
                ..problem
            }]),
        })
    }

    fn section(&self, provider: &Arc<Provider>) -> Option<&Section> {
        let mut all = self.all.iter();
        all.find(|section| Arc::ptr_eq(&section.provider, provider))
    }
}

/// The name of a provider in the configuration.
fn name(provider: &Provider) -> String {
    let file = provider.file_name();
    file.strip_suffix(".so").unwrap_or(&file).to_owned()
}

fn find<'p>(providers: &'p Providers, wanted: &str) -> Option<&'p Arc<Provider>> {
    let mut all = providers.all().iter();
    all.find(|provider| is_of(provider, wanted))
}

/// Whether a section of the name `wanted` is that of the provider.
pub(super) fn is_of(provider: &Provider, wanted: &str) -> bool {
    name(provider) == wanted.strip_suffix(".so").unwrap_or(wanted)
}

/// A provider's error about its section.
fn by_provider(
    section: &ProviderSection,
    error: sriovdp_providers::CallError,
    problem: impl Fn(Severity, String) -> Problem,
) -> Problem {
    let json = section.value.json();
    let (path, error) = (error.path, error.error);
    let mut causes = error.causes();
    let first = causes.next().map(sriovdp_sdk::Error::new);
    Problem {
        place: path
            .as_ref()
            .map_or_else(|| json.place(), |path| json.at(path).place()),
        key: match &path {
            Some(path) => format!("{}.{path}", section.key),
            None => section.key.clone(),
        },
        hint: error.hint().map(str::to_owned),
        cause: first.map(|first| causes.fold(first, sriovdp_sdk::Error::caused_by)),
        ..problem(Severity::Refused, error.to_string())
    }
}
