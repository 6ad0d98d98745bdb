//! From JSON text to resources and problems.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::sync::Arc;

use super::did_you_mean::did_you_mean;
use super::json::{Document, Json, WrongKind, member, without_nulls};
use super::slip::{SHAPE, Slip};
use super::{
    AllocationPolicy, ConfigError, Configuration, Defaults, NameError, Place, Problem,
    ProviderSection, ResourceName, ResourceSpec, SelectionSpec,
};

/// The key of the resources.
pub(super) const LIST: &str = "resourceList";
/// The keys of an entry of `resourceList`.
pub(crate) const RESOURCE_KEYS: [&str; 10] = [
    "resourceName",
    "resourcePrefix",
    "deviceType",
    "selectors",
    "additionalInfo",
    "excludeTopology",
    "allocationPolicy",
    "health",
    "checkHealthOnPf",
    "checkHealthOnDeviceExist",
];
/// Keys that the SR-IOV network operator writes and that have never had a meaning; not worth a warning.
pub(super) const IDLE_KEYS: [&str; 2] = ["SelectorObjs", "SelectorObj"];

pub(super) fn parse(
    text: &str,
    file: &Path,
    defaults: &Defaults,
) -> Result<Configuration, ConfigError> {
    let malformed = |place, message, hint: &str| ConfigError::Malformed {
        path: file.to_owned(),
        place,
        message,
        hint: hint.to_owned(),
    };
    let wrong = |what: &str, wanted: &str, found: &WrongKind| {
        let message = format!("{what} must be {wanted}, and it is {}", found.found);
        malformed(found.place, message, SHAPE)
    };
    let source = Arc::new(Document::new(text));
    let document = Json::parse(&source).map_err(|error| {
        let slip = Slip::of(text, &error);
        malformed(
            slip.place,
            slip.message,
            slip.hint.as_deref().unwrap_or(SHAPE),
        )
    })?;
    let mut parser = Parser {
        document: Arc::clone(&source),
        file,
        defaults,
        resources: Vec::new(),
        keys: HashMap::new(),
        variables: HashMap::new(),
        refused: Vec::new(),
        problems: Vec::new(),
        refusals: 0,
    };
    let with_nulls = document
        .members_with_nulls()
        .map_err(|found| wrong("the configuration", "an object", &found))?;
    if member(&with_nulls, LIST).is_none() {
        let message = format!("the configuration has no `{LIST}`");
        let hint = Parser::hint_without_list(&with_nulls);
        return Err(malformed(document.place(), message, &hint));
    }
    let top = parser.without_repeated("", without_nulls(with_nulls));
    let list = match member(&top, LIST) {
        Some(list) => list
            .items()
            .map_err(|found| wrong("`resourceList`", "a list", &found))?,
        None => Vec::new(),
    };
    parser.keys_beside_the_list(&top, list.is_empty());
    for (index, entry) in list.into_iter().enumerate() {
        parser.resource(&format!("resourceList[{index}]"), entry);
    }
    let providers = parser.provider_sections(member(&top, "providers"));
    Ok(Configuration {
        providers,
        fingerprint: BuildHasherDefault::<DefaultHasher>::default().hash_one(text),
        resources: parser.resources,
        refused: parser.refused,
        problems: parser.problems,
    })
}

pub(super) struct Parser<'a> {
    pub(super) document: Arc<Document>,
    file: &'a Path,
    defaults: &'a Defaults,
    resources: Vec<ResourceSpec>,
    /// The key of each resource, by its name.
    keys: HashMap<ResourceName, String>,
    /// The resource with each environment variable.
    variables: HashMap<String, ResourceName>,
    refused: Vec<SelectionSpec>,
    pub(super) problems: Vec<Problem>,
    /// How many of the problems refuse a resource.
    refusals: usize,
}

pub(super) type Parsed<T> = Result<T, Box<Problem>>;

