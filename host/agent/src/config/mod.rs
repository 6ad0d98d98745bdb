//! The configuration file, as users of the Go plugin have it, parsed into values that need no second look.
//!
//! A file that is no JSON object is an error. Everything smaller costs one resource: the others serve, and the
//! [`Problem`] says which, where and why. Selector keys are kept as they stand here; their meaning is the providers'.

mod additional_info;
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
pub use health::HealthChecks;
pub use json::{Located, Place};
pub use names::{LONGEST_SOCKET_PATH, NameError, ResourceName};
pub use problem::{Problem, Severity};

pub use did_you_mean::{did_you_mean, is_near};
pub(crate) use json::{Json, WrongKind};
pub(crate) use parse::RESOURCE_KEYS;

use crate::pools::AllocationPolicy;
use sriovdp_providers::bounded_read;
use sriovdp_report::Hint;

/// A ConfigMap holds 1 MiB.
const LARGEST: u64 = 4 << 20;

/// What the command line adds to a file.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The prefix of resources that name none.
    pub resource_prefix: String,
    /// The node path of the plugin watcher's directory, which limits the length of names.
    pub registry: PathBuf,
}

/// A parsed file.
#[derive(Debug)]
pub struct Configuration {
    /// The resources that can be offered, in the file's order.
    pub resources: Vec<ResourceSpec>,
    /// The others as far as they can be understood, because their selectors may have mistakes as well.
    pub refused: Vec<SelectionSpec>,
    /// What is wrong with the file.
    pub problems: Vec<Problem>,
}

/// One entry of `resourceList`.
#[derive(Clone, Debug)]
pub struct ResourceSpec {
    /// Its name.
    pub name: ResourceName,
    /// Which devices belong to it.
    pub selection: SelectionSpec,
    /// Whether the kubelet is not told the NUMA nodes.
    pub exclude_topology: bool,
    /// Which devices a container is better off with.
    pub allocation_policy: AllocationPolicy,
    /// What makes one of its devices unhealthy.
    pub health: HealthChecks,
    /// Further values for the container, by device.
    pub additional_info: Option<AdditionalInfo>,
    /// Where these stand: each device as it was written.
    pub additional_info_source: Option<Located>,
}

impl ResourceSpec {
    /// Warnings about values for devices that are not in its pool, by whether a name is one of a device. One file may be
    /// for many nodes, so that only a command says them.
    pub fn additional_info_of_others(
        &self,
        file: &Path,
        is_device: impl Fn(&str) -> bool,
    ) -> Vec<Problem> {
        let members = self.additional_info_source.iter();
        let members = members.flat_map(|source| source.json().members().unwrap_or_default());
        let strangers = members.filter(|(device, _)| device != "*" && !is_device(device));
        let problem = |(device, value): (String, Json<'_>)| Problem {
            severity: Severity::Warning,
            file: file.to_owned(),
            place: value.place(),
            key: format!("{}.additionalInfo.{device}", self.selection.key),
            message: format!("`{}` has no such device on this node", self.name),
            hint: Some(
                "write a device id or PCI address that `sriovdp list` shows, or `*`".to_owned(),
            ),
            cause: None,
        };
        strangers.map(problem).collect()
    }
}

/// What an entry of `resourceList` selects; providers give it a meaning.
#[derive(Clone, Debug)]
pub struct SelectionSpec {
    /// The value of `deviceType`; which one is meant without it, a provider says.
    pub device_type: Option<String>,
    /// The device type's value, or else the entry.
    pub source: Located,
    /// The entry, as a path from the top.
    pub key: String,
    /// The alternatives.
    pub alternatives: Vec<SelectorSpec>,
    /// Keys beside `selectors` that no resource has.
    pub strays: Vec<SelectorMember>,
}

impl ResourceSpec {
    /// How messages name a selector object, as a path in the entry; nothing when the entry has none.
    pub fn selector_path(&self, selector: usize) -> Option<&str> {
        let alternatives = &self.selection.alternatives;
        let found = alternatives.get(selector)?;
        let is_absent = alternatives.len() == 1 && found.members.is_empty();
        let path = found.key.strip_prefix(&*self.selection.key)?;
        (!is_absent).then(|| path.trim_start_matches('.'))
    }

    /// The same of a key in it. In an entry with one selector object the key says enough.
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
    /// It, as a path from the top.
    pub key: String,
    /// Its members.
    pub members: Vec<SelectorMember>,
}

/// One member of a selector object, or a key beside it.
#[derive(Clone, Debug)]
pub struct SelectorMember {
    /// The key as it was written.
    pub name: String,
    /// The value; never `null`.
    pub value: Located,
}

/// Why there is no configuration at all.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no file. The node may get one later.
    #[error("the configuration file `{}` does not exist", path.display())]
    Missing {
        /// The file, as the node names it.
        path: PathBuf,
        /// Where that is below the root directory.
        real: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read the configuration file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not JSON, or not the right kind of it.
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
            Self::Missing { path, real } => {
                let cure = "create it, or name another one with `--config-file`";
                Some(if path == real {
                    cure.to_owned()
                } else {
                    format!("{cure}; below this `--root` it is `{}`", real.display())
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
/// When there is nothing to parse. What is wrong with single resources is in [`Configuration::problems`].
pub fn read(
    path: &Path,
    shown_as: &Path,
    defaults: &Defaults,
) -> Result<Configuration, ConfigError> {
    let text = bounded_read::open(path).and_then(|(file, _)| bounded_read::read(file, LARGEST));
    let text = text.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ConfigError::Missing {
            path: shown_as.to_owned(),
            real: path.to_owned(),
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
