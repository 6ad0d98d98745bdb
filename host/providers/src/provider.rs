//! One provider, available or loaded: what it is, and calls to it with their timeouts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use sriovdp_provider_abi::{ProviderModuleRef, wire};
use sriovdp_report::{excerpt, inline};
use sriovdp_sdk::Error;
use tokio::time::Instant;

use super::calls::Call;
use super::digests::Digest;
use super::json_call::{CallError, attach, call};
use super::manifest::ValidManifest;
use super::sealed::SealedCopy;
use super::{METRICS_TARGET, PendingCall, ProviderError, Step, Timeouts, load, microseconds};
use crate::blocking;
use crate::blocking::{Progress, StartError};

/// How many invalid attributes of a provider are logged.
const MOST_DROPPED: usize = 64;

/// A library whose file passed its probe. It is loaded when it is needed.
pub struct Provider {
    file: PathBuf,
    digest: Digest,
    manifest: wire::Manifest,
    /// The selector keys that it declares.
    keys: Vec<String>,
    /// Absent until it is loaded.
    module: OnceLock<ProviderModuleRef>,
    timeouts: Timeouts,
    /// The call that timed out. Until it returns, the provider is not called.
    overdue: Mutex<Option<Progress>>,
    /// The ids of invalid attributes that are logged.
    dropped_attributes: Mutex<BTreeSet<String>>,
}

impl Provider {
    /// A file that passed its probe, with the manifest from there.
    pub(super) fn new(
        file: PathBuf,
        digest: Digest,
        manifest: ValidManifest,
        timeouts: Timeouts,
    ) -> Self {
        Self {
            file,
            digest,
            manifest: manifest.wire,
            keys: manifest.keys,
            module: OnceLock::new(),
            timeouts,
            overdue: Mutex::new(None),
            dropped_attributes: Mutex::default(),
        }
    }

