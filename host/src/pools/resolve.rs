//! Gives the selectors of a configuration their meaning.
//!
//! Each key goes to the provider that declares it. A key that nobody declares refuses the resource, because leaving it
//! out would select more than the user asked for.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use sriovdp_sdk::abi::wire;
use sriovdp_sdk::abi::wire::method;

use super::{Facet, Resource, Selector};
use crate::config::{Place, Problem, ResourceSpec, SelectorMember, SelectorSpec, Severity, alike};
use crate::providers::{DeviceType, Provider, Providers};

/// What an undeclared selector key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// It refuses the resource.
    Strict,
    /// It is left out with a warning, as the Go plugin leaves it out silently.
    Lenient,
}

/// Why a resource could not be resolved.
#[derive(Debug)]
pub enum Unresolved {
    /// The configuration is wrong.
    Refused(Box<Problem>),
    /// A provider does not speak, so nothing new is known about the resource.
    Unknown(Box<Problem>),
}

impl From<Box<Problem>> for Unresolved {
    fn from(problem: Box<Problem>) -> Self {
        Self::Refused(problem)
    }
}

/// Resolves one resource, with the warnings that arose.
///
/// # Errors
///
/// The problem because of which it cannot be offered, or not now.
pub async fn resolve(
    providers: &Providers,
    file: &Path,
    strictness: Strictness,
    spec: &ResourceSpec,
) -> Result<(Resource, Vec<Problem>), Unresolved> {
    let name = spec.device_type.as_deref();
    let Some((device_type, types)) = providers.device_type(name) else {
        return Err(Box::new(unknown_device_type(providers, file, spec)).into());
    };
    let mut context = Context {
        file,
        strictness,
        device_type,
        types,
        warnings: Vec::new(),
    };
    let mut selectors = Vec::new();
    for selector in &spec.selectors {
        selectors.push(context.selector(selector).await?);
    }
    let cdi_class = types
        .owner
        .as_ref()
        .and_then(|owner| owner.manifest().cdi_class.clone());
    let resource = Resource {
        name: spec.name.clone(),
        device_type: device_type.to_owned(),
        cdi_class: cdi_class.unwrap_or_else(|| device_type.to_owned()),
        selectors,
        exclude_topology: spec.exclude_topology,
        allocation_policy: spec.allocation_policy,
        health: spec.health,
        additional_info: spec.additional_info.clone(),
    };
    Ok((resource, context.warnings))
}

struct Context<'a> {
    file: &'a Path,
    strictness: Strictness,
    device_type: &'a str,
    types: &'a DeviceType,
    warnings: Vec<Problem>,
}

