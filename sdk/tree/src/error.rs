//! What can be wrong with a line.

/// A line that means nothing, with its number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
#[non_exhaustive]
pub struct TreeError {
    /// Counted from 1; a line that ranges made has the number of the line that they stood in.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// Why a line means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The first word is none of the language.
    #[error("unknown word `{word}`; the words are {}", known.join(", "))]
    UnknownWord {
        /// What stands there.
        word: String,
        /// What may stand there.
        known: Vec<&'static str>,
    },
    /// A `key=value` that the word does not have.
    #[error("`{word}` has no key `{key}`; its keys are {}", known.join(", "))]
    UnknownKey {
        /// The word of the line.
        word: &'static str,
        /// What stands there.
        key: String,
        /// What may stand there.
        known: Vec<&'static str>,
    },
    /// A key that appears more than once.
    #[error("`{key}=` appears twice")]
    RepeatedKey {
        /// The key.
        key: String,
    },
    /// Too few or too many words, or a key that must be there.
    #[error("this is not `{usage}`")]
    Usage {
        /// How the line goes.
        usage: &'static str,
    },
    /// A value that is not of its kind.
    #[error("`{value}` is no {kind}")]
    Value {
        /// What stands there.
        value: String,
        /// What should stand there.
        kind: &'static str,
    },
    /// A name that is on no bus.
    #[error("no line above describes the device `{name}`")]
    NoDevice {
        /// The name.
        name: String,
    },
    /// A name that two lines describe.
    #[error("`{name}` is already there")]
    Twice {
        /// The name.
        name: String,
    },
    /// An entry that is in no directory.
    #[error("`{entry}` is in no directory: a line such as `/sys/kernel/` must come first")]
    NoDirectory {
        /// The entry.
        entry: String,
    },
    /// A path that is neither a file nor a link nor a directory.
    #[error("`{path}` needs `= TEXT`, `-> TARGET` or a final `/`")]
    BarePath {
        /// The path.
        path: String,
    },
    /// Nothing to remove.
    #[error("there is no `{path}`")]
    Nothing {
        /// The path.
        path: String,
    },
    /// Ranges that cannot advance together, or that count down.
    #[error("the ranges of a line count up and have one length")]
    Ranges,
    /// A range that is too long.
    #[error("a range makes at most {most} lines")]
    LongRange {
        /// How many lines it may make.
        most: u32,
    },
    /// A line of a captured node that is no entry.
    #[error("`{word}` is no entry of a captured node")]
    NoEntry {
        /// What stands there.
        word: String,
    },
    /// A backslash before something else than an escape.
    #[error("`{escape}` is no escape; there are `\\n`, `\\\\` and `\\xNN`")]
    Escape {
        /// What stands there.
        escape: String,
    },
}
