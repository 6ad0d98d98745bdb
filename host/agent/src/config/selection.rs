//! The selection of an entry of `resourceList`: its syntax; the providers define the selector keys.

use super::json::{Json, member};
use super::parse::{IDLE_KEYS, Parsed, Parser, RESOURCE_KEYS};
use super::{SelectionSpec, SelectorMember, SelectorSpec};

impl Parser<'_> {
    pub(super) fn selection(
        &mut self,
        key: &str,
        entry: Json<'_>,
        members: &[(String, Json<'_>)],
    ) -> SelectionSpec {
        let device_type = self.text(key, members, "deviceType");
        let device_type = device_type.filter(|(name, _)| !name.is_empty());
        let is_known = |name: &str| {
            let mut known = RESOURCE_KEYS.iter().chain(&IDLE_KEYS);
            known.any(|known| known.eq_ignore_ascii_case(name))
        };
        let strays = members.iter().filter(|(name, _)| !is_known(name));
        SelectionSpec {
            strays: strays
                .map(|(name, value)| self.kept(name, *value))
                .collect(),
            alternatives: self.selectors(
                &format!("{key}.selectors"),
                entry,
                member(members, "selectors"),
            ),
            source: device_type
                .as_ref()
                .map_or(entry, |(_, value)| *value)
                .located(&self.document),
            device_type: device_type.map(|(name, _)| name),
            key: key.to_owned(),
        }
    }

    fn selectors(
        &mut self,
        key: &str,
        entry: Json<'_>,
        selectors: Option<Json<'_>>,
    ) -> Vec<SelectorSpec> {
        let Some(selectors) = selectors else {
            // Absent or null: everything of the device type.
            return vec![SelectorSpec {
                source: entry.located(&self.document),
                key: key.to_owned(),
                members: Vec::new(),
            }];
        };
        if !selectors.is_list() {
            return self.selector(key, selectors).into_iter().collect();
        }
        let alternatives = selectors
            .items()
            .map_err(|found| self.wrong(key, "a list", &found));
        let alternatives = alternatives.and_then(|all| self.at_least_one(key, selectors, all));
        let alternatives = self.report(alternatives).unwrap_or_default();
        let numbered = alternatives.into_iter().enumerate();
        numbered
            .filter_map(|(n, selector)| self.selector(&format!("{key}[{n}]"), selector))
            .collect()
    }

    fn at_least_one<'j>(
        &self,
        key: &str,
        list: Json<'_>,
        alternatives: Vec<Json<'j>>,
    ) -> Parsed<Vec<Json<'j>>> {
        if !alternatives.is_empty() {
            return Ok(alternatives);
        }
        let hint =
            "write `{}` to select every device of the type, or remove the resource".to_owned();
        let message = "an empty list selects nothing".to_owned();
        Err(self.refuse(key, list.place(), message, Some(hint)))
    }

    fn selector(&mut self, key: &str, selector: Json<'_>) -> Option<SelectorSpec> {
        let members = self.members(key, selector)?;
        let mut kept: Vec<SelectorMember> = Vec::new();
        for (name, value) in members {
            // Limited depth keeps recursion over the value bounded.
            if let Some(message) = value.unusable() {
                let key = format!("{key}.{name}");
                let problem = self.refuse(&key, value.place(), message.to_owned(), None);
                self.report::<()>(Err(problem));
                continue;
            }
            kept.push(self.kept(&name, value));
        }
        Some(SelectorSpec {
            source: selector.located(&self.document),
            key: key.to_owned(),
            members: kept,
        })
    }

    fn kept(&self, name: &str, value: Json<'_>) -> SelectorMember {
        SelectorMember {
            name: name.to_owned(),
            value: value.located(&self.document),
        }
    }
}
