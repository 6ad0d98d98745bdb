//! A query to the metrics exporter, with limits for time, size and threads: a peer of the plugin may hang, or write
//! without end.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sriovdp_sdk::{serde_json, Deserialize, Error, Node};

pub const SOCKET: &str = "/var/run/ionic-exporter/health.sock";

/// The host waits one second for a discovery.
const TIMEOUT: Duration = Duration::from_millis(300);
/// 4,096 functions with a sentence each.
const LARGEST: usize = 1 << 20;

/// The functions that are unhealthy, by their addresses, each with a reason.
pub type Unhealthy = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(crate = "sriovdp_sdk::serde")]
struct Answer {
    #[serde(default)]
    unhealthy: Unhealthy,
}

/// The exporter, with at most one query at a time.
#[derive(Default)]
pub struct Exporter {
    is_busy: Arc<AtomicBool>,
}

impl Exporter {
    /// What it reports now.
    ///
    /// # Errors
    ///
    /// When it does not answer in time, or with something else.
    pub fn unhealthy(&self, node: &Node) -> Result<Unhealthy, Error> {
        let failed = |error: Error| error.context(format!("cannot query `{SOCKET}`"));
        if self.is_busy.swap(true, Ordering::AcqRel) {
            return Err(failed(Error::new("an earlier query has not ended")));
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        let (socket, is_busy) = (node.root().path(SOCKET), Arc::clone(&self.is_busy));
        // A connection to a socket whose backlog is full has no timeout, so the query has a thread of its own.
        let thread = std::thread::Builder::new().spawn(move || {
            let answer = query(&socket);
            is_busy.store(false, Ordering::Release);
            // The receiver is gone after the timeout.
            let _ = sender.send(answer);
        });
        if let Err(error) = thread {
            self.is_busy.store(false, Ordering::Release);
            return Err(failed(Error::from_std(&error)));
        }
        match receiver.recv_timeout(TIMEOUT) {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(failed(Error::new(format!("no answer within {TIMEOUT:?}")))),
        }
    }
}

fn query(socket: &Path) -> Result<Unhealthy, Error> {
    let text = exchange(socket).map_err(|error| Error::from_std(&error))?;
    let answer: Answer = serde_json::from_str(&text)?;
    Ok(answer.unhealthy)
}

/// Writes the query, and reads until the exporter closes the connection.
fn exchange(socket: &Path) -> std::io::Result<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"{\"query\": \"health\"}\n")?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let rest = deadline.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(rest))?;
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return String::from_utf8(answer).map_err(std::io::Error::other);
        }
        answer.extend_from_slice(&chunk[..length]);
        if answer.len() > LARGEST {
            let message = format!("the answer has more than {LARGEST} bytes");
            return Err(std::io::Error::other(message));
        }
    }
}
