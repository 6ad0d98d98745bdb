//! Why a text is no value of a type.

use std::fmt;

/// Separates a message from its hint where both are one text.
pub const HINT: &str = "\nhint: ";

/// A text that is no value of the type, with a hint for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    message: String,
    hint: &'static str,
}

impl ParseError {
    pub(crate) fn new(message: String, hint: &'static str) -> Self {
        Self { message, hint }
    }

    /// What to write instead.
    pub fn hint(&self) -> &str {
        self.hint
    }

    /// The same for a deserializer, which carries one text.
    pub(crate) fn custom<E: serde::de::Error>(self) -> E {
        E::custom(format_args!("{self}{HINT}{}", self.hint))
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ParseError {}
