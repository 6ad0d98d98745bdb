//! Extensions that replace a part of what the owner of a device type hands out: the part exists, and one of them does.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::resolve::{Context, constrains_nothing};
use crate::config::{Problem, SelectorSpec};
use sriovdp_providers::Provider;

impl Context<'_> {
    /// Checks the extensions of a selector object, each with its keys, against the owner, which comes first.
    pub(super) fn replace_each_other(
        &mut self,
        spec: &SelectorSpec,
        providers: &[Arc<Provider>],
        parts: &[Map<String, Value>],
    ) {
        let Some((owner, extensions)) = providers.split_first() else {
            return;
        };
        let keys = parts.iter().skip(1);
        let constrain = |keys: &Map<String, Value>| !keys.values().all(constrains_nothing);
        let used = extensions
            .iter()
            .zip(keys)
            .filter(|(_, keys)| constrain(keys));
        let mut replaced: Vec<(&str, &Provider)> = Vec::new();
        for (extension, _) in used {
            let file = extension.file_name();
            for part in &extension.manifest().replaces {
                let first = replaced.iter().find(|(known, _)| known == part);
                let message = if !owner.manifest().replaceable.contains(part) {
                    let owner = owner.file_name();
                    format!(
                        "the provider `{file}` replaces `{part}`, which `{owner}` does not hand out"
                    )
                } else if let Some((_, first)) = first {
                    let first = first.file_name();
                    format!("the providers `{first}` and `{file}` both replace `{part}`")
                } else {
                    replaced.push((part, extension));
                    continue;
                };
                self.problems.push(Problem {
                    message,
                    hint: Some("remove the selector keys of one of the two".to_owned()),
                    ..self.problem_of_object(spec)
                });
            }
        }
    }
}
