//! Errors and warnings of a command, as a value.

use std::fmt;

use serde::Serialize;
use sriovdp_agent::config::{ConfigError, Problem, Severity};
use sriovdp_report::{Hint, Report, causes};

/// An error or a warning. It prints as [`Report`] does.
#[derive(Clone, Debug, Serialize)]
pub(in crate::commands) struct Reported {
    #[serde(skip)]
    text: String,
    severity: &'static str,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
    /// Where it is in the configuration.
    place: Option<Place>,
}

/// A place in the configuration.
#[derive(Clone, Debug, Serialize)]
struct Place {
    file: String,
    line: usize,
    column: usize,
    /// The path of the key; nothing when the file is not JSON.
    key: Option<String>,
}

impl Reported {
    pub(in crate::commands) fn error(error: &impl Hint) -> Self {
        Self::new("error", Report::error(error).to_string(), error)
    }

    pub(in crate::commands) fn warning(warning: &impl Hint) -> Self {
        Self::new("warning", Report::warning(warning).to_string(), warning)
    }

    /// A mistake in the configuration.
    pub(in crate::commands) fn problem(problem: &Problem) -> Self {
        let reported = match problem.severity {
            Severity::Refused => Self::error(problem),
            Severity::Warning => Self::warning(problem),
        };
        Self {
            message: problem.message.clone(),
            place: Some(Place {
                file: problem.file.display().to_string(),
                line: problem.place.line,
                column: problem.place.column,
                key: Some(problem.key.clone()),
            }),
            ..reported
        }
    }

    /// Why the configuration is rejected.
    pub(in crate::commands) fn rejected(error: &ConfigError) -> Self {
        let reported = Self::error(error);
        let ConfigError::Malformed {
            path,
            place,
            message,
            ..
        } = error
        else {
            return reported;
        };
        Self {
            message: message.clone(),
            place: Some(Place {
                file: path.display().to_string(),
                line: place.line,
                column: place.column,
                key: None,
            }),
            ..reported
        }
    }

    fn new(severity: &'static str, text: String, error: &impl Hint) -> Self {
        Self {
            text,
            severity,
            message: error.to_string(),
            causes: causes(error).collect(),
            hint: error.hint(),
            place: None,
        }
    }
}

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
