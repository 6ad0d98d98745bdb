//! The thread of a request, for its calls into providers.

use std::sync::Arc;

use sriovdp_providers::ThreadCalls;
use sriovdp_providers::blocking::Reply;
use tokio::time::Instant;

use super::allocate::failed;
use super::{AllocateError, Pool};

/// Runs `work`, which calls providers about the devices `ids`, on a thread, and waits for its result as long as an Allocate
/// may take.
///
/// # Errors
///
/// That of `work`, or that it has not ended in time.
pub async fn with_thread<T: Send + 'static>(
    pool: &Arc<Pool>,
    ids: Vec<String>,
    work: fn(&Pool, &[String], &ThreadCalls) -> Result<T, AllocateError>,
) -> Result<T, AllocateError> {
    let ids = Arc::new(ids);
    let of_thread = (Arc::clone(pool), Arc::clone(&ids));
    let replying = move |calls: &ThreadCalls, reply: Reply<_>| {
        let (pool, ids) = of_thread;
        drop(reply.send(work(&pool, &ids, calls)));
    };
    with_thread_replying(pool, &ids, replying).await
}

/// The same for work that goes on after it has sent its result.
///
/// # Errors
///
/// That of `work`, or that it has not replied in time.
pub async fn with_thread_replying<T: Send + 'static>(
    pool: &Pool,
    ids: &[String],
    work: impl FnOnce(&ThreadCalls, Reply<Result<T, AllocateError>>) + Send + 'static,
) -> Result<T, AllocateError> {
    let deadline = Instant::now() + pool.resource.allocate_timeout();
    let replied = sriovdp_providers::with_thread_replying(deadline, work).await;
    replied.unwrap_or_else(|error| Err(failed(&pool.resource, ids, error)))
}
