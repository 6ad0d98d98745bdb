//! A call to a provider that has not returned yet, and may take longer than its caller waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop;
use tokio::time::Instant;

use super::{CallError, Provider};
use crate::blocking::{Panicked, Progress, Running, SPIN};

/// A call in progress. It continues when this is dropped, since it cannot be interrupted.
#[derive(Debug)]
pub struct PendingCall<A> {
    provider: Arc<Provider>,
    method: &'static str,
    started: Instant,
    answer: Running<Result<A, CallError>>,
}

impl<A> PendingCall<A> {
    pub(super) fn new(
        provider: &Arc<Provider>,
        method: &'static str,
        answer: Running<Result<A, CallError>>,
    ) -> Self {
        Self {
            provider: Arc::clone(provider),
            method,
            started: Instant::now(),
            answer,
        }
    }

    /// The provider that is called.
    pub fn provider(&self) -> &Arc<Provider> {
        &self.provider
    }

    /// When the call started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Waits for the response until `deadline`, at first without sleeping; nothing when there is none yet. Not to be called
    /// again after a response.
    pub async fn wait_until(&mut self, deadline: Instant) -> Option<Result<A, CallError>> {
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(answer) = self.answer.spin(SPIN.min(left)) {
            // Many calls in turn leave the thread of the runtime to its other tasks.
            coop::consume_budget().await;
            return Some(self.answered(answer));
        }
        let answer = poll_fn(|context| self.poll_answer(context));
        tokio::time::timeout_at(deadline, answer).await.ok()
    }

    /// The response, if there is one. Not to be called again after a response.
    pub fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<A, CallError>> {
        let answer = Pin::new(&mut self.answer).poll(context);
        answer.map(|answer| self.answered(answer))
    }

    fn answered(&self, answer: Result<Result<A, CallError>, Panicked>) -> Result<A, CallError> {
        let answer = answer.unwrap_or_else(|error| {
            let what = format!("failed in `{}`: {error}", self.method);
            Err(self.provider.unresponsive(&what))
        });
        self.count(if answer.is_ok() { "ok" } else { "error" });
        answer
    }

    /// The error of a caller that stops waiting after `waited`.
    pub fn timed_out(&self, waited: Duration) -> CallError {
        self.provider.timed_out(self.method, waited)
    }

    pub(super) fn count(&self, result: &str) {
        self.provider.count_call(self.method, result, self.started);
    }

    pub(super) fn progress(&self) -> Progress {
        self.answer.progress()
    }
}
