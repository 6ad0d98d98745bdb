//! One thing that is wrong in a configuration: where, what, and the cure.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Place;
use sriovdp_report::Hint;

/// What a problem costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The resource is not offered.
    Refused,
    /// The mistake has no effect.
    Warning,
}

/// One mistake in the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it costs.
    pub severity: Severity,
    /// The file.
    pub file: PathBuf,
    /// The place in the file.
    pub place: Place,
    /// The key, as a path from the top: `resourceList[1].selectors.vendors[0]`.
    pub key: String,
    /// The sentence.
    pub message: String,
    /// The cure.
    pub hint: Option<String>,
    /// The error of a provider.
    pub cause: Option<sriovdp_sdk::Error>,
}

impl Problem {
    /// A mistake for which something is refused, without a hint.
    pub fn refused(file: &Path, place: Place, key: String, message: String) -> Self {
        Self {
            severity: Severity::Refused,
            file: file.to_owned(),
            place,
            key,
            message,
            hint: None,
            cause: None,
        }
    }

    /// The entry of the list that it is in, such as `resourceList[3]`; its key where it is in none.
    pub fn entry(&self) -> &str {
        self.key.split_inclusive(']').next().unwrap_or(&self.key)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}: `{}`: {}",
            self.file.display(),
            self.place,
            self.key,
            self.message
        )
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

impl Hint for Problem {
    fn hint(&self) -> Option<String> {
        let hint = self
            .cause
            .as_ref()
            .and_then(|cause| cause.hint())
            .map(str::to_owned);
        hint.or_else(|| self.hint.clone())
    }
}