    /// Loads the copy of its file.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    pub(super) async fn load(&self, copy: SealedCopy) -> Result<(), ProviderError> {
        let copy = copy.into_file();
        let loading = blocking::start(move || {
            let module = load::open(copy)?;
            attach(module).map_err(|error| ProviderError::Call {
                at: Step::Interface,
                source: error.error,
            })?;
            Ok::<_, ProviderError>(module)
        })?;
        let limit = self.timeouts.load;
        let module = match tokio::time::timeout(limit, loading).await {
            Ok(Ok(loaded)) => loaded?,
            Ok(Err(error)) => return Err(ProviderError::Read(std::io::Error::other(error))),
            Err(_) => {
                return Err(ProviderError::Hangs {
                    at: Step::Load,
                    limit,
                });
            }
        };
        // It is loaded once.
        let _ = self.module.set(module);
        Ok(())
    }

    /// A provider that is not loaded cannot be called.
    pub fn is_loaded(&self) -> bool {
        self.module.get().is_some()
    }

    /// The file's name.
    pub fn file_name(&self) -> String {
        self.file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    }

    /// Its path.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The file's digest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its manifest.
    pub fn manifest(&self) -> &wire::Manifest {
        &self.manifest
    }

    /// The selector keys that it declares, in its own spelling.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// The timeouts of its calls.
    pub fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Calls a method and waits for the response until the method's timeout.
    pub(super) async fn call<C: Call>(
        self: &Arc<Self>,
        params: C::Request,
    ) -> Result<C::Response, CallError> {
        let timeout = C::timeout(&self.timeouts);
        let mut call = self.start::<C, _>(params, Ok)?;
        if let Some(answer) = call.wait_until(Instant::now() + timeout).await {
            return answer;
        }
        self.mark_unresponsive(&call);
        Err(call.timed_out(timeout))
    }

    /// Calls a method on a thread of its own, where `convert` turns the response into what the caller needs.
    pub(super) fn start<C: Call, A: Send + 'static>(
        self: &Arc<Self>,
        params: C::Request,
        convert: impl FnOnce(C::Response) -> Result<A, CallError> + Send + 'static,
    ) -> Result<PendingCall<A>, CallError> {
        self.require_responsive()?;
        let module = self.module()?;
        let answer = blocking::start(move || call::<C>(module, &params).and_then(convert));
        let answer = answer.map_err(|error| self.not_called(error))?;
        Ok(PendingCall::new(self, C::NAME, answer))
    }

    /// Calls a method on this thread.
    pub(super) fn call_here<C: Call>(&self, params: &C::Request) -> Result<C::Response, CallError> {
        call::<C>(self.module()?, params)
    }

    fn module(&self) -> Result<ProviderModuleRef, CallError> {
        let module = self.module.get().copied();
        module.ok_or_else(|| {
            let message = format!("the provider `{}` is not loaded", self.file_name());
            CallError::no_response(Error::new(message))
        })
    }

    /// Fails all further calls until this one has returned.
    pub fn mark_unresponsive<A>(&self, call: &PendingCall<A>) {
        if self.mark_overdue(call.progress()) {
            call.count("timeout");
        }
    }

    /// Fails all further calls until the thread of this one has ended. Returns whether there was no such call before.
    pub(super) fn mark_overdue(&self, call: Progress) -> bool {
        self.overdue().replace(call).is_none()
    }

    /// Fails while a call that timed out has not returned.
    pub(super) fn require_responsive(&self) -> Result<(), CallError> {
        let mut overdue = self.overdue();
        *overdue = overdue.take().filter(|call| !call.is_finished());
        if overdue.is_some() {
            return Err(self.unresponsive("is still busy with an earlier call"));
        }
        Ok(())
    }

    pub(super) fn count_call(&self, method: &str, result: &str, started: Instant) {
        tracing::debug!(
            target: METRICS_TARGET,
            event = "provider_called",
            provider = self.file_name(),
            method,
            result,
            duration_us = microseconds(started.elapsed()),
            "called a provider"
        );
    }

    fn overdue(&self) -> MutexGuard<'_, Option<Progress>> {
        self.overdue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs an attribute that is left out, once for all devices and discoveries.
    pub(super) fn attribute_dropped(&self, device: &str, id: &str, error: &Error) {
        let logged = self.dropped_attributes.lock();
        let mut logged = logged.unwrap_or_else(PoisonError::into_inner);
        let id = excerpt(id);
        if logged.len() >= MOST_DROPPED || !logged.insert(id.clone()) {
            return;
        }
        tracing::warn!(
            event = "attribute_dropped",
            provider = self.file_name(),
            device = excerpt(device),
            attribute = id,
            error = inline(error),
            "an attribute of a device is invalid; the device is used without it"
        );
    }

    fn not_called(&self, error: StartError) -> CallError {
        let message = format!("the provider `{}` cannot be called now", self.file_name());
        CallError::no_response(Error::from(error).context(message))
    }

    pub(super) fn timed_out(&self, method: &str, waited: Duration) -> CallError {
        let waited = waited.as_secs_f64();
        self.unresponsive(&format!("has not answered `{method}` within {waited:.1} s"))
    }

    pub(super) fn unresponsive(&self, what: &str) -> CallError {
        let message = format!("the provider `{}` {what}", self.file_name());
        let hint = "its pools keep what they have; if it never comes back, restart the plugin";
        CallError::no_response(Error::new(message).with_hint(hint))
    }
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Provider {
    /// An available provider of the device type `test`.
    pub(super) fn available(file: &Path) -> Arc<Self> {
        let manifest = serde_json::json!({
            "package": "p", "version": "1", "sdk": "1.0.0", "summary": "s",
            "device_type": "test", "schema": {},
        });
        let manifest = serde_json::from_value(manifest).unwrap();
        let manifest = ValidManifest::new(manifest).unwrap();
        let digest = <sha2::Sha256 as sha2::Digest>::new().into();
        Arc::new(Self::new(
            file.to_owned(),
            digest,
            manifest,
            Timeouts::default(),
        ))
    }
}

impl PartialEq for Provider {
    /// Two loads of one file are two providers.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It is retried, so a restart of the plugin is no remedy.
    #[tokio::test]
    async fn call_of_a_provider_that_is_not_loaded_has_no_hint() {
        let provider = Provider::available(Path::new("test.so"));
        let error = provider.check("test", serde_json::Value::Null).await;
        let error = error.unwrap_err();
        assert!(error.no_response);
        assert_eq!(
            error.error.to_string(),
            "the provider `test.so` is not loaded"
        );
        assert_eq!(error.error.hint(), None);
    }
}
