//! What follows a word in its line.

use std::collections::BTreeMap;

use super::error::Problem;

/// What follows a word, checked against what the word takes.
#[derive(Debug)]
pub(super) struct Arguments {
    pub(super) usage: &'static str,
    pub(super) positional: Vec<String>,
    pub(super) keys: BTreeMap<String, String>,
}

impl Arguments {
    /// The first positional argument: what the line is about.
    pub(super) fn name(&self) -> &str {
        &self.positional[0]
    }

    /// The positional arguments after the first.
    pub(super) fn second(&self) -> Option<&str> {
        self.positional.get(1).map(String::as_str)
    }

    pub(super) fn key(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    pub(super) fn required(&self, key: &str) -> Result<&str, Problem> {
        self.key(key).ok_or(Problem::Usage { usage: self.usage })
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.key(key) == Some("1")
    }

    /// The value of a key as a number, in whatever unit it is.
    pub(super) fn number(&self, key: &str) -> Result<Option<u32>, Problem> {
        self.key(key).map(number).transpose()
    }

    /// The comma-separated values of a key; none if the key is missing.
    pub(super) fn list(&self, key: &str) -> impl Iterator<Item = &str> {
        self.key(key)
            .into_iter()
            .flat_map(|value| value.split(','))
            .filter(|value| !value.is_empty())
    }
}

pub(super) fn number(value: &str) -> Result<u32, Problem> {
    value.parse().map_err(|_| Problem::Value {
        value: value.to_owned(),
        kind: "number",
    })
}
