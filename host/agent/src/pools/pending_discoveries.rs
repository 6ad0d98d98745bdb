//! Discoveries in progress: a reconcile waits for each a short time, and a later one takes the answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use sriovdp_providers::{CallError, DiscoverRequest, Discovered, PendingCall, Provider};
use tokio::time::{Duration, Instant};

/// Those without an answer yet, or whose answer was not taken yet.
#[derive(Debug)]
pub struct PendingDiscoveries {
    /// How long a reconcile waits for one provider's discovery.
    wait: Duration,
    pending: Vec<PendingDiscovery>,
    /// When a change was triggered last. A discovery that began before it may lack the change.
    changed: Option<Instant>,
    has_taken_outdated: bool,
}

#[derive(Debug)]
struct PendingDiscovery {
    call: PendingCall<Discovered>,
    /// It is incremental, so its answer is of use in its scan only.
    is_partial: bool,
    answer: Option<Result<Discovered, CallError>>,
    /// It has reached the timeout of discoveries.
    is_overdue: bool,
}

impl PendingDiscoveries {
    /// None; a reconcile waits for each discovery for `wait` at most.
    pub fn new(wait: Duration) -> Self {
        Self {
            wait,
            pending: Vec::new(),
            changed: None,
            has_taken_outdated: false,
        }
    }

    /// What discoveries read may have changed by now.
    pub fn node_changed(&mut self) {
        self.changed = Some(Instant::now());
    }

    /// Whether an answer was taken since the last call of this function that may lack a change. It was the newest one
    /// there is; the next discovery has the change.
    pub fn has_taken_outdated(&mut self) -> bool {
        std::mem::take(&mut self.has_taken_outdated)
    }

    /// The answer of `provider`: to the discovery in progress, or else to `request`. A discovery that has no answer
    /// after the wait is pending, and its answer is taken later.
    ///
    /// # Errors
    ///
    /// The provider's own error, or that its answer is pending.
    pub(super) async fn take(
        &mut self,
        provider: &Arc<Provider>,
        request: &DiscoverRequest<'_>,
    ) -> Result<Discovered, CallError> {
        let timeout = provider.timeouts().discover;
        let wait = self.wait.min(timeout);
        let known = self.pending.iter().position(|known| known.is_of(provider));
        let before = match known.map(|known| self.pending.swap_remove(known)) {
            Some(mut pending) => {
                pending.wait_until(Instant::now()).await;
                let is_outdated = pending.is_partial && pending.answer.is_some();
                Some(pending).filter(|_| !is_outdated)
            }
            None => None,
        };
        let mut pending = match before {
            Some(pending) => pending,
            None => {
                let mut new = PendingDiscovery {
                    is_partial: request.part.is_some(),
                    call: provider.discover(request)?,
                    answer: None,
                    is_overdue: false,
                };
                new.wait_until(Instant::now() + wait).await;
                new
            }
        };
        if let Some(answer) = pending.answer.take() {
            let began = pending.call.started();
            self.has_taken_outdated |= self.changed.is_some_and(|changed| began < changed);
            return answer;
        }
        pending.is_overdue |= pending.due() <= Instant::now();
        let waited = if pending.is_overdue {
            provider.mark_unresponsive(&pending.call);
            timeout
        } else {
            wait
        };
        let error = pending.call.timed_out(waited);
        self.pending.push(pending);
        Err(error)
    }

    /// Whether the owner of `device_type` may still answer within its timeout.
    pub fn waits_for_owner(&self, device_type: &str) -> bool {
        let is_owner = |pending: &PendingDiscovery| {
            pending.call.provider().manifest().device_type.as_deref() == Some(device_type)
        };
        self.pending.iter().any(|p| !p.is_overdue && is_owner(p))
    }

    /// Drops those of providers that are not loaded any more.
    pub(super) fn keep_only(&mut self, providers: &[Arc<Provider>]) {
        let is_loaded = |pending: &PendingDiscovery| providers.iter().any(|p| pending.is_of(p));
        self.pending.retain(is_loaded);
    }

    /// Waits until a pending discovery has an answer, or has reached its timeout.
    pub async fn changed(&mut self) {
        let waiting = self.pending.iter().filter(|p| p.answer.is_none());
        let due = waiting
            .filter(|pending| !pending.is_overdue)
            .map(PendingDiscovery::due)
            .min();
        let answered = poll_fn(|context| {
            for pending in self.pending.iter_mut().filter(|p| p.answer.is_none()) {
                if let Poll::Ready(answer) = pending.call.poll_answer(context) {
                    pending.answer = Some(answer);
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        });
        let Some(due) = due else {
            return answered.await;
        };
        if tokio::time::timeout_at(due, answered).await.is_err() {
            for pending in self.pending.iter_mut().filter(|p| p.due() <= due) {
                pending.is_overdue = true;
            }
        }
    }
}

impl PendingDiscovery {
    async fn wait_until(&mut self, end: Instant) {
        if self.answer.is_none() {
            self.answer = self.call.wait_until(end).await;
        }
    }

    fn is_of(&self, provider: &Arc<Provider>) -> bool {
        Arc::ptr_eq(self.call.provider(), provider)
    }

    fn due(&self) -> Instant {
        self.call.started() + self.call.provider().timeouts().discover
    }
}
