//! Work that may block, on threads beside the runtime.
//!
//! tokio's own threads for that end when they are idle, and `spawn_blocking` panics when the next one cannot be started.
//! Here that is an error of the one call, and one idle thread is kept, so that a moment in which the system starts no
//! threads mostly costs nothing.

use std::collections::VecDeque;
use std::future::Future;
use std::hint;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use sriovdp_report::{Hint, inline};

/// The number only has to be larger than that of providers that can hang. More calls wait for a free thread.
const MAX_THREADS: usize = 64;
/// How long a thread waits for further work, if another one does so as well.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long the runtime waits for a thread without sleeping. Most calls of providers take less, and no other task waits longer
/// for one that hangs.
pub(crate) const SPIN: Duration = Duration::from_micros(100);
/// How often work without a deadline tries to start a thread.
const RETRY: Duration = Duration::from_millis(200);

/// Whether this process may run on more than one processor.
static HAS_SEVERAL_PROCESSORS: LazyLock<bool> =
    LazyLock::new(|| thread::available_parallelism().is_ok_and(|processors| processors.get() > 1));

type Job = Box<dyn FnOnce() + Send>;

static THREADS: Threads = Threads {
    state: Mutex::new(State {
        jobs: VecDeque::new(),
        threads: 0,
        idle: 0,
        is_short: false,
    }),
    jobs: Condvar::new(),
};

/// Starts `work` on such a thread. It goes on when the result is dropped.
///
/// # Errors
///
/// When no thread is free and the system starts no further one.
pub fn start<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Running<T>, StartError> {
    start_replying(move |reply| drop(reply.send(work())))
}

/// The same for work that goes on after it has sent its result.
///
/// # Errors
///
/// When no thread is free and the system starts no further one.
pub fn start_replying<T: Send + 'static>(
    work: impl FnOnce(Reply<T>) + Send + 'static,
) -> Result<Running<T>, StartError> {
    let (job, running) = prepare(work);
    match THREADS.start(job) {
        Ok(()) => Ok(running),
        Err((_, error)) => Err(error),
    }
}

/// Runs `work` on such a thread, as soon as there is one: for the reconcile loop, which has no deadline, and whose pools
/// are served meanwhile.
pub async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (mut job, running) = prepare(move |reply| drop(reply.send(work())));
    while let Err((refused, _)) = THREADS.start(job) {
        job = refused;
        tokio::time::sleep(RETRY).await;
    }
    match running.await {
        Ok(done) => done,
        // The thread has printed the message of its panic.
        Err(panicked) => std::panic::resume_unwind(Box::new(panicked.to_string())),
    }
}

fn prepare<T: Send + 'static>(work: impl FnOnce(Reply<T>) + Send + 'static) -> (Job, Running<T>) {
    let (sender, answer) = oneshot::channel();
    let alive = Arc::new(());
    let progress = Progress(Arc::downgrade(&alive));
    let job = move || {
        // Dropped after the work, also when that panics.
        let _alive = alive;
        work(Reply(sender));
    };
    (Box::new(job), Running { answer, progress })
}

/// Where work sends its result.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<T>);

impl<T> Reply<T> {
    /// Returns the result if there is no receiver any more.
    ///
    /// # Errors
    ///
    /// When the receiver was dropped.
    pub fn send(self, result: T) -> Result<(), T> {
        self.0.send(result)
    }
}

/// The system starts no thread.
#[derive(Debug, thiserror::Error)]
#[error("cannot start a thread")]
pub struct StartError(#[source] io::Error);

impl Hint for StartError {
    fn hint(&self) -> Option<String> {
        let hint =
            "raise the limit on processes and threads (`pids.max` of the cgroup, RLIMIT_NPROC)";
        Some(hint.to_owned())
    }
}

impl From<StartError> for sriovdp_sdk::Error {
    fn from(error: StartError) -> Self {
        Self::from_std(&error).with_hint(error.hint().unwrap_or_default())
    }
}

/// The work panicked, which only a fault of this program can bring about.
#[derive(Debug, thiserror::Error)]
#[error("the work of a thread ended by a panic")]
pub struct Panicked;

/// Work under way, as a future of its result.
#[derive(Debug)]
pub struct Running<T> {
    answer: oneshot::Receiver<T>,
    progress: Progress,
}

impl<T> Running<T> {
    /// Waits for at most `limit` without giving up the processor, which takes less time than a wake-up. Returns nothing after
    /// `limit`, and on one processor.
    pub fn spin(&mut self, limit: Duration) -> Option<Result<T, Panicked>> {
        if !*HAS_SEVERAL_PROCESSORS {
            return None;
        }
        let begin = Instant::now();
        loop {
            match self.answer.try_recv() {
                Ok(done) => return Some(Ok(done)),
                Err(TryRecvError::Closed) => return Some(Err(Panicked)),
                Err(TryRecvError::Empty) if begin.elapsed() >= limit => return None,
                Err(TryRecvError::Empty) => hint::spin_loop(),
            }
        }
    }

    /// Whether the work has ended, without its result.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl<T> Future for Running<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.answer).poll(context);
        answer.map_err(|_| Panicked)
    }
}

