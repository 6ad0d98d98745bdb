//! How many system calls a start takes, where strace is there to count them.

use anyhow::Context;
use rustix::process::Signal;
use tokio::process::Command;

use crate::process;
use crate::program::Program;
use crate::start::Node;

/// Whether there is a strace that may trace.
pub(crate) async fn can_be_counted() -> bool {
    let tried = Command::new("strace")
        .args(["-c", "-o", "/dev/null", "true"])
        .output()
        .await;
    tried.is_ok_and(|output| output.status.success())
}

/// The calls of all threads until the last pool is listed; nothing where they cannot be counted.
pub(crate) async fn until_ready(program: &Program, node: &Node) -> anyhow::Result<Option<u64>> {
    if !can_be_counted().await {
        return Ok(None);
    }
    // Not on the node, whose directory the program may not see under this name.
    let summary = tempfile::NamedTempFile::new()?;
    let path = summary.path().to_string_lossy();
    let mut started = node
        .start(program, &["strace", "-c", "-f", "-o", &path])
        .await?;
    started.pid = process::child_of(started.pid).context("the program has ended")?;
    started.end(Signal::KILL).await?;
    let text = std::fs::read_to_string(summary.path())?;
    total(&text)
        .map(Some)
        .context("strace has not written a total")
}

/// The last line: `100.00    0.012345           3      4127        10 total`.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().find(|line| line.ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}
