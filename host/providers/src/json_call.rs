//! A call into a loaded library: JSON out, JSON back, or an error.

use abi_stable::std_types::{RErr, ROk, RStr};
use sriovdp_provider_abi::{ProviderModuleRef, feature, wire};
use sriovdp_sdk::Error;

use super::calls::Call;
use super::{TRACE_TARGET, load};

/// A hundred thousand devices are about six megabytes.
const MAX_RESPONSE: usize = 64 << 20;

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The provider's error, or why there is no response.
    pub error: Error,
    /// The place in the selectors that it is about, such as `vendors[0]`.
    pub path: Option<String>,
    /// There is no response, so the error is not about the request.
    pub no_response: bool,
}

impl CallError {
    pub(super) fn no_response(error: Error) -> Self {
        Self {
            error,
            path: None,
            no_response: true,
        }
    }
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
            no_response: false,
        }
    }
}

/// Creates a library's provider, and passes it the host's functions.
pub(super) fn attach(module: ProviderModuleRef) -> Result<(), CallError> {
    let settings = wire::Settings {
        host: sriovdp_sdk::VERSION.to_owned(),
        log_level: Some(log_level().to_owned()),
        features: feature::OF_HOST.map(str::to_owned).to_vec(),
    };
    let settings = serde_json::to_string(&settings).map_err(|e| Error::from_std(&e))?;
    match module.attach()(load::host_functions(), RStr::from(settings.as_str())) {
        ROk(_) => Ok(()),
        RErr(failure) => Err(failed(failure.as_str())),
    }
}

/// The least severe level of a provider's messages that some layer of the log takes. The most verbose level of all layers
/// is no answer: the metrics take `debug` of their own target.
fn log_level() -> &'static str {
    use tracing::{Level, enabled};
    if enabled!(target: TRACE_TARGET, Level::DEBUG) {
        "trace"
    } else if enabled!(Level::DEBUG) {
        "debug"
    } else if enabled!(Level::INFO) {
        "info"
    } else if enabled!(Level::WARN) {
        "warn"
    } else {
        "error"
    }
}

/// Calls a method, on this thread.
pub(super) fn call<C: Call>(
    module: ProviderModuleRef,
    params: &C::Request,
) -> Result<C::Response, CallError> {
    let method = C::NAME;
    let params = serde_json::to_string(params).map_err(|e| Error::from_std(&e))?;
    let answer = match module.call()(RStr::from(method), RStr::from(params.as_str())) {
        ROk(answer) => answer,
        RErr(failure) => return Err(failed(failure.as_str())),
    };
    if answer.len() > MAX_RESPONSE {
        let message = format!(
            "the provider's answer to `{method}` has {} bytes, and at most {MAX_RESPONSE} are read",
            answer.len()
        );
        return Err(Error::new(message).into());
    }
    // A provider can return bytes that are not UTF-8 as a string.
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
            no_response: false,
        },
        Err(_) => Error::new("the provider failed without a readable reason").into(),
    }
}
