//! The configuration file, compatible with the Go plugin, parsed into validated values.
//!
//! A file that is not a JSON object is an error. A smaller mistake refuses one resource: the others are served, and a
//! [`Problem`] has place, message and hint. Providers interpret the selector keys.

mod additional_info;
mod allocation_policy;
mod did_you_mean;
mod health;
mod json;
mod keys;
mod names;
mod parse;
mod problem;
mod selection;
mod slip;

use std::io;
use std::path::{Path, PathBuf};

pub use additional_info::AdditionalInfo;
pub use allocation_policy::AllocationPolicy;
pub use health::HealthChecks;
pub use json::{Located, Place};
pub use names::{LONGEST_SOCKET_PATH, NameError, ResourceName};
pub use problem::{Problem, Severity};

pub use did_you_mean::{did_you_mean, is_near};
pub(crate) use json::{Json, WrongKind};
pub(crate) use parse::RESOURCE_KEYS;

use sriovdp_providers::bounded_read;
use sriovdp_report::Hint;

/// The largest configuration, in bytes. A ConfigMap has at most 1 MiB.
pub const MAX_SIZE: u64 = 4 << 20;

/// Defaults from the command line.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The prefix of resources without one.
    pub resource_prefix: String,
    /// The plugin watcher's directory on the node, whose path limits the length of names.
    pub registry: PathBuf,
}

/// A parsed file.
#[derive(Debug)]
pub struct Configuration {
    /// Equal for equal texts.
    pub fingerprint: u64,
    /// The valid resources, in the order of the file.
    pub resources: Vec<ResourceSpec>,
    /// The sections of providers.
    pub providers: Vec<ProviderSection>,
    /// The selections of refused resources, because their selectors may have mistakes as well.
    pub refused: Vec<SelectionSpec>,
    /// The mistakes in the file.
    pub problems: Vec<Problem>,
}

/// The section of one provider, which the provider interprets.
#[derive(Clone, Debug)]
pub struct ProviderSection {
    /// The name of the provider's file without `.so`.
    pub name: String,
    /// The section, as a path from the top.
    pub key: String,
    /// Its value.
    pub value: Located,
}

/// One entry of `resourceList`.
#[derive(Clone, Debug)]
pub struct ResourceSpec {
    /// Its name.
    pub name: ResourceName,
    /// Which devices belong to it.
    pub selection: SelectionSpec,
    /// Whether NUMA nodes are not reported to the kubelet.
    pub exclude_topology: bool,
    /// Which devices the plugin prefers for a container.
    pub allocation_policy: AllocationPolicy,
    /// The checks that make a device unhealthy.
    pub health: HealthChecks,
    /// Further values for the container, by device.
    pub additional_info: Option<AdditionalInfo>,
    /// The position of these values, with each device as spelled.
    pub additional_info_source: Option<Located>,
}

impl ResourceSpec {
    /// Warnings about values for devices that are not in the pool. One file may be for many nodes, so only commands print
    /// them.
    pub fn additional_info_of_others(
        &self,
        file: &Path,
        is_device: impl Fn(&str) -> bool,
    ) -> Vec<Problem> {
        let members = self.additional_info_source.iter();
        let members = members.flat_map(|source| source.json().members().unwrap_or_default());
        let others = members.filter(|(device, _)| device != "*" && !is_device(device));
        let problem = |(device, value): (String, Json<'_>)| {
            let key = format!("{}.additionalInfo.{device}", self.selection.key);
            let message = format!("`{}` has no such device on this node", self.name);
            let hint = "write a device id or PCI address that `sriovdp list` shows, or `*`";
            Problem {
                severity: Severity::Warning,
                hint: Some(hint.to_owned()),
                ..Problem::refused(file, value.place(), key, message)
            }
        };
        others.map(problem).collect()
    }
}