impl Context<'_> {
    async fn selector(&mut self, spec: &SelectorSpec) -> Result<Selector, Unresolved> {
        let providers: Vec<Arc<Provider>> = self
            .types
            .owner
            .iter()
            .chain(&self.types.extensions)
            .cloned()
            .collect();
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
                    parts[n].insert(key, member.value.clone());
                }
                None => self.undeclared(spec, member, &providers)?,
            }
        }
        self.exclude_each_other(spec, &providers)?;
        let mut facets = Vec::new();
        for (n, (provider, part)) in providers.into_iter().zip(parts).enumerate() {
            // The owner always has a say; an extension only when it is spoken to.
            if n > 0 && part.is_empty() {
                continue;
            }
            let is_asked = n == 0 || !part.values().all(asks_for_nothing);
            let selectors = Value::Object(part);
            let question = wire::CheckRequest {
                device_type: self.device_type.to_owned(),
                selectors: selectors.clone(),
            };
            let checked: Result<Map<String, Value>, _> =
                provider.call(method::CHECK, question).await;
            checked.map_err(|error| {
                let is_silent = error.is_silent;
                let problem = self.refused_by_provider(spec, error.path.as_deref(), error.error);
                if is_silent {
                    Unresolved::Unknown(Box::new(Problem {
                        message: "the selectors cannot be checked now".to_owned(),
                        ..problem
                    }))
                } else {
                    Unresolved::Refused(Box::new(problem))
                }
            })?;
            // The operator writes every key, and an extension may have to read much to be asked for nothing.
            if is_asked {
                facets.push(Facet {
                    provider,
                    selectors,
                });
            }
        }
        Ok(Selector { facets })
    }

    /// Keys of which a provider says that they make no sense together.
    fn exclude_each_other(
        &self,
        spec: &SelectorSpec,
        providers: &[Arc<Provider>],
    ) -> Result<(), Box<Problem>> {
        let asks = |key: &str| {
            let named = |member: &&SelectorMember| member.name.eq_ignore_ascii_case(key);
            let member = spec.members.iter().find(named);
            member.filter(|member| !asks_for_nothing(&member.value))
        };
        let pairs = providers
            .iter()
            .flat_map(|provider| &provider.manifest().exclusive_keys);
        for (key, other) in pairs {
            if let (Some(member), Some(_)) = (asks(key), asks(other)) {
                return Err(Box::new(Problem {
                    severity: Severity::Refused,
                    file: self.file.to_owned(),
                    place: member.place,
                    key: format!("{}.{}", spec.key, member.name),
                    message: format!("it cannot be asked for together with `{other}`"),
                    hint: Some("remove one of the two, or make two resources of it".to_owned()),
                    cause: None,
                }));
            }
        }
        Ok(())
    }

    /// A key that nobody declares. One that asks for nothing, such as `false`, cannot widen a selection.
    fn undeclared(
        &mut self,
        spec: &SelectorSpec,
        member: &SelectorMember,
        providers: &[Arc<Provider>],
    ) -> Result<(), Box<Problem>> {
        let elsewhere = providers.iter().find_map(|provider| {
            let mut known = provider.manifest().brought_by_others.iter();
            known
                .find(|(key, _)| key.eq_ignore_ascii_case(&member.name))
                .map(|(_, file)| file)
        });
        let asks_for_nothing = asks_for_nothing(&member.value);
        if elsewhere.is_some() && asks_for_nothing {
            return Ok(());
        }
        let hint = match elsewhere {
            Some(file) => format!("put the provider `{file}` into the provider directory"),
            None => match alike(
                &member.name,
                providers.iter().flat_map(|provider| provider.keys()),
            ) {
                Some(key) => format!("did you mean `{key}`?"),
                None => {
                    let keys: Vec<&str> = providers
                        .iter()
                        .flat_map(|provider| provider.keys())
                        .collect();
                    format!("its selectors are {}", keys.join(", "))
                }
            },
        };
        let lenient = asks_for_nothing || self.strictness == Strictness::Lenient;
        let problem = Problem {
            severity: if lenient {
                Severity::Warning
            } else {
                Severity::Refused
            },
            file: self.file.to_owned(),
            place: member.place,
            key: format!("{}.{}", spec.key, member.name),
            message: format!(
                "no loaded provider knows this selector for `{}`",
                self.device_type
            ),
            hint: Some(hint),
            cause: None,
        };
        if !lenient {
            return Err(Box::new(problem));
        }
        self.warnings.push(problem);
        Ok(())
    }

    fn refused_by_provider(
        &self,
        spec: &SelectorSpec,
        path: Option<&str>,
        cause: sriovdp_sdk::Error,
    ) -> Problem {
        // The path's first word is the key whose value stands in the file.
        let key = path.and_then(|path| path.split(['.', '[']).next());
        let member = spec
            .members
            .iter()
            .find(|member| key.is_some_and(|key| key.eq_ignore_ascii_case(&member.name)));
        Problem {
            severity: Severity::Refused,
            file: self.file.to_owned(),
            place: member.map_or(spec.place, |member| member.place),
            key: path.map_or_else(|| spec.key.clone(), |path| format!("{}.{path}", spec.key)),
            message: format!("the selectors make no sense for `{}`", self.device_type),
            hint: None,
            cause: Some(cause),
        }
    }
}

/// Whether a value constrains nothing, by the rule that a selector's default has to.
fn asks_for_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(values) => values.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn unknown_device_type(providers: &Providers, file: &Path, spec: &ResourceSpec) -> Problem {
    let known: Vec<&str> = providers.device_types().map(|(name, _)| name).collect();
    let (message, alike) = match &spec.device_type {
        Some(name) => (
            format!("no loaded provider brings the device type `{name}`"),
            alike(name, known.iter().copied()),
        ),
        None => (
            "no loaded provider brings a default device type".to_owned(),
            None,
        ),
    };
    let hint = match (alike, known.is_empty()) {
        (Some(name), _) => format!("did you mean `{name}`?"),
        (None, true) => {
            "the provider directory has no usable provider; see `sriovdp providers`".to_owned()
        }
        (None, false) => format!("the loaded device types are {}", known.join(", ")),
    };
    Problem {
        severity: Severity::Refused,
        file: file.to_owned(),
        place: Place::clone(&spec.place),
        key: format!("{}.deviceType", spec.key),
        message,
        hint: Some(hint),
        cause: None,
    }
}
