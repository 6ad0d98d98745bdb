//! The calls of one request to providers, and the files that it writes, all on one thread and with one deadline.
//!
//! The runtime would change threads twice for each of them otherwise, which takes longer than most of the calls.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sriovdp_sdk::Error;
use tokio::time::{Instant, timeout_at};

use super::calls::Call;
use super::{CallError, Provider};
use crate::blocking::{self, Progress, Reply, SPIN};

/// The thread of a request, for the work on it.
#[derive(Debug)]
pub struct ThreadCalls(Arc<Mutex<Stage>>);

/// What the thread does.
#[derive(Debug)]
enum Stage {
    /// Nothing, because there is no free one.
    Waiting,
    Working,
    Calling {
        provider: Arc<Provider>,
        method: &'static str,
        started: Instant,
    },
    Writing(&'static str),
    /// The caller does not wait any more.
    Abandoned,
}

/// Runs `work` on a thread, and waits until `deadline` for what it replies. When this future is dropped or the deadline
/// has passed, the thread ends the call that it is in, and begins neither another one nor to write. The provider in that
/// call gets no further one until it has returned.
///
/// # Errors
///
/// When the deadline has passed, or there is no thread.
pub async fn with_thread_replying<T: Send + 'static>(
    deadline: Instant,
    work: impl FnOnce(&ThreadCalls, Reply<T>) + Send + 'static,
) -> Result<T, CallError> {
    let begin = Instant::now();
    let stage = Arc::new(Mutex::new(Stage::Waiting));
    let calls = ThreadCalls(Arc::clone(&stage));
    let running = blocking::start_replying(move |reply| {
        if calls.enter(Stage::Working).is_ok() {
            work(&calls, reply);
        }
    });
    let mut running = running.map_err(|error| CallError::no_response(error.into()))?;
    let caller = Caller {
        stage,
        progress: running.progress(),
    };
    let replied = match running.spin(SPIN) {
        Some(replied) => Ok(replied),
        None => timeout_at(deadline, running).await,
    };
    match replied {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(panicked)) => Err(caller.failed(&Error::from_std(&panicked))),
        Err(_) => Err(caller.timed_out(deadline.duration_since(begin))),
    }
}

impl ThreadCalls {
    /// Calls a method of `provider`.
    pub(super) fn call<C: Call>(
        &self,
        provider: &Arc<Provider>,
        params: &C::Request,
    ) -> Result<C::Response, CallError> {
        provider.require_responsive()?;
        let started = Instant::now();
        self.enter(Stage::Calling {
            provider: Arc::clone(provider),
            method: C::NAME,
            started,
        })?;
        let answer = provider.call_here::<C>(params);
        self.enter(Stage::Working)?;
        let result = if answer.is_ok() { "ok" } else { "error" };
        provider.count_call(C::NAME, result, started);
        answer
    }

    /// To be called before anything is changed on the node; `what` names it, such as `writing the files`.
    ///
    /// # Errors
    ///
    /// When the caller does not wait any more.
    pub fn begin_writing(&self, what: &'static str) -> Result<(), CallError> {
        self.enter(Stage::Writing(what))
    }

    fn enter(&self, next: Stage) -> Result<(), CallError> {
        let mut stage = lock(&self.0);
        if matches!(*stage, Stage::Abandoned) {
            let error = Error::new("the caller does not wait any more");
            return Err(CallError::no_response(error));
        }
        *stage = next;
        Ok(())
    }
}

/// The side that waits.
struct Caller {
    stage: Arc<Mutex<Stage>>,
    progress: Progress,
}

impl Caller {
    fn abandon(&self) -> Stage {
        mem::replace(&mut *lock(&self.stage), Stage::Abandoned)
    }

    fn timed_out(&self, waited: Duration) -> CallError {
        let seconds = waited.as_secs_f64();
        let message = match self.abandon() {
            Stage::Calling {
                provider,
                method,
                started,
            } => {
                if provider.mark_overdue(self.progress.clone()) {
                    provider.count_call(method, "timeout", started);
                }
                return provider.timed_out(method, started.elapsed());
            }
            Stage::Writing(what) => format!("{what} has not ended within {seconds:.1} s"),
            Stage::Waiting => format!("no thread was free within {seconds:.1} s"),
            Stage::Working | Stage::Abandoned => {
                format!("the request was not done within {seconds:.1} s")
            }
        };
        CallError::no_response(Error::new(message))
    }

