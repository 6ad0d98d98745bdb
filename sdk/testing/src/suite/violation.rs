//! What a provider does against the rules.

use std::fmt;

/// A rule that does not hold, as a sentence, and where.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation(String);

impl Violation {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// The same, with the name of the rule.
    pub(super) fn of(self, rule: &str) -> Self {
        Self(format!("{rule}: {self}"))
    }

    /// The same, on a certain node.
    pub(super) fn on(self, place: impl fmt::Display) -> Self {
        Self(format!("{self}; {place}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A test that returns one prints it for a person.
impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}
