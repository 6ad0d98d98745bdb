//! From JSON text to resources and problems.

use std::collections::BTreeMap;
use std::path::Path;

use super::alike::alike;
use super::json::{Json, WrongKind, member};
use super::{
    AdditionalInfo, ConfigError, Configuration, Defaults, Place, Problem, ResourceName,
    ResourceSpec, SelectorMember, SelectorSpec, Severity,
};
use crate::pools::AllocationPolicy;

const TOP_KEYS: [&str; 1] = ["resourceList"];
const RESOURCE_KEYS: [&str; 8] = [
    "resourceName",
    "resourcePrefix",
    "deviceType",
    "selectors",
    "additionalInfo",
    "excludeTopology",
    "allocationPolicy",
    "health",
];
/// Keys that the SR-IOV network operator writes and that have never had a meaning; not worth a warning.
const IDLE_KEYS: [&str; 2] = ["SelectorObjs", "SelectorObj"];

pub(super) fn parse(
    text: &str,
    file: &Path,
    defaults: &Defaults,
) -> Result<Configuration, ConfigError> {
    let malformed = |place, message| ConfigError::Malformed {
        path: file.to_owned(),
        place,
        message,
    };
    let wrong = |what: &str, wanted: &str, found: &WrongKind| {
        malformed(
            found.place,
            format!("{what} must be {wanted}, and it is {}", found.found),
        )
    };
    let document = Json::parse(text).map_err(|error| {
        let place = Place {
            line: error.line(),
            column: error.column(),
        };
        malformed(
            place,
            format!("this is not JSON: {}", without_place(&error)),
        )
    })?;
    let top = document
        .members()
        .map_err(|found| wrong("the configuration", "an object", &found))?;
    let list = match member(&top, "resourceList") {
        Some(list) => list
            .items()
            .map_err(|found| wrong("`resourceList`", "a list", &found))?,
        None => Vec::new(),
    };
    let mut parser = Parser {
        file,
        defaults,
        resources: Vec::new(),
        problems: Vec::new(),
    };
    // Further keys at the top, such as an editor's `$schema`, do no harm beside the list, but may be it with an error.
    if list.is_empty() {
        parser.warn_of_unknown_keys(
            "",
            &top,
            &TOP_KEYS,
            "resources belong into the list `resourceList`",
        );
    }
    for (index, entry) in list.into_iter().enumerate() {
        let key = format!("resourceList[{index}]");
        match parser.resource(&key, entry) {
            Ok(resource) => parser.resources.push(resource),
            Err(problem) => parser.problems.push(*problem),
        }
    }
    Ok(Configuration {
        resources: parser.resources,
        problems: parser.problems,
    })
}

pub(super) struct Parser<'a> {
    file: &'a Path,
    defaults: &'a Defaults,
    resources: Vec<ResourceSpec>,
    problems: Vec<Problem>,
}

pub(super) type Parsed<T> = Result<T, Box<Problem>>;

