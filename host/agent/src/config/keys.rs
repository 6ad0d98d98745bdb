//! Keys of the file that have no effect: unknown ones, and those that are there twice.

use std::collections::HashSet;

use super::did_you_mean::did_you_mean;
use super::json::{Json, member};
use super::parse::{LIST, Parser, RESOURCE_KEYS};
use super::slip::{NOT_THE_CONFIG_MAP, SHAPE};
use super::{Problem, Severity};

const TOP_KEYS: [&str; 2] = [LIST, "providers"];

impl Parser<'_> {
    /// The cure for a file without the list, by which all pools would be withdrawn.
    pub(super) fn hint_without_list(top: &[(String, Json<'_>)]) -> String {
        let mut names = top.iter().map(|(name, _)| name.as_str());
        if member(top, "kind").is_some() && member(top, "data").is_some() {
            NOT_THE_CONFIG_MAP.to_owned()
        } else if let Some(key) = RESOURCE_KEYS.iter().find(|key| member(top, key).is_some()) {
            format!("`{key}` belongs in the entries of `{LIST}`; {SHAPE}")
        } else if let Some(name) = names.find(|name| did_you_mean(name, TOP_KEYS) == Some(LIST)) {
            format!("did you mean `{LIST}` by `{}`?", name.escape_debug())
        } else {
            format!("{SHAPE}; for no resources, write `{{\"{LIST}\": []}}`")
        }
    }

    /// Further keys at the top, such as an editor's `$schema`, do no harm beside a list, unless they belong into its
    /// entries.
    pub(super) fn keys_beside_the_list(&mut self, top: &[(String, Json<'_>)], is_alone: bool) {
        const HINT: &str = "it belongs in the entries of `resourceList`";
        let is_of_resources = |name: &str| {
            let mut known = RESOURCE_KEYS.iter();
            known.any(|known| known.eq_ignore_ascii_case(name))
        };
        let (inner, others): (Vec<_>, Vec<_>) = top
            .iter()
            .cloned()
            .partition(|(name, _)| is_of_resources(name));
        for (name, value) in inner {
            self.warn_of_key("", &name, value, HINT.to_owned());
        }
        if is_alone {
            let hint = "resources go in `resourceList`";
            self.warn_of_unknown_keys("", &others, &TOP_KEYS, hint);
        }
    }

    /// Of equal keys the last one counts, and the others are mistakes.
    pub(super) fn without_repeated<'j>(
        &mut self,
        key: &str,
        members: Vec<(String, Json<'j>)>,
    ) -> Vec<(String, Json<'j>)> {
        let mut later = HashSet::new();
        let mut kept = Vec::new();
        for (name, value) in members.into_iter().rev() {
            if later.insert(name.to_ascii_lowercase()) {
                kept.push((name, value));
                continue;
            }
            self.warn(
                format!("{key}.{name}").trim_start_matches('.'),
                value,
                "the key is there again further on, and this value has no effect".to_owned(),
                "remove one of the two; the last one counts".to_owned(),
            );
        }
        kept.reverse();
        kept
    }

    /// Of each member that is not among the `known` keys, with the nearest one or else `otherwise` as the hint.
    pub(super) fn warn_of_unknown_keys(
        &mut self,
        key: &str,
        members: &[(String, Json<'_>)],
        known: &[&str],
        otherwise: &str,
    ) {
        for (name, value) in members {
            if known.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                continue;
            }
            let hint = did_you_mean(name, known.iter().copied()).map_or_else(
                || otherwise.to_owned(),
                |known| format!("did you mean `{known}`?"),
            );
            self.warn_of_key(key, name, *value, hint);
        }
    }

    fn warn_of_key(&mut self, key: &str, name: &str, value: Json<'_>, hint: String) {
        let key = format!("{key}.{name}");
        let message = "the key is not known and has no effect".to_owned();
        self.warn(key.trim_start_matches('.'), value, message, hint);
    }

    /// A value without effect.
    pub(super) fn warn(&mut self, key: &str, value: Json<'_>, message: String, hint: String) {
        self.problems.push(Problem {
            severity: Severity::Warning,
            ..*self.refuse(key, value.place(), message, Some(hint))
        });
    }
}
