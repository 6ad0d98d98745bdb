//! The one error type of the SDK: a sentence, its causes, and a hint how to correct it.

use std::fmt;

use sriovdp_provider_abi::wire::Failure;
use sriovdp_provider_abi::{HINT, ParseError};

use crate::{Finding, FindingKind};

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
///     .with_hint("load the module `fpga` on this node");
/// let error = missing.context("cannot build what the container gets for `0000:17:00.0`");
/// assert_eq!(error.to_string(), "cannot build what the container gets for `0000:17:00.0`");
/// assert_eq!(error.causes().collect::<Vec<_>>(), ["cannot find the device node `/dev/fpga0`"]);
/// assert_eq!(error.hint(), Some("load the module `fpga` on this node"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    message: String,
    hint: Option<String>,
    path: Option<String>,
    source: Option<Box<Self>>,
}

impl Error {
    /// An error with the sentence `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            path: None,
            source: None,
        }
    }

    /// The same error as the cause of a wider one.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self {
            source: Some(Box::new(self)),
            ..Self::new(message)
        }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Names the selector that it is about, such as `pfNames` or `pfNames[0]`, so that the user learns its place in the
    /// file. It counts in [`check`](crate::Provider::check) and [`unmatchable`](crate::Provider::unmatchable).
    #[must_use]
    pub fn at(self, path: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            ..self
        }
    }

    /// Adds a cause below all others.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.source = Some(Box::new(match self.source.take() {
            Some(source) => source.caused_by(cause),
            None => Self::new(cause),
        }));
        self
    }

    /// Any standard error, with its sources as causes. Those of the standard library's I/O and of serde_json convert with
    /// `?`.
    pub fn from_std(error: &dyn std::error::Error) -> Self {
        Self {
            source: error
                .source()
                .map(|source| Box::new(Self::from_std(source))),
            ..Self::new(error.to_string())
        }
    }

    /// A finding for what would make an allocation fail: the error and its causes are the reason.
    pub fn to_finding(&self, kind: FindingKind) -> Finding {
        let causes: String = self.causes().map(|cause| format!(": {cause}")).collect();
        Finding::new(kind, format!("{self}{causes}"))
    }

    /// The causes, from the nearest to the root.
    pub fn causes(&self) -> impl Iterator<Item = &str> {
        self.chain().skip(1).map(|error| error.message.as_str())
    }

    /// The hint, if there is one; of several the innermost one, which is the most specific.
    pub fn hint(&self) -> Option<&str> {
        self.chain()
            .filter_map(|error| error.hint.as_deref())
            .last()
    }

    /// The sentence with its hint, for places that carry one text only; [`of_text`](Self::of_text) parts them.
    pub(crate) fn message_with_hint(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{self}{HINT}{hint}"),
            None => self.to_string(),
        }
    }

    pub(crate) fn of_text(text: &str) -> Self {
        match text.split_once(HINT) {
            Some((message, hint)) => Self::new(message).with_hint(hint),
            None => Self::new(text),
        }
    }

    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |error| error.source.as_deref())
    }
}

/// Adds a wider sentence to what went wrong, and to what is absent.
///
/// ```
/// use sriovdp_sdk::{Context, Error};
///
/// fn slot(label: Option<&str>) -> Result<u8, Error> {
///     let label = label.context("the function has no label")?;
///     label.parse().map_err(|error| Error::from_std(&error)).context("the label is no number")
/// }
/// assert_eq!(slot(None).unwrap_err().to_string(), "the function has no label");
/// assert_eq!(slot(Some("x")).unwrap_err().to_string(), "the label is no number");
///
/// fn firmware() -> Result<String, Error> {
///     std::fs::read_to_string("/no/such/file").with_context(|| format!("cannot read {}", "the firmware"))
/// }
/// assert_eq!(firmware().unwrap_err().causes().count(), 1);
/// ```
pub trait Context<T>: sealed::Sealed {
    /// The error, or the absence, with `message` above it.
    ///
    /// # Errors
    ///
    /// When there is no value.
    fn context(self, message: &'static str) -> Result<T, Error>;

    /// The same with a message that is built only when it is needed.
    ///
    /// # Errors
    ///
    /// When there is no value.
    fn with_context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, message: &'static str) -> Result<T, Error> {
        self.with_context(|| message)
    }

    fn with_context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T, Error> {
        self.map_err(|error| error.into().context(message()))
    }
}

impl<T> Context<T> for Option<T> {
    fn context(self, message: &'static str) -> Result<T, Error> {
        self.with_context(|| message)
    }

    fn with_context<M: Into<String>>(self, message: impl FnOnce() -> M) -> Result<T, Error> {
        self.ok_or_else(|| Error::new(message()))
    }
}

mod sealed {
    /// [`Context`](super::Context) has these implementations only, so that it can get methods.
    pub trait Sealed {}
    impl<T, E> Sealed for Result<T, E> {}
    impl<T> Sealed for Option<T> {}
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::from_std(&error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::from_std(&error)
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        Self::new(error.to_string()).with_hint(error.hint())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            chain: error.chain().map(|error| error.message.clone()).collect(),
            hint: error.hint().map(str::to_owned),
            path: error.chain().find_map(|error| error.path.clone()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let mut messages = failure.chain.into_iter().rev();
        let innermost = messages
            .next()
            .unwrap_or_else(|| "the provider reported an error without a message".to_owned());
        let error = Self {
            hint: failure.hint,
            path: failure.path,
            ..Self::new(innermost)
        };
        messages.fold(error, Self::context)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_crosses_the_boundary_and_comes_back() {
        let error = Error::new("root")
            .with_hint("cure")
            .context("middle")
            .context("outer");
        assert_eq!(
            Error::from(Failure::from(error.clone())).to_string(),
            "outer"
        );
        let back = Error::from(Failure::from(error));
        assert_eq!(back.causes().collect::<Vec<_>>(), ["middle", "root"]);
        assert_eq!(back.hint(), Some("cure"));
    }

    #[test]
    fn a_cause_goes_below_all_others() {
        let error = Error::new("outer").caused_by("middle").caused_by("root");
        assert_eq!(error.causes().collect::<Vec<_>>(), ["middle", "root"]);
    }
}
