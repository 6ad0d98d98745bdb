//! A query to AMD's Device Metrics Exporter: one gRPC call over a unix socket, with limits for time and size, since a peer of
//! the plugin may hang, or write without end.
//!
//! What the exporter serves (`nicmetricssvc.proto`):
//!
//! ```text
//! package nicmetricssvc;
//! service MetricsService { rpc List(google.protobuf.Empty) returns (NICStateResponse); }
//! message NICStateResponse { repeated NICState NICState = 1; }
//! message NICState { string Device = 1; string Health = 2; }
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use sriovdp_sdk::{Context, Error, Node, PciAddress};
use tokio::net::UnixStream;

pub const SOCKET: &str = "/var/lib/amd-metrics-exporter/amdnic_device_metrics_exporter_grpc.socket";
const METHOD: &str = "http://localhost/nicmetricssvc.MetricsService/List";

/// The host waits one second for a discovery.
const TIMEOUT: Duration = Duration::from_millis(300);
/// 4,096 functions take a quarter.
const LARGEST: usize = 1 << 20;

/// The states of functions that are not healthy.
pub type Unhealthy = BTreeMap<PciAddress, String>;

#[derive(Clone, PartialEq, Message)]
pub struct NicStates {
    #[prost(message, repeated, tag = "1")]
    pub states: Vec<NicState>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NicState {
    /// The PCI address.
    #[prost(string, tag = "1")]
    pub device: String,
    #[prost(string, tag = "2")]
    pub health: String,
}

/// What the exporter reports now.
///
/// # Errors
///
/// When it does not answer in time, or with something else.
pub fn unhealthy(node: &Node) -> Result<Unhealthy, Error> {
    let socket = node.root().path(SOCKET);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.context("cannot start a runtime")?;
    let answer = runtime.block_on(async { tokio::time::timeout(TIMEOUT, list(&socket)).await });
    let answer = match answer {
        Ok(answer) => answer.map_err(|error| Error::from_std(&*error)),
        Err(_) => Err(Error::new(format!("no answer within {TIMEOUT:?}"))),
    };
    let states = answer
        .with_context(|| format!("cannot query `{SOCKET}`"))?
        .states;
    let is_healthy = |state: &NicState| state.health.eq_ignore_ascii_case("healthy");
    let unhealthy = states.iter().filter(|state| !is_healthy(state));
    Ok(unhealthy
        .filter_map(|state| Some((state.device.parse().ok()?, short(&state.health))))
        .collect())
}

/// A text of the exporter for the log.
fn short(text: &str) -> String {
    text.chars().take(32).flat_map(char::escape_debug).collect()
}

/// A unary call (gRPC over HTTP/2: `doc/PROTOCOL-HTTP2.md` of gRPC).
async fn list(socket: &Path) -> Result<NicStates, Box<dyn std::error::Error>> {
    let stream = UnixStream::connect(socket).await?;
    let (client, connection) = h2::client::handshake(stream).await?;
    // The runtime drops it with the call.
    tokio::spawn(connection);
    let request = http::Request::post(METHOD)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())?;
    let (answer, mut message) = client.ready().await?.send_request(request, false)?;
    // No compression, and an empty message of no bytes.
    message.send_data(Bytes::from_static(&[0; 5]), true)?;
    let (head, mut body) = answer.await?.into_parts();
    let mut received = Vec::new();
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        received.extend_from_slice(&chunk);
        if received.len() > LARGEST {
            return Err(format!("the answer has more than {LARGEST} bytes").into());
        }
    }
    let trailers = body.trailers().await?.unwrap_or(head.headers);
    match trailers.get("grpc-status") {
        Some(status) if status == "0" => {}
        status => return Err(format!("the gRPC status is {status:?}").into()),
    }
    match received.split_first_chunk::<5>() {
        Some(([0, length @ ..], message))
            if u32::from_be_bytes(*length) as usize == message.len() =>
        {
            Ok(NicStates::decode(message)?)
        }
        _ => Err("the answer is no message without compression".into()),
    }
}
