//! The results of a provider's `check` of a selector object.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::resolve::Context;
use crate::config::{Problem, SelectorMember, SelectorSpec, Severity};
use sriovdp_providers::Provider;

impl Context<'_> {
    /// Calls the provider's `check`, and again without each value that it rejects, so that all of them are found at once.
    pub(super) async fn check(
        &mut self,
        spec: &SelectorSpec,
        provider: &Arc<Provider>,
        mut part: Map<String, Value>,
    ) {
        let mut removed: Vec<String> = Vec::new();
        loop {
            let device_type = self.device_type.unwrap_or_default();
            let selectors = Value::Object(part.clone());
            let error = match provider.check(device_type, selectors).await {
                Ok(warnings) => {
                    for warning in warnings {
                        let message = warning.warning.to_string();
                        let problem =
                            self.by_provider(spec, warning.path.as_deref(), warning.warning);
                        self.problems.push(Problem {
                            severity: Severity::Warning,
                            message,
                            ..problem
                        });
                    }
                    return;
                }
                Err(error) => error,
            };
            let path = error.path.as_deref();
            let key = path.and_then(|path| path.split(['.', '[']).next());
            // Without a key, or by one that was removed, it may be a consequence of what was removed.
            let is_consequence = key.is_none_or(|key| removed.iter().any(|removed| removed == key));
            if !removed.is_empty() && is_consequence {
                return;
            }
            let problem = self.by_provider(spec, path, error.error);
            if error.no_response {
                let message = "the selectors cannot be checked now".to_owned();
                self.timed_out.push(Problem { message, ..problem });
                return;
            }
            self.problems.push(problem);
            match key.and_then(|key| part.remove_entry(key)) {
                Some((key, _)) => removed.push(key),
                None => return,
            }
        }
    }

    /// A provider's error about the value at `path` of a selector object.
    fn by_provider(
        &self,
        spec: &SelectorSpec,
        path: Option<&str>,
        error: sriovdp_sdk::Error,
    ) -> Problem {
        let source = spec.source.json();
        let Some(path) = path else {
            let device_type = self.device_type.unwrap_or_default();
            return Problem {
                message: format!("invalid selectors for the device type `{device_type}`"),
                cause: Some(error),
                ..self.problem_of_object(spec)
            };
        };
        let value = source.at(path);
        let key = path.split(['.', '[']).next().unwrap_or(path);
        let is_there = |member: &SelectorMember| member.name.eq_ignore_ascii_case(key);
        let message = match spec.members.iter().any(is_there) {
            true => format!("invalid value for `{key}`: {error}"),
            false => error.to_string(),
        };
        let mut causes = error.causes();
        let first = causes.next().map(sriovdp_sdk::Error::new);
        Problem {
            place: value.place(),
            key: format!("{}.{path}", spec.key),
            message,
            hint: error.hint().map(str::to_owned),
            cause: first.map(|first| causes.fold(first, sriovdp_sdk::Error::caused_by)),
            ..self.problem_of_object(spec)
        }
    }
}