impl Parser<'_> {
    fn resource(&mut self, key: &str, entry: Json<'_>) {
        let Some(members) = self.members(key, entry) else {
            return;
        };
        let before = self.refusals;
        let name = self.name(key, entry, &members);
        let selection = self.selection(key, entry, &members);
        let exclude_topology = self.boolean(key, &members, "excludeTopology");
        let allocation_policy = self.allocation_policy(key, &members);
        let health = self.health(key, &members);
        let additional_info = self.additional_info(
            &format!("{key}.additionalInfo"),
            member(&members, "additionalInfo"),
        );
        match name {
            Some(name) if self.refusals == before => {
                self.keys.insert(name.clone(), selection.key.clone());
                let value = member(&members, "resourceName").unwrap_or(entry);
                self.variable(key, value, &name);
                self.resources.push(ResourceSpec {
                    name,
                    selection,
                    exclude_topology: exclude_topology.unwrap_or_default(),
                    allocation_policy,
                    health,
                    additional_info,
                    additional_info_source: member(&members, "additionalInfo")
                        .map(|info| info.located(&self.document)),
                });
            }
            _ => self.refused.push(selection),
        }
    }

    fn provider_sections(&mut self, sections: Option<Json<'_>>) -> Vec<ProviderSection> {
        let sections = sections.and_then(|sections| self.members("providers", sections));
        let mut kept = Vec::new();
        for (name, value) in sections.unwrap_or_default() {
            let key = format!("providers.{name}");
            // Limited depth keeps recursion over the value bounded.
            if let Some(message) = value.unusable() {
                let problem = self.refuse(&key, value.place(), message.to_owned(), None);
                self.report::<()>(Err(problem));
                continue;
            }
            let value = value.located(&self.document);
            kept.push(ProviderSection { name, key, value });
        }
        kept
    }

    fn allocation_policy(&mut self, key: &str, members: &[(String, Json<'_>)]) -> AllocationPolicy {
        let Some((name, value)) = self.text(key, members, "allocationPolicy") else {
            return AllocationPolicy::default();
        };
        let named = AllocationPolicy::NAMES
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(&name));
        let policy = named.ok_or_else(|| {
            let names = AllocationPolicy::NAMES.map(|(known, _)| known);
            let hint = match did_you_mean(&name, names) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("it is one of `{}`", names.join("`, `")),
            };
            self.refuse(
                &format!("{key}.allocationPolicy"),
                value.place(),
                format!("unknown policy `{}`", name.escape_debug()),
                Some(hint),
            )
        });
        self.report(policy)
            .map(|(_, policy)| policy)
            .unwrap_or_default()
    }

    fn name(
        &mut self,
        key: &str,
        entry: Json<'_>,
        members: &[(String, Json<'_>)],
    ) -> Option<ResourceName> {
        let prefix = self.text(key, members, "resourcePrefix");
        let prefix = prefix.filter(|(prefix, _)| !prefix.is_empty());
        if member(members, "resourceName").is_none() {
            let message = "the entry has no `resourceName`".to_owned();
            let hint = "add a name, such as `\"resourceName\": \"sriov_dpdk\"`".to_owned();
            let problem = self.refuse(key, entry.place(), message, Some(hint));
            return self.report(Err(problem));
        }
        let (name, value) = self.text(key, members, "resourceName")?;
        let (prefix, prefix_value) = match prefix {
            Some((prefix, value)) => (prefix, Some(value)),
            None => (self.defaults.resource_prefix.clone(), None),
        };
        let registry = &self.defaults.registry;
        let made = ResourceName::new(&prefix, &name, registry);
        // A prefix may be wrong beside a wrong name.
        let prefix_error = prefix_value.and_then(|value| {
            let error = ResourceName::new(&prefix, "x", registry).err()?;
            matches!(error, NameError::Prefix(_)).then_some((value, error))
        });
        if let Some((value, error)) = prefix_error {
            let key = format!("{key}.resourcePrefix");
            let problem = self.refuse(&key, value.place(), error.to_string(), Some(error.hint()));
            self.report::<()>(Err(problem));
            if matches!(made, Err(NameError::Prefix(_))) {
                return None;
            }
        }
        let key = format!("{key}.resourceName");
        let made = made.map_err(|error| {
            self.refuse(&key, value.place(), error.to_string(), Some(error.hint()))
        });
        let made = self.report(made)?;
        if let Some(first) = self.keys.get(&made) {
            let message = format!("the name `{made}` is already taken by `{first}`");
            let hint = "join both into one entry with a list of selectors".to_owned();
            let problem = self.refuse(&key, value.place(), message, Some(hint));
            return self.report(Err(problem));
        }
        Some(made)
    }

    /// Two resources of one container would share a variable.
    fn variable(&mut self, key: &str, value: Json<'_>, name: &ResourceName) {
        let variable = name.variable();
        if let Some(first) = self.variables.get(&variable) {
            let message = format!("the variable `{variable}` is also that of `{first}`");
            let hint =
                "a container that requests both gets the variable of one; rename one of them";
            let key = format!("{key}.resourceName");
            self.warn(&key, value, message, hint.to_owned());
        } else {
            self.variables.insert(variable, name.clone());
        }
    }

    /// The members of an object, each key once, without those that are `null`.
    pub(super) fn members<'j>(
        &mut self,
        key: &str,
        object: Json<'j>,
    ) -> Option<Vec<(String, Json<'j>)>> {
        let members = object
            .members()
            .map_err(|found| self.wrong(key, "an object", &found));
        let members = self.report(members)?;
        Some(self.without_repeated(key, members))
    }

    pub(super) fn text<'j>(
        &mut self,
        key: &str,
        members: &[(String, Json<'j>)],
        name: &str,
    ) -> Option<(String, Json<'j>)> {
        let value = member(members, name)?;
        let text = value
            .string()
            .map_err(|found| self.wrong(&format!("{key}.{name}"), "a string", &found));
        let text = self.report(text)?;
        Some((text, value))
    }

    pub(super) fn boolean(
        &mut self,
        key: &str,
        members: &[(String, Json<'_>)],
        name: &str,
    ) -> Option<bool> {
        let value = member(members, name)?
            .boolean()
            .map_err(|found| self.wrong(&format!("{key}.{name}"), "a boolean", &found));
        self.report(value)
    }

    /// Keeps the problem and goes on, so that all of them are found at once.
    pub(super) fn report<T>(&mut self, parsed: Parsed<T>) -> Option<T> {
        parsed
            .map_err(|problem| {
                self.refusals += 1;
                self.problems.push(*problem);
            })
            .ok()
    }

    pub(super) fn wrong(&self, key: &str, wanted: &str, found: &WrongKind) -> Box<Problem> {
        let message = format!("it must be {wanted}, and it is {}", found.found);
        let hint = match (wanted, found.found) {
            ("a string", "a number" | "a boolean") => Some("write it in quotes"),
            ("a boolean", "a string" | "a number") => {
                Some("write `true` or `false` without quotes")
            }
            _ => None,
        };
        self.refuse(key, found.place, message, hint.map(str::to_owned))
    }

    pub(super) fn refuse(
        &self,
        key: &str,
        place: Place,
        message: String,
        hint: Option<String>,
    ) -> Box<Problem> {
        Box::new(Problem {
            hint,
            ..Problem::refused(self.file, place, key.to_owned(), message)
        })
    }
}
