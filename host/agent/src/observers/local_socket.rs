//! Serves the local socket. An idle, oversized or invalid request does not delay other clients.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sriovdp_kubelet::Socket;
use sriovdp_report::inline;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

use super::connections::Connections;
use super::{Check, Failure, LocalSocketError, MetricsPage, Request, Sources, socket_path};
use crate::metrics;
use crate::metrics::Format;

/// The size of a request, in bytes.
const MAX_REQUEST: u64 = 1024;
/// The time that a client has for its request and for reading the answer.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between attempts to bind the socket.
const BIND_RETRY: Duration = Duration::from_secs(5);
/// The pause after an error of `accept`, such as a lack of descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(500);

/// A bound socket, which is removed with this value.
#[derive(Debug)]
struct LocalSocket {
    listener: UnixListener,
    file: Socket,
}

impl LocalSocket {
    /// Listens in `directory`, in place of a socket that no process serves any more.
    ///
    /// # Errors
    ///
    /// When another process listens there, or the socket cannot be made.
    async fn bind(directory: &Path) -> Result<Self, LocalSocketError> {
        let path = socket_path(directory);
        let failed = |error| LocalSocketError::Listen(path.clone(), error);
        fs::create_dir_all(directory).map_err(failed)?;
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.file_type().is_socket() => {
                return Err(LocalSocketError::NotASocket(path));
            }
            Ok(_) => {}
        }
        match Socket::listen(&path).await {
            Ok((mut file, listener)) => {
                // No kubelet searches for it.
                file.found();
                Ok(Self { listener, file })
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                Err(LocalSocketError::Occupied(path))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Answers from `sources` until another program has removed or replaced the file of the socket, which is checked after
    /// each reconcile.
    async fn serve(self, sources: &Sources) {
        let mut connections = Connections::default();
        let mut reconciled = sources.status.clone();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Ok(()) = reconciled.changed() => match self.file.is_in_place() {
                    true => continue,
                    false => return,
                },
            };
            match accepted {
                Ok((stream, _)) => {
                    let sources = sources.clone();
                    connections.serve(async move {
                        let _ =
                            tokio::time::timeout(CLIENT_TIMEOUT, answer(stream, &sources)).await;
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_BACKOFF).await,
            }
        }
    }
}

/// Serves the local socket of `directory` for as long as the daemon runs. While it cannot be bound, such as before the
/// previous instance has ended, the daemon does without and tries again.
pub async fn serve_local_socket(directory: PathBuf, sources: Sources) {
    let mut is_logged = false;
    loop {
        match LocalSocket::bind(&directory).await {
            Ok(socket) => {
                is_logged = false;
                socket.serve(&sources).await;
                continue;
            }
            Err(error) if !is_logged => {
                is_logged = true;
                let error = inline(&error);
                tracing::error!(
                    event = "local_socket_failed",
                    error,
                    "no local socket, so probes fail; trying again every {BIND_RETRY:?}"
                );
            }
            Err(_) => {}
        }
        tokio::time::sleep(BIND_RETRY).await;
    }
}

async fn answer(stream: UnixStream, sources: &Sources) -> std::io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream).take(MAX_REQUEST);
    reader.read_line(&mut line).await?;
    let mut answer = match serde_json::from_str(&line) {
        Ok(request) => sources.answer(&request).await,
        Err(error) => serde_json::to_string(&Failure {
            error: format!("invalid request: {error}"),
        }),
    }?;
    answer.push('\n');
    let mut stream = reader.into_inner();
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

impl Sources {
    /// The page of metrics.
    pub(crate) async fn metrics(&self, format: Format) -> String {
        let allocated = self.allocated.read().await;
        let status = self.status.borrow().clone();
        metrics::render(&status, &allocated, self.recorded.as_deref(), format)
    }

