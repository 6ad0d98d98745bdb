//! File work of the reconcile loop, off the thread of the runtime: a directory with many entries or a file system that
//! does not answer must not keep the plugin from serving and from ending.

/// Runs `work` on a thread for blocking work.
pub(crate) async fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let error = match tokio::task::spawn_blocking(work).await {
        Ok(done) => return done,
        Err(error) => error,
    };
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        // The runtime is ending, and this task with it.
        Err(_) => std::future::pending().await,
    }
}