/// Whether work has ended.
#[derive(Clone, Debug)]
pub struct Progress(Weak<()>);

impl Progress {
    /// It has, one way or another.
    pub fn is_finished(&self) -> bool {
        self.0.strong_count() == 0
    }
}

struct Threads {
    state: Mutex<State>,
    jobs: Condvar,
}

struct State {
    /// Work that no thread has taken yet.
    jobs: VecDeque<Job>,
    /// How many threads there are.
    threads: usize,
    /// How many of them wait for work.
    idle: usize,
    /// The last thread could not be started, and the log has the reason.
    is_short: bool,
}

impl Threads {
    fn start(&'static self, job: Job) -> Result<(), (Job, StartError)> {
        let mut state = self.lock();
        state.jobs.push_back(job);
        if state.jobs.len() <= state.idle {
            // Otherwise the thread would wake up to wait for the mutex.
            drop(state);
            self.jobs.notify_one();
            return Ok(());
        }
        if state.threads == MAX_THREADS {
            return Ok(());
        }
        let thread = thread::Builder::new().name("blocking".to_owned());
        let Err(error) = thread.spawn(move || self.work()) else {
            state.threads += 1;
            state.is_short = false;
            return Ok(());
        };
        let error = StartError(error);
        if !std::mem::replace(&mut state.is_short, true) {
            tracing::error!(
                event = "thread_start_failed",
                error = inline(&error),
                "cannot start a thread"
            );
        }
        // The mutex was locked all the time, so this is the job from above.
        match state.jobs.pop_back() {
            Some(job) => Err((job, error)),
            None => Ok(()),
        }
    }

    fn work(&self) {
        // A panic of a job ends its thread, and no other one.
        let _counted = Counted(self);
        while let Some(job) = self.next() {
            job();
        }
    }

    /// The next job; nothing when there was none for a while and another thread waits as well.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            state.idle += 1;
            let is_last = state.idle == 1;
            let timed_out;
            (state, timed_out) = if is_last {
                let woken = self.jobs.wait(state);
                (woken.unwrap_or_else(PoisonError::into_inner), false)
            } else {
                let woken = self.jobs.wait_timeout(state, KEEP_ALIVE);
                let (state, waited) = woken.unwrap_or_else(PoisonError::into_inner);
                (state, waited.timed_out())
            };
            state.idle -= 1;
            if timed_out && state.jobs.is_empty() && state.idle > 0 {
                return None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a thread until its end.
struct Counted<'a>(&'a Threads);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_comes_back_with_its_result() {
        let running = start(|| 6 * 7).unwrap();
        let progress = running.progress();
        assert_eq!(running.await.unwrap(), 42);
        // The thread sets it after it has sent the result.
        while !progress.is_finished() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_panic_ends_its_own_work_only() {
        let fails = start(|| panic!("on purpose")).unwrap();
        let works = start(|| 1).unwrap();
        assert!(fails.await.is_err());
        assert_eq!(works.await.unwrap(), 1);
    }

    #[test]
    fn a_wait_on_the_processor_ends() {
        let (release, released) = mpsc::channel::<()>();
        let mut hangs = start(move || released.recv()).unwrap();
        assert!(hangs.spin(Duration::from_micros(10)).is_none());
        drop(release);
        let long = Duration::from_secs(60);
        if *HAS_SEVERAL_PROCESSORS {
            assert!(hangs.spin(long).unwrap().unwrap().is_err());
            let mut panics = start(|| panic!("on purpose")).unwrap();
            assert!(panics.spin(long).unwrap().is_err());
        }
    }

    #[tokio::test]
    async fn work_that_hangs_holds_up_no_other() {
        let (release, released) = mpsc::channel::<()>();
        let hangs = start(move || released.recv()).unwrap();
        for n in 0..100 {
            assert_eq!(run(move || n).await, n);
        }
        assert!(!hangs.progress().is_finished());
        drop(release);
        assert!(hangs.await.unwrap().is_err());
    }
}