    fn failed(&self, error: &Error) -> CallError {
        let error = error.clone();
        match self.abandon() {
            Stage::Calling {
                provider, method, ..
            } => provider.unresponsive(&format!("failed in `{method}`: {error}")),
            _ => CallError::no_response(error),
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // Otherwise each request that is cancelled while the provider hangs would take a thread.
        if let Stage::Calling { provider, .. } = self.abandon() {
            provider.mark_overdue(self.progress.clone());
        }
    }
}

fn lock(stage: &Mutex<Stage>) -> MutexGuard<'_, Stage> {
    stage.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use tokio::sync::oneshot;

    use super::*;

    const SOON: Duration = Duration::from_millis(10);

    #[tokio::test]
    async fn work_replies_and_goes_on() {
        let (release, released) = mpsc::channel::<()>();
        let deadline = Instant::now() + Duration::from_secs(60);
        let replied = with_thread_replying(deadline, move |calls, reply| {
            calls.begin_writing("writing").unwrap();
            reply.send(7).unwrap();
            // Without a sender it ends.
            let _ = released.recv();
        });
        assert_eq!(replied.await.unwrap(), 7);
        drop(release);
    }

    #[tokio::test]
    async fn nothing_is_written_after_the_deadline() {
        let (release, released) = mpsc::channel::<()>();
        let (sender, refused) = oneshot::channel();
        let replied =
            with_thread_replying(Instant::now() + SOON, move |calls, _reply: Reply<()>| {
                let _ = released.recv();
                let _ = sender.send(calls.begin_writing("writing").is_err());
            });
        let error = replied.await.unwrap_err().error.to_string();
        assert!(
            error.starts_with("the request was not done within"),
            "{error}"
        );
        drop(release);
        assert!(refused.await.unwrap());
    }

    #[tokio::test]
    async fn nothing_is_written_for_a_caller_that_has_left() {
        let (release, released) = mpsc::channel::<()>();
        let (sender, refused) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_secs(60);
        let replied = with_thread_replying(deadline, move |calls, _reply: Reply<()>| {
            let _ = released.recv();
            let _ = sender.send(calls.begin_writing("writing").is_err());
        });
        tokio::time::timeout(SOON, replied).await.unwrap_err();
        drop(release);
        assert!(refused.await.unwrap());
    }

    #[tokio::test]
    async fn a_provider_in_whose_call_the_caller_leaves_gets_no_other_until_it_returns() {
        let provider = Provider::available(Path::new("test.so"));
        let of_thread = Arc::clone(&provider);
        let (release, released) = mpsc::channel::<()>();
        let (sender, called) = oneshot::channel();
        let deadline = Instant::now() + Duration::from_secs(60);
        let replied = with_thread_replying(deadline, move |calls, _reply: Reply<()>| {
            let call = Stage::Calling {
                provider: of_thread,
                method: "allocate",
                started: Instant::now(),
            };
            calls.enter(call).unwrap();
            sender.send(()).unwrap();
            let _ = released.recv();
        });
        tokio::select! {
            _ = replied => panic!("it has replied"),
            called = called => called.unwrap(),
        }
        let busy = provider.require_responsive().unwrap_err().error.to_string();
        let expected = "the provider `test.so` is still busy with an earlier call";
        assert_eq!(busy, expected);
        drop(release);
        while provider.require_responsive().is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn an_error_names_what_has_not_ended() {
        let (release, released) = mpsc::channel::<()>();
        let replied =
            with_thread_replying(Instant::now() + SOON, move |calls, _reply: Reply<()>| {
                calls.begin_writing("writing the files").unwrap();
                let _ = released.recv();
            });
        let error = replied.await.unwrap_err().error.to_string();
        assert!(
            error.starts_with("writing the files has not ended within"),
            "{error}"
        );
        drop(release);
        let deadline = Instant::now() + Duration::from_secs(60);
        let panics = with_thread_replying(deadline, |_, _reply: Reply<()>| panic!("on purpose"));
        let error = panics.await.unwrap_err().error.to_string();
        assert_eq!(error, "the work of a thread ended by a panic");
    }
}
