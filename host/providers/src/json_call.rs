//! How a loaded library is asked: JSON out, JSON back, or why not.

use abi_stable::std_types::{RErr, ROk, RStr};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sriovdp_provider_abi::{ProviderModuleRef, feature, wire};
use sriovdp_sdk::Error;

use super::load;

/// A hundred thousand devices are about six megabytes.
const LARGEST_ANSWER: usize = 64 << 20;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// What the provider said, or what happened to it.
    pub error: Error,
    /// The place in the selectors that is meant, such as `vendors[0]`.
    pub path: Option<String>,
    /// It did not speak at all, so nothing is known about what was asked.
    pub is_silent: bool,
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        error.error
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> Self {
        Self {
            error,
            path: None,
            is_silent: false,
        }
    }
}

/// Makes a library's provider, and lends it the host's functions.
pub(super) fn attach(module: ProviderModuleRef) -> Result<(), CallError> {
    let level = tracing::level_filters::LevelFilter::current();
    let settings = wire::Settings {
        host: sriovdp_sdk::VERSION.to_owned(),
        log_level: Some(level.to_string().to_lowercase()),
        features: feature::OF_HOST.map(str::to_owned).to_vec(),
    };
    let settings = serde_json::to_string(&settings).map_err(|e| Error::from_std(&e))?;
    match module.attach()(load::host_functions(), RStr::from(settings.as_str())) {
        ROk(_) => Ok(()),
        RErr(failure) => Err(failed(failure.as_str())),
    }
}

/// Asks one question, on this thread.
pub(super) fn ask<Q: Serialize, A: DeserializeOwned>(
    module: ProviderModuleRef,
    method: &str,
    question: &Q,
) -> Result<A, CallError> {
    let question = serde_json::to_string(question).map_err(|e| Error::from_std(&e))?;
    let answer = match module.call()(RStr::from(method), RStr::from(question.as_str())) {
        ROk(answer) => answer,
        RErr(failure) => return Err(failed(failure.as_str())),
    };
    if answer.len() > LARGEST_ANSWER {
        let message = format!(
            "the provider's answer to `{method}` has {} bytes, and at most {LARGEST_ANSWER} are read",
            answer.len()
        );
        return Err(Error::new(message).into());
    }
    // Nothing in the process keeps a provider from making a text of what is none.
    let text =
        std::str::from_utf8(answer.as_bytes()).map_err(|error| unreadable(method, &error))?;
    serde_json::from_str(text).map_err(|error| unreadable(method, &error).into())
}

fn unreadable(method: &str, error: &(impl std::error::Error + 'static)) -> Error {
    Error::from_std(error).context(format!(
        "the provider's answer to `{method}` cannot be read"
    ))
}

fn failed(failure: &str) -> CallError {
    match serde_json::from_slice::<wire::Failure>(failure.as_bytes()) {
        Ok(failure) => CallError {
            path: failure.path.clone(),
            error: failure.into(),
            is_silent: false,
        },
        Err(_) => Error::new("the provider failed without a readable reason").into(),
    }
}
