//! A question to a provider that is under way, whose answer may be longer in coming than anybody waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::{CallError, Provider};
use crate::blocking::{Progress, Running};

/// A question that was asked. It goes on when it is dropped, since nobody can take it back.
#[derive(Debug)]
pub struct PendingCall<A> {
    provider: Arc<Provider>,
    method: &'static str,
    asked: Instant,
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
            asked: Instant::now(),
            answer,
        }
    }

    /// Who was asked.
    pub fn provider(&self) -> &Arc<Provider> {
        &self.provider
    }

    /// When it was asked.
    pub fn asked(&self) -> Instant {
        self.asked
    }

    /// Waits for the answer until `deadline`; nothing when it has not come. Not to be asked again after an answer.
    pub async fn wait_until(&mut self, deadline: Instant) -> Option<Result<A, CallError>> {
        let answer = poll_fn(|context| self.poll_answer(context));
        tokio::time::timeout_at(deadline, answer).await.ok()
    }

    /// The answer, if it has come. Not to be asked again after an answer.
    pub fn poll_answer(&mut self, context: &mut Context<'_>) -> Poll<Result<A, CallError>> {
        Pin::new(&mut self.answer).poll(context).map(|answer| {
            answer.unwrap_or_else(|error| {
                let what = format!("cannot be asked `{}`: {error}", self.method);
                Err(self.provider.unresponsive(&what))
            })
        })
    }

    /// The error of those who do not wait any longer.
    pub fn timed_out(&self, waited: Duration) -> CallError {
        let waited = waited.as_secs_f64();
        let what = format!("has not answered `{}` within {waited:.1} s", self.method);
        self.provider.unresponsive(&what)
    }

    pub(super) fn progress(&self) -> Progress {
        self.answer.progress()
    }
}
