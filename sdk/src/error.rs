//! The one error type of the SDK: a sentence, its causes, and a hint for the person who has to mend it.

use std::fmt;

/// What went wrong in a provider, as a sentence with its causes below it.
///
/// A provider's error crosses the library boundary as text, so it is one opaque type. The host prints it as
/// `error:` / `Caused by:` / `hint:`. Write sentences in lower case, without a full stop, and name both sides of a
/// mismatch.
///
/// ```
/// use sriovdp_sdk::Error;
///
/// let missing = Error::new("cannot find the device node `/dev/fpga0`")
///     .hint("load the module `fpga` on this node");
/// let error = missing.context("cannot build what the container gets for `0000:17:00.0`");
/// assert_eq!(error.to_string(), "cannot build what the container gets for `0000:17:00.0`");
/// assert_eq!(error.causes().collect::<Vec<_>>(), ["cannot find the device node `/dev/fpga0`"]);
/// assert_eq!(error.hint_text(), Some("load the module `fpga` on this node"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Outermost first; never empty.
    chain: Vec<String>,
    hint: Option<String>,
}

impl Error {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            chain: vec![message.into()],
            hint: None,
        }
    }

    /// The same error as the cause of a wider one.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        self.chain.insert(0, message.into());
        self
    }

    /// Adds what the reader can do about it. The innermost hint is kept, because it knows most.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The causes, from the nearest to the root.
    pub fn causes(&self) -> impl Iterator<Item = &str> {
        self.chain[1..].iter().map(String::as_str)
    }

    /// The cure, if somebody knew one.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Adds a cause below all others.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.chain.push(cause.into());
        self
    }

    pub(crate) fn into_parts(self) -> (Vec<String>, Option<String>) {
        (self.chain, self.hint)
    }

    pub(crate) fn from_parts(mut chain: Vec<String>, hint: Option<String>) -> Self {
        if chain.is_empty() {
            chain.push("the provider reported an error without a message".to_owned());
        }
        Self { chain, hint }
    }

    /// Any standard error, with its sources as causes.
    pub fn from_std(error: &dyn std::error::Error) -> Self {
        let mut chain = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push(cause.to_string());
            source = cause.source();
        }
        Self { chain, hint: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain[0])
    }
}

impl std::error::Error for Error {}
