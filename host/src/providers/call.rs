//! One loaded provider, and how it is asked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use abi_stable::std_types::{RErr, ROk, RStr};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sriovdp_sdk::Error;
use sriovdp_sdk::abi::wire::method;
use sriovdp_sdk::abi::{ProviderModuleRef, wire};
use tokio::task::AbortHandle;

use super::{ProviderError, open, verify};

/// How long a call may take. The kubelet waits for Allocate with its whole pod loop.
const BUDGET: Duration = Duration::from_secs(10);

/// A loaded library.
pub struct Provider {
    file: PathBuf,
    manifest: wire::Manifest,
    /// The selector keys that it declares.
    keys: Vec<String>,
    module: ProviderModuleRef,
    /// The call that did not come back in time. Until it does, nothing more is asked.
    stuck: Mutex<Option<AbortHandle>>,
}

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

impl Provider {
    /// Verifies and loads a file, and asks for its manifest, all within [`BUDGET`].
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub async fn load(file: &Path) -> Result<Self, ProviderError> {
        let path = file.to_owned();
        let loading = tokio::task::spawn_blocking(move || Self::load_here(&path));
        match tokio::time::timeout(BUDGET, loading).await {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(error)) => Err(ProviderError::Read(std::io::Error::other(error))),
            Err(_) => Err(ProviderError::Hangs(BUDGET)),
        }
    }

    fn load_here(file: &Path) -> Result<Self, ProviderError> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let module = open::open(&name, &verify::verify(file)?)?;
        let settings = serde_json::json!({
            "host": sriovdp_sdk::VERSION,
            "log_level": tracing::level_filters::LevelFilter::current().to_string().to_lowercase(),
        });
        match module.attach()(
            open::host_functions(),
            RStr::from(settings.to_string().as_str()),
        ) {
            ROk(_) => {}
            RErr(failure) => {
                let source = failed(failure.as_str()).error;
                return Err(ProviderError::Call {
                    method: "attach",
                    source,
                });
            }
        }
        let empty = serde_json::Map::new();
        let manifest: wire::Manifest =
            ask(module, method::MANIFEST, &empty).map_err(|error| ProviderError::Call {
                method: method::MANIFEST,
                source: error.error,
            })?;
        Ok(Self {
            keys: declared_keys(&manifest)?,
            file: file.to_owned(),
            manifest,
            module,
            stuck: Mutex::new(None),
        })
    }

    /// The file's name, as users know it.
    pub fn file_name(&self) -> String {
        self.file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Where it was loaded from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &wire::Manifest {
        &self.manifest
    }

    /// The selector keys that it declares, in its own spelling.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// Asks a question on a thread of its own, for at most [`BUDGET`].
    ///
    /// # Errors
    ///
    /// The provider's own error, a panic in it, an answer that makes no sense, or no answer in time.
    pub async fn call<Q, A>(
        self: &Arc<Self>,
        method: &'static str,
        question: Q,
    ) -> Result<A, CallError>
    where
        Q: Serialize + Send + 'static,
        A: DeserializeOwned + Send + 'static,
    {
        if self.is_stuck() {
            return Err(self.silent("is still busy with an earlier call"));
        }
        let module = self.module;
        let mut answer = tokio::task::spawn_blocking(move || ask(module, method, &question));
        match tokio::time::timeout(BUDGET, &mut answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Err(self.silent(&format!("cannot be asked `{method}`: {error}"))),
            Err(_) => {
                *self.stuck() = Some(answer.abort_handle());
                Err(self.silent(&format!("has not answered `{method}` within {BUDGET:?}")))
            }
        }
    }

    /// Whether a call that took too long has still not come back.
    fn is_stuck(&self) -> bool {
        let mut stuck = self.stuck();
        *stuck = stuck.take().filter(|call| !call.is_finished());
        stuck.is_some()
    }

    fn stuck(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn silent(&self, what: &str) -> CallError {
        let message = format!("the provider `{}` {what}", self.file_name());
        let hint = "its pools keep what they have; if it never comes back, restart the plugin";
        CallError {
            error: Error::new(message).hint(hint),
            path: None,
            is_silent: true,
        }
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Provider {
    /// Two loads of one file are two providers.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
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

fn ask<Q: Serialize, A: DeserializeOwned>(
    module: ProviderModuleRef,
    method: &str,
    question: &Q,
) -> Result<A, CallError> {
    let question = serde_json::to_string(question).map_err(|e| Error::from_std(&e))?;
    match module.call()(RStr::from(method), RStr::from(question.as_str())) {
        ROk(answer) => serde_json::from_str(answer.as_str()).map_err(|error| {
            Error::from_std(&error)
                .context(format!(
                    "the provider's answer to `{method}` cannot be read"
                ))
                .into()
        }),
        RErr(failure) => Err(failed(failure.as_str())),
    }
}

fn failed(failure: &str) -> CallError {
    match serde_json::from_str::<wire::Failure>(failure) {
        Ok(failure) => CallError {
            path: failure.path.clone(),
            error: failure.into(),
            is_silent: false,
        },
        Err(_) => Error::new("the provider failed without a readable reason").into(),
    }
}

fn declared_keys(manifest: &wire::Manifest) -> Result<Vec<String>, ProviderError> {
    if manifest.device_type.is_none() && manifest.extends.is_empty() {
        return Err(ProviderError::Manifest(
            "names neither a device type nor what it extends".to_owned(),
        ));
    }
    match manifest.schema.get("properties") {
        None => Ok(Vec::new()),
        Some(serde_json::Value::Object(properties)) => Ok(properties.keys().cloned().collect()),
        Some(_) => Err(ProviderError::Manifest(
            "has a schema whose `properties` are no object".to_owned(),
        )),
    }
}