/// The selection of an entry of `resourceList`, which providers interpret.
#[derive(Clone, Debug)]
pub struct SelectionSpec {
    /// The value of `deviceType`; without it, the default device type.
    pub device_type: Option<String>,
    /// The position of `deviceType`, or else of the entry.
    pub source: Located,
    /// The entry, as a path from the top.
    pub key: String,
    /// The alternatives.
    pub alternatives: Vec<SelectorSpec>,
    /// Unknown keys beside `selectors`.
    pub strays: Vec<SelectorMember>,
}

impl SelectionSpec {
    /// Whether the entry has no `selectors`, or `null`.
    pub fn is_absent(&self) -> bool {
        let is_entry = |selector: &SelectorSpec| {
            let members = selector.source.json().members().unwrap_or_default();
            let mut names = members.iter().map(|(name, _)| name);
            names.any(|name| name.eq_ignore_ascii_case("resourceName"))
        };
        self.alternatives.first().is_some_and(is_entry)
    }
}

impl ResourceSpec {
    /// The path of a selector object in the entry, for messages; nothing without selectors.
    pub fn selector_path(&self, selector: usize) -> Option<&str> {
        let alternatives = &self.selection.alternatives;
        let found = alternatives.get(selector)?;
        let is_absent = alternatives.len() == 1 && found.members.is_empty();
        let path = found.key.strip_prefix(&*self.selection.key)?;
        (!is_absent).then(|| path.trim_start_matches('.'))
    }

    /// The path of a key in it; in an entry with one selector object, the key alone.
    pub fn key_path(&self, selector: usize, key: &str) -> String {
        match self.selector_path(selector) {
            Some(path) if path.ends_with(']') => format!("{path}.{key}"),
            _ => key.to_owned(),
        }
    }
}

/// One selector object.
#[derive(Clone, Debug)]
pub struct SelectorSpec {
    /// The object, or the entry that has none.
    pub source: Located,
    /// The object, as a path from the top.
    pub key: String,
    /// Its members.
    pub members: Vec<SelectorMember>,
}

/// One member of a selector object, or a key beside it.
#[derive(Clone, Debug)]
pub struct SelectorMember {
    /// The key as spelled.
    pub name: String,
    /// The value; never `null`.
    pub value: Located,
}

/// Why the file as a whole is invalid.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file does not exist, and may appear later.
    #[error("the configuration file `{}` does not exist", path.display())]
    Missing {
        /// The file on the node.
        path: PathBuf,
        /// The file below the root.
        below_root: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not JSON, or not an object with a list.
    #[error("{}:{place}: {message}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where.
        place: Place,
        /// What is wrong.
        message: String,
        /// The cure.
        hint: String,
    },
}

impl Hint for ConfigError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { path, below_root } => {
                let cure = "create it, or name another one with `--config-file`";
                Some(if path == below_root {
                    cure.to_owned()
                } else {
                    format!(
                        "{cure}; below this `--root` it is `{}`",
                        below_root.display()
                    )
                })
            }
            Self::Unreadable { .. } => None,
            Self::Malformed { hint, .. } => Some(hint.clone()),
        }
    }
}

/// Reads and parses a file.
///
/// # Errors
///
/// When the file as a whole is invalid. Mistakes in single resources are in [`Configuration::problems`].
pub fn read(
    path: &Path,
    shown_as: &Path,
    defaults: &Defaults,
) -> Result<Configuration, ConfigError> {
    let text = bounded_read::open(path).and_then(|(file, _)| bounded_read::read(file, MAX_SIZE));
    let text = text.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing {
            path: shown_as.to_owned(),
            below_root: path.to_owned(),
        },
        _ => ConfigError::Unreadable {
            path: shown_as.to_owned(),
            source,
        },
    })?;
    parse(&text, shown_as, defaults)
}

/// Parses the text of a file.
///
/// # Errors
///
/// As those of [`read`].
pub fn parse(
    text: &[u8],
    shown_as: &Path,
    defaults: &Defaults,
) -> Result<Configuration, ConfigError> {
    parse::parse(&String::from_utf8_lossy(text), shown_as, defaults)
}

#[cfg(test)]
mod tests;
