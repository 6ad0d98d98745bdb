//! A provider on a thread of its own, so that a call that does not return is a violation and not a test that hangs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use sriovdp_provider_abi::wire;
use sriovdp_sdk::Provider;
use sriovdp_sdk::runtime::Session;

/// Time is counted in pieces. Of one that takes much longer only the first part counts: the machine stood still meanwhile,
/// which is not the provider's fault.
const PIECE: Duration = Duration::from_millis(50);
const MOST: Duration = Duration::from_millis(100);

/// How a call ended.
pub(super) enum Called {
    Answered(String),
    Failed(wire::Failure),
    Panicked(String),
    /// It has not ended within the limit.
    Late,
}

struct Request {
    method: &'static str,
    input: String,
}

pub(super) struct Worker {
    requests: mpsc::Sender<Request>,
    outcomes: mpsc::Receiver<Called>,
    thread: ThreadId,
}

impl Worker {
    pub(super) fn new<P: Provider>(session: Session<P>) -> Self {
        let (requests, received) = mpsc::channel::<Request>();
        let (sender, outcomes) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            for request in received {
                if sender.send(call(&session, &request)).is_err() {
                    break;
                }
            }
        });
        Self {
            requests,
            outcomes,
            thread: thread.thread().id(),
        }
    }

    /// The thread that calls run on.
    pub(super) fn thread(&self) -> ThreadId {
        self.thread
    }

    /// After [`Called::Late`] the worker is of no use any more.
    pub(super) fn call(&self, method: &'static str, input: String, limit: Duration) -> Called {
        let ended = || Called::Panicked("the thread of the provider has ended".to_owned());
        if self.requests.send(Request { method, input }).is_err() {
            return ended();
        }
        let mut left = limit;
        while !left.is_zero() {
            let before = Instant::now();
            match self.outcomes.recv_timeout(PIECE) {
                Ok(called) => return called,
                Err(mpsc::RecvTimeoutError::Disconnected) => return ended(),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    left = left.saturating_sub(before.elapsed().min(MOST));
                }
            }
        }
        Called::Late
    }
}

fn call<P: Provider>(session: &Session<P>, request: &Request) -> Called {
    let called = catch_unwind(AssertUnwindSafe(|| {
        session.call(request.method, &request.input)
    }));
    match called {
        Ok(Ok(output)) => Called::Answered(output),
        Ok(Err(failure)) => Called::Failed(failure),
        Err(payload) => {
            let text = payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            // Dropping a payload may panic again.
            std::mem::forget(payload);
            Called::Panicked(text.unwrap_or_else(|| "without a message".to_owned()))
        }
    }
}