    async fn answer(&self, request: &Request) -> serde_json::Result<String> {
        if request.check == Check::Metrics {
            let text = self.metrics(Format::Prometheus).await;
            return serde_json::to_string(&MetricsPage { text });
        }
        let status = self.status.borrow();
        match request.check {
            Check::Liveness => serde_json::to_string(&status.liveness(Instant::now())),
            Check::Readiness => serde_json::to_string(&status.readiness()),
            Check::Registered => serde_json::to_string(&status.registration()),
            Check::Status => serde_json::to_string(&status.report(&self.daemon)),
            // Needs to wait for the kubelet, and is answered above.
            Check::Metrics => Ok(String::new()),
            Check::Events => Ok(self.history.to_json(request.since.map(Duration::from_secs))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use sriovdp_kubelet::RegistrationStatus;
    use tokio::sync::watch;

    use std::sync::Arc;

    use super::*;
    use crate::pools::{Health, Pool, UnhealthyKind, sample};
    use crate::status::{DaemonStatus, PoolStatus};

    fn pool(name: &str, devices: usize, healthy: usize, is_registered: bool) -> PoolStatus {
        let device = |n: usize| {
            let mut device = sample::device(&n.to_string());
            if n >= healthy {
                device.health = Health::Unhealthy {
                    kind: UnhealthyKind::Link,
                    reason: "no link".into(),
                };
            }
            device
        };
        PoolStatus {
            pool: Arc::new(Pool {
                resource: sample::resource("example.com", name),
                devices: (0..devices).map(device).collect(),
            }),
            registration: watch::channel(RegistrationStatus {
                registered_since: is_registered.then(SystemTime::now),
                has_stream: true,
                ..RegistrationStatus::default()
            })
            .1,
        }
    }

    async fn query(path: &Path, request: &str) -> String {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn checks_are_answered_from_the_status() {
        let directory = tempfile::tempdir().unwrap();
        let (status, receiver) = watch::channel(DaemonStatus::default());
        let sources = Sources::of_status(receiver);
        let socket = LocalSocket::bind(directory.path()).await.unwrap();
        let names = fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(names, 1, "the hidden name is removed");
        let path = socket_path(directory.path());
        let serving = tokio::spawn(async move { socket.serve(&sources).await });
        for (pools, request, expected) in [
            (None, "liveness", r#"{"status":"alive"}"#),
            (
                None,
                "readiness",
                r#"{"ready":false,"healthy_count":0,"total_count":0,"healthy_servers":0}"#,
            ),
            (
                None,
                "registered",
                r#"{"ready":false,"registered_count":0,"total_count":0,"unregistered":[],"refused_count":0,"has_configuration":false}"#,
            ),
            (
                Some(vec![pool("a", 8, 5, true), pool("b", 2, 0, false)]),
                "readiness",
                r#"{"ready":true,"healthy_count":5,"total_count":10,"healthy_servers":1}"#,
            ),
            (
                Some(vec![pool("a", 8, 5, true), pool("b", 2, 0, false)]),
                "registered",
                r#"{"ready":false,"registered_count":1,"total_count":2,"unregistered":["example.com/b"],"refused_count":0,"has_configuration":true}"#,
            ),
            (None, "events", r#"{"dropped":0,"events":[]}"#),
            (
                Some(Vec::new()),
                "registered",
                r#"{"ready":true,"registered_count":0,"total_count":0,"unregistered":[],"refused_count":0,"has_configuration":true}"#,
            ),
        ] {
            status.send_modify(|status| {
                status.configuration.accepted = pools.as_ref().map(|_| SystemTime::now());
                status.pools = pools;
            });
            let answer = query(&path, &format!("{{\"check\":\"{request}\"}}\n")).await;
            assert_eq!(answer, format!("{expected}\n"), "{request}");
        }
        for odd in ["\n", "{\"check\":\"weather\"}\n", &"x".repeat(2000)] {
            let answer = query(&path, odd).await;
            assert!(serde_json::from_str::<Failure>(&answer).is_ok(), "{answer}");
        }
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        assert!(!path.exists(), "the socket is removed");
    }

    #[tokio::test]
    async fn a_removed_socket_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let (status, receiver) = watch::channel(DaemonStatus::default());
        let path = socket_path(directory.path());
        let sources = Sources::of_status(receiver);
        let _serving = tokio::spawn(serve_local_socket(directory.path().to_owned(), sources));
        for _ in 0..2 {
            let comes_back = async {
                while !path.exists() {
                    status.send_modify(|_| {});
                    tokio::task::yield_now().await;
                }
            };
            let in_time = tokio::time::timeout(Duration::from_secs(30), comes_back);
            in_time.await.expect("a socket");
            let answer = query(&path, "{\"check\":\"liveness\"}\n").await;
            assert_eq!(answer, "{\"status\":\"alive\"}\n");
            fs::remove_file(&path).unwrap();
        }
    }

    #[tokio::test]
    async fn a_socket_is_replaced_only_when_no_process_serves_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = socket_path(directory.path());
        drop(UnixListener::bind(&path).unwrap());
        let first = LocalSocket::bind(directory.path()).await.unwrap();
        let second = LocalSocket::bind(directory.path()).await;
        assert!(matches!(second, Err(LocalSocketError::Occupied(_))));
        drop(first);
        fs::write(&path, "a file").unwrap();
        let third = LocalSocket::bind(directory.path()).await;
        assert!(matches!(third, Err(LocalSocketError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
        let fourth = LocalSocket::bind(&path).await;
        assert!(matches!(fourth, Err(LocalSocketError::Listen(..))));
    }
}