impl Parser<'_> {
    fn resource(&mut self, key: &str, entry: Json<'_>) -> Parsed<ResourceSpec> {
        let members = entry
            .members()
            .map_err(|found| self.wrong(key, "an object", &found))?;
        self.warn_of_unknown_keys(
            key,
            &members,
            &RESOURCE_KEYS,
            "selectors belong into the object `selectors`",
        );
        let text = |name: &str| -> Parsed<Option<(String, Place)>> {
            let Some(value) = member(&members, name) else {
                return Ok(None);
            };
            let text = value.string();
            let text =
                text.map_err(|found| self.wrong(&format!("{key}.{name}"), "a string", &found))?;
            Ok(Some((text, value.place())))
        };
        let (name, place) = text("resourceName")?.ok_or_else(|| {
            self.refuse(
                key,
                entry.place(),
                "the entry has no `resourceName`".to_owned(),
                Some("add a name, such as `\"resourceName\": \"sriov_dpdk\"`".to_owned()),
            )
        })?;
        let prefix = text("resourcePrefix")?.filter(|(prefix, _)| !prefix.is_empty());
        let prefix = prefix.map_or_else(
            || self.defaults.resource_prefix.clone(),
            |(prefix, _)| prefix,
        );
        let device_type = text("deviceType")?.filter(|(name, _)| !name.is_empty());
        let name = self.name(key, place, &prefix, &name)?;
        let exclude_topology = match member(&members, "excludeTopology") {
            None => false,
            Some(value) => value.boolean().map_err(|found| {
                self.wrong(&format!("{key}.excludeTopology"), "a boolean", &found)
            })?,
        };
        let allocation_policy = match text("allocationPolicy")? {
            None => AllocationPolicy::default(),
            Some((name, place)) => self.allocation_policy(key, place, &name)?,
        };
        let health = self.health(&format!("{key}.health"), member(&members, "health"))?;
        Ok(ResourceSpec {
            health,
            selectors: self.selectors(
                &format!("{key}.selectors"),
                entry,
                member(&members, "selectors"),
            )?,
            additional_info: self.additional_info(
                &format!("{key}.additionalInfo"),
                member(&members, "additionalInfo"),
            )?,
            name,
            place: device_type
                .as_ref()
                .map_or_else(|| entry.place(), |(_, place)| *place),
            device_type: device_type.map(|(name, _)| name),
            key: key.to_owned(),
            exclude_topology,
            allocation_policy,
        })
    }

    fn allocation_policy(&self, key: &str, place: Place, name: &str) -> Parsed<AllocationPolicy> {
        let named = AllocationPolicy::NAMES
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (_, policy) = named.ok_or_else(|| {
            let names = AllocationPolicy::NAMES.map(|(known, _)| known);
            let hint = match alike(name, names) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("it is one of `{}`", names.join("`, `")),
            };
            self.refuse(
                &format!("{key}.allocationPolicy"),
                place,
                format!("there is no policy `{}`", name.escape_debug()),
                Some(hint),
            )
        })?;
        Ok(policy)
    }

    fn name(&self, key: &str, place: Place, prefix: &str, name: &str) -> Parsed<ResourceName> {
        let key = format!("{key}.resourceName");
        let name = ResourceName::new(prefix, name, &self.defaults.registry)
            .map_err(|error| self.refuse(&key, place, error.to_string(), Some(error.hint())))?;
        if let Some(first) = self.resources.iter().find(|resource| resource.name == name) {
            let message = format!("the name `{name}` is already taken by `{}`", first.key);
            let hint = "join both into one entry with a list of selectors".to_owned();
            return Err(self.refuse(&key, place, message, Some(hint)));
        }
        Ok(name)
    }

    fn selectors(
        &self,
        key: &str,
        entry: Json<'_>,
        selectors: Option<Json<'_>>,
    ) -> Parsed<Vec<SelectorSpec>> {
        let Some(selectors) = selectors else {
            // Absent or null: everything of the device type.
            return Ok(vec![SelectorSpec {
                place: entry.place(),
                key: key.to_owned(),
                members: Vec::new(),
            }]);
        };
        if !selectors.is_list() {
            return Ok(vec![self.selector(key, selectors)?]);
        }
        let alternatives = selectors
            .items()
            .map_err(|found| self.wrong(key, "a list", &found))?;
        if alternatives.is_empty() {
            let hint =
                "write `{}` to select every device of the type, or remove the resource".to_owned();
            let message = "an empty list selects nothing".to_owned();
            return Err(self.refuse(key, selectors.place(), message, Some(hint)));
        }
        let numbered = alternatives.into_iter().enumerate();
        numbered
            .map(|(n, selector)| self.selector(&format!("{key}[{n}]"), selector))
            .collect()
    }

    fn selector(&self, key: &str, selector: Json<'_>) -> Parsed<SelectorSpec> {
        let members = selector
            .members()
            .map_err(|found| self.wrong(key, "an object", &found))?;
        let mut kept: Vec<SelectorMember> = Vec::new();
        for (name, value) in members {
            kept.retain(|earlier| !earlier.name.eq_ignore_ascii_case(&name));
            kept.push(SelectorMember {
                place: value.place(),
                value: value
                    .value()
                    .map_err(|found| self.wrong(key, "simple", &found))?,
                name,
            });
        }
        Ok(SelectorSpec {
            place: selector.place(),
            key: key.to_owned(),
            members: kept,
        })
    }

    fn additional_info(&self, key: &str, info: Option<Json<'_>>) -> Parsed<Option<AdditionalInfo>> {
        let Some(info) = info else { return Ok(None) };
        let mut by_device: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (device, values) in info
            .members()
            .map_err(|found| self.wrong(key, "an object", &found))?
        {
            let key = format!("{key}.{device}");
            let said = by_device.entry(device).or_default();
            for (name, value) in values
                .members()
                .map_err(|found| self.wrong(&key, "an object", &found))?
            {
                let value = value
                    .string()
                    .map_err(|found| self.wrong(&format!("{key}.{name}"), "a string", &found))?;
                said.insert(name, value);
            }
        }
        Ok(Some(AdditionalInfo::new(by_device)))
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
            if known
                .iter()
                .chain(&IDLE_KEYS)
                .any(|known| known.eq_ignore_ascii_case(name))
            {
                continue;
            }
            let hint = alike(name, known.iter().copied()).map_or_else(
                || otherwise.to_owned(),
                |known| format!("did you mean `{known}`?"),
            );
            self.problems.push(Problem {
                severity: Severity::Warning,
                ..*self.refuse(
                    format!("{key}.{name}").trim_start_matches('.'),
                    value.place(),
                    "the key is not known and has no effect".to_owned(),
                    Some(hint),
                )
            });
        }
    }

    pub(super) fn wrong(&self, key: &str, wanted: &str, found: &WrongKind) -> Box<Problem> {
        let message = format!("it must be {wanted}, and it is {}", found.found);
        self.refuse(key, found.place, message, None)
    }

    fn refuse(
        &self,
        key: &str,
        place: Place,
        message: String,
        hint: Option<String>,
    ) -> Box<Problem> {
        Box::new(Problem {
            severity: Severity::Refused,
            file: self.file.to_owned(),
            place,
            key: key.to_owned(),
            message,
            hint,
            cause: None,
        })
    }
}

/// serde_json's message without the place that it ends with, which is told in front of it.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}
