//! PendingDiscoveries under way: a look waits for each a short time, and a later one takes the answer when it has come.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use sriovdp_provider_abi::wire;
use sriovdp_provider_abi::wire::method;
use tokio::time::{Duration, Instant};

use sriovdp_providers::{CallError, PendingCall, Provider};

/// Those whose answers have not come yet, or were not taken yet.
#[derive(Debug, Default)]
pub(super) struct PendingDiscoveries(Vec<PendingDiscovery>);

#[derive(Debug)]
struct PendingDiscovery {
    question: PendingCall<wire::Discovered>,
    /// The scan that it is about.
    generation: u64,
    /// It is about some functions, so its answer means something in that scan only.
    partial: bool,
    answer: Option<Result<wire::Discovered, CallError>>,
    /// It has taken longer than a discovery may.
    is_overdue: bool,
}

impl PendingDiscoveries {
    /// What `provider` finds, and in which scan. A discovery that is under way is not asked for again; after the timeout
    /// a new one is late, and its answer is there for a later look.
    ///
    /// # Errors
    ///
    /// The provider's own error, or that it is late.
    pub(super) async fn take(
        &mut self,
        provider: &Arc<Provider>,
        patience: Duration,
        generation: u64,
        question: wire::DiscoverRequest,
    ) -> Result<(u64, wire::Discovered), CallError> {
        let known = self.0.iter().position(|late| late.is_of(provider));
        let before = match known.map(|known| self.0.swap_remove(known)) {
            Some(mut late) => {
                late.wait_until(Instant::now()).await;
                Some(late).filter(|late| !(late.partial && late.answer.is_some()))
            }
            None => None,
        };
        let mut late = match before {
            Some(late) => late,
            None => {
                let mut asked = PendingDiscovery {
                    generation,
                    partial: question.part.is_some(),
                    question: provider.ask(method::DISCOVER, question)?,
                    answer: None,
                    is_overdue: false,
                };
                asked.wait_until(Instant::now() + patience).await;
                asked
            }
        };
        if let Some(answer) = late.answer.take() {
            return Ok((late.generation, answer?));
        }
        late.is_overdue |= late.due() <= Instant::now();
        let waited = if late.is_overdue {
            // Now it is stuck, and nothing else is asked of it either.
            provider.mark_unresponsive(&late.question);
            provider.timeouts().discover
        } else {
            patience
        };
        let error = late.question.timed_out(waited);
        self.0.push(late);
        Err(error)
    }

    /// Forgets those of providers that are no longer asked.
    pub(super) fn keep_only(&mut self, providers: &[Arc<Provider>]) {
        self.0
            .retain(|late| providers.iter().any(|provider| late.is_of(provider)));
    }

    /// Waits until there is a reason for a look: an answer has come, or one has not come in time.
    pub(super) async fn news(&mut self) {
        let waiting = self.0.iter().filter(|late| late.answer.is_none());
        let due = waiting
            .filter(|late| !late.is_overdue)
            .map(PendingDiscovery::due)
            .min();
        let answered = poll_fn(|context| {
            for late in self.0.iter_mut().filter(|late| late.answer.is_none()) {
                if let Poll::Ready(answer) = late.question.poll_answer(context) {
                    late.answer = Some(answer);
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        });
        let Some(due) = due else {
            return answered.await;
        };
        if tokio::time::timeout_at(due, answered).await.is_err() {
            for late in self.0.iter_mut().filter(|late| late.due() <= due) {
                late.is_overdue = true;
            }
        }
    }
}

impl PendingDiscovery {
    async fn wait_until(&mut self, end: Instant) {
        if self.answer.is_none() {
            self.answer = self.question.wait_until(end).await;
        }
    }

    fn is_of(&self, provider: &Arc<Provider>) -> bool {
        Arc::ptr_eq(self.question.provider(), provider)
    }

    fn due(&self) -> Instant {
        self.question.asked() + self.question.provider().timeouts().discover
    }
}
