//! How a failure is told: one sentence, its causes, and what to do about it.

use std::error::Error;
use std::fmt;

/// An error with a hint, wherever it came from.
///
/// Prints as
///
/// ```text
/// error: ...
/// Caused by: ...
/// hint: ...
/// ```
#[derive(Debug)]
pub struct Report<'a> {
    level: &'static str,
    error: &'a (dyn Error + 'a),
    hint: Option<String>,
}

/// What a module's error enum knows beyond its sentence.
pub trait Hint: Error {
    /// What the reader can do about it.
    fn hint(&self) -> Option<String> {
        None
    }
}

impl Hint for sriovdp_sdk::Error {
    fn hint(&self) -> Option<String> {
        self.hint_text().map(str::to_owned)
    }
}

impl<'a> Report<'a> {
    /// A failure.
    pub fn error(error: &'a impl Hint) -> Self {
        Self {
            level: "error",
            hint: error.hint(),
            error,
        }
    }

    /// Something that the user should know and that stops nothing.
    pub fn warning(error: &'a impl Hint) -> Self {
        Self {
            level: "warning",
            ..Self::error(error)
        }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level, self.error)?;
        for cause in causes(self.error) {
            write!(f, "\nCaused by: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// A failure on one line, for the log: the sentence and its causes joined by `: `, and the hint in brackets.
pub fn one_line(error: &impl Hint) -> String {
    let mut line = error.to_string();
    for cause in causes(error) {
        line.push_str(": ");
        line.push_str(&cause);
    }
    if let Some(hint) = error.hint() {
        line.push_str(" (hint: ");
        line.push_str(&hint);
        line.push(')');
    }
    line
}

/// The chain below an error.
fn causes<'a>(error: &'a (dyn Error + 'a)) -> impl Iterator<Item = String> + 'a {
    std::iter::successors(error.source(), |&error| error.source()).map(ToString::to_string)
}
