//! The HTTP server of `--metrics-listen`: `GET` of `/metrics`, `/healthz` and `/readyz`, and nothing else.
//!
//! A scraper that is slow or hostile costs a connection for a few seconds, and is the first to lose it to another one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::Sources;
use super::connections::Connections;
use crate::metrics::Format;

/// The size of the head of a request, in bytes.
const MAX_HEAD: usize = 16 << 10;
/// The time for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The time of a whole connection, in which there is one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// The pause after an error of `accept`, and between attempts to listen: with the host's network, the pod that is being
/// replaced may still have the address.
const BACKOFF: Duration = Duration::from_secs(5);

/// What the server answers from.
#[derive(Clone, Debug)]
pub struct MetricsServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// The state of the daemon, and its counters.
    pub sources: Sources,
}

impl MetricsServer {
    /// Serves for as long as the daemon runs.
    pub async fn serve(self) {
        let listener = self.listen().await;
        let mut connections = Connections::default();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let server = self.clone();
                    connections.serve(async move {
                        let served = server.connection(stream);
                        // What a scraper does wrong is for the scraper's log.
                        let _ = tokio::time::timeout(CONNECTION_TIMEOUT, served).await;
                    });
                }
                Err(_) => tokio::time::sleep(BACKOFF).await,
            }
        }
    }

    async fn listen(&self) -> TcpListener {
        let address = self.address;
        let mut is_logged = false;
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    let address = listener.local_addr().unwrap_or(address);
                    tracing::info!(event = "metrics_served", %address, "metrics are served");
                    return listener;
                }
                Err(source) if !is_logged => {
                    is_logged = true;
                    let error = source.to_string();
                    tracing::error!(
                        event = "metrics_unavailable",
                        %address,
                        error,
                        "cannot listen for metrics; trying again every {BACKOFF:?}"
                    );
                }
                Err(_) => {}
            }
            tokio::time::sleep(BACKOFF).await;
        }
    }

    async fn connection(self, stream: TcpStream) -> Result<(), hyper::Error> {
        let service = service_fn(move |request: Request<Incoming>| {
            let server = self.clone();
            async move { Ok::<_, Infallible>(server.answer(&request).await) }
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MAX_HEAD)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await
    }

    /// The body of a request is not read.
    async fn answer<B>(&self, request: &Request<B>) -> Response<String> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        }
        let status = || self.sources.status.borrow().clone();
        match request.uri().path() {
            "/metrics" => {
                let accept = request.headers().get(ACCEPT);
                let accept = accept.and_then(|accept| accept.to_str().ok());
                let format = Format::accepted(accept.unwrap_or_default());
                let mut page = Response::new(self.sources.metrics(format).await);
                let content_type = HeaderValue::from_static(format.content_type());
                page.headers_mut().insert(CONTENT_TYPE, content_type);
                page
            }
            "/healthz" => {
                let liveness = status().liveness(Instant::now());
                checked(liveness.status == "alive", liveness.status)
            }
            "/readyz" => {
                let registration = status().registration();
                checked(registration.ready, registration.summary())
            }
            _ => plain(StatusCode::NOT_FOUND, "not found\n".to_owned()),
        }
    }
}

fn checked(is_good: bool, why: String) -> Response<String> {
    match is_good {
        true => plain(StatusCode::OK, "ok\n".to_owned()),
        false => plain(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}

fn plain(status: StatusCode, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::watch;

    use super::*;
    use crate::status::DaemonStatus;

    /// A server at an address of its own, until the test ends.
    async fn serve() -> SocketAddr {
        // The system chooses a port; until the server listens there, it is free again.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let (_, status) = watch::channel(DaemonStatus::default());
        let server = MetricsServer {
            address,
            sources: Sources::of_status(status),
        };
        tokio::spawn(server.serve());
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
        address
    }

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // A server that has seen enough may close before everything is written.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    #[tokio::test]
    async fn three_paths_are_served() {
        let address = serve().await;
        let openmetrics = "Accept: application/openmetrics-text; version=1.0.0\r\n";
        for (line, header, status, content) in [
            ("GET /metrics", "", 200, "sriovdp_build_info{version="),
            ("GET /metrics", openmetrics, 200, "\n# EOF\n"),
            ("GET /healthz", "", 200, "ok\n"),
            ("GET /readyz", "", 503, "no configuration is applied\n"),
            ("GET /", "", 404, "not found"),
            ("GET /metrics/x", "", 404, "not found"),
            ("POST /metrics", "", 405, "only GET"),
        ] {
            let request = format!("{line} HTTP/1.1\r\nHost: x\r\n{header}\r\n");
            let answer = exchange(address, &request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{line}: {answer}"
            );
            assert!(answer.contains(content), "{line}: {answer}");
        }
    }

    /// More idle and odd connections than are served at a time: the next scrape is served at once.
    #[tokio::test(start_paused = true)]
    async fn odd_clients_do_not_keep_others_out() {
        let address = serve().await;
        let mut idle = Vec::new();
        for _ in 0..100 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        for odd in [
            "\r\n\r\n\r\n".to_owned(),
            "GET".to_owned(),
            format!(
                "GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n",
                "x".repeat(100_000)
            ),
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        ] {
            let answer = exchange(address, &odd).await;
            assert!(!answer.contains("200 OK"), "{answer}");
        }
        let answer = exchange(address, "GET /healthz HTTP/1.0\r\n\r\n").await;
        assert!(answer.contains("200 OK"), "{answer}");
    }
}
