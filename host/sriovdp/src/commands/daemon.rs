//! Queries of the running daemon over its local socket.

use std::io;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use sriovdp_agent::observers::{Request, socket_path};
use sriovdp_sdk::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The time in which the daemon answers when it works; a probe of the kubelet has a second by default.
const TIMEOUT: Duration = Duration::from_millis(900);
/// The size of an answer, in bytes: the status of 20,000 resources, or the whole history.
const MAX_ANSWER: u64 = 8 << 20;

/// The answer of the daemon whose socket is in `directory`.
///
/// # Errors
///
/// When no daemon answers, with what a user can do about it.
pub(super) async fn query<A: DeserializeOwned>(
    directory: &Path,
    request: impl Into<Request>,
) -> Result<A, Error> {
    let path = socket_path(directory);
    let answer = tokio::time::timeout(TIMEOUT, exchange(&path, &request.into())).await;
    let answer = answer.unwrap_or_else(|_| {
        let message = format!("no answer within {TIMEOUT:?}");
        Err(io::Error::new(ErrorKind::TimedOut, message))
    });
    answer.map_err(|error| {
        let message = format!("the daemon does not answer at `{}`", path.display());
        Error::from_std(&error).context(message).with_hint(
            "run the command where the daemon runs, such as in its container, and with its \
             `--healthcheck-socket-dir` and `--root`",
        )
    })
}

async fn exchange<A: DeserializeOwned>(path: &Path, request: &Request) -> io::Result<A> {
    let mut stream = UnixStream::connect(path).await?;
    let mut request = serde_json::to_vec(request)?;
    request.push(b'\n');
    stream.write_all(&request).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    serde_json::from_slice(&answer).map_err(io::Error::from)
}
