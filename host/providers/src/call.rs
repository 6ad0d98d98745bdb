//! One loaded provider, and how long it may take to answer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sriovdp_provider_abi::wire::method;
use sriovdp_provider_abi::{ProviderModuleRef, wire};
use sriovdp_sdk::Error;
use tokio::time::Instant;

use super::digests::Digest;
use super::error::WHILE_LOADED;
use super::json_call::{CallError, ask, attach};
use super::vetting::Candidate;
use super::{PendingCall, ProviderError, Timeouts, load};
use crate::blocking;
use crate::blocking::{Progress, StartError};

/// A loaded library.
pub struct Provider {
    file: PathBuf,
    digest: Digest,
    manifest: wire::Manifest,
    /// The selector keys that it declares.
    keys: Vec<String>,
    module: ProviderModuleRef,
    timeouts: Timeouts,
    /// The call that did not come back in time. Until it does, nothing more is asked.
    stuck: Mutex<Option<Progress>>,
}

impl Provider {
    /// Loads a file that passed its probe. What it said there of itself counts.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(super) async fn load(
        candidate: Candidate,
        timeouts: Timeouts,
    ) -> Result<Self, ProviderError> {
        let Candidate {
            file,
            verified,
            declared,
            ..
        } = candidate;
        let copy = verified.copy.into_file();
        let loading = blocking::start(move || {
            let module = load::open(copy)?;
            attach(module).map_err(|error| ProviderError::Call {
                method: "attach".to_owned(),
                source: error.error,
            })?;
            Ok::<_, ProviderError>(module)
        })?;
        let module = match tokio::time::timeout(timeouts.load, loading).await {
            Ok(Ok(loaded)) => loaded?,
            Ok(Err(error)) => return Err(ProviderError::Read(std::io::Error::other(error))),
            Err(_) => {
                return Err(ProviderError::Hangs {
                    at: WHILE_LOADED.to_owned(),
                    limit: timeouts.load,
                });
            }
        };
        Ok(Self {
            file,
            digest: verified.digest,
            manifest: declared.manifest,
            keys: declared.keys,
            module,
            timeouts,
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

    /// The digest of what was loaded.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What it says of itself.
    pub fn manifest(&self) -> &wire::Manifest {
        &self.manifest
    }

    /// The selector keys that it declares, in its own spelling.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// How long it may take.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Asks a question on a thread of its own, for as long as such a question may take.
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
        let timeout = match method {
            method::DISCOVER => self.timeouts.discover,
            _ => self.timeouts.answer,
        };
        self.call_by(Instant::now() + timeout, method, question)
            .await
    }

    /// Asks a question on a thread of its own, until `deadline`.
    ///
    /// # Errors
    ///
    /// As those of [`call`](Self::call).
    pub async fn call_by<Q, A>(
        self: &Arc<Self>,
        deadline: Instant,
        method: &'static str,
        question: Q,
    ) -> Result<A, CallError>
    where
        Q: Serialize + Send + 'static,
        A: DeserializeOwned + Send + 'static,
    {
        let begin = Instant::now();
        let mut question = self.ask(method, question)?;
        if let Some(answer) = question.wait_until(deadline).await {
            return answer;
        }
        self.mark_unresponsive(&question);
        Err(question.timed_out(deadline.saturating_duration_since(begin)))
    }

    /// Asks a question on a thread of its own and does not wait for the answer.
    ///
    /// # Errors
    ///
    /// When an earlier call has not come back yet, or no thread can be started for this one.
    pub fn ask<Q, A>(
        self: &Arc<Self>,
        method: &'static str,
        question: Q,
    ) -> Result<PendingCall<A>, CallError>
    where
        Q: Serialize + Send + 'static,
        A: DeserializeOwned + Send + 'static,
    {
        if self.is_stuck() {
            return Err(self.unresponsive("is still busy with an earlier call"));
        }
        let module = self.module;
        let answer = blocking::start(move || ask(module, method, &question));
        let answer = answer.map_err(|error| self.not_called(error))?;
        Ok(PendingCall::new(self, method, answer))
    }

    /// Asks nothing more until this question is answered.
    pub fn mark_unresponsive<A>(&self, question: &PendingCall<A>) {
        *self.stuck() = Some(question.progress());
    }

    /// Whether a call that took too long has still not come back.
    fn is_stuck(&self) -> bool {
        let mut stuck = self.stuck();
        *stuck = stuck.take().filter(|call| !call.is_finished());
        stuck.is_some()
    }

    fn stuck(&self) -> MutexGuard<'_, Option<Progress>> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn not_called(&self, error: StartError) -> CallError {
        let message = format!("the provider `{}` cannot be called now", self.file_name());
        CallError {
            error: Error::from(error).context(message),
            path: None,
            is_silent: true,
        }
    }

    pub(super) fn unresponsive(&self, what: &str) -> CallError {
        let message = format!("the provider `{}` {what}", self.file_name());
        let hint = "its pools keep what they have; if it never comes back, restart the plugin";
        CallError {
            error: Error::new(message).with_hint(hint),
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
