//! Requests with authorities that `h2` refuses reach a tonic server through the filter, and do not without it.
//!
//! No HTTP/2 library sends such requests, so the client here writes its frames itself.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so best by its line number"
)]

use hyper::service::service_fn;
use sriovdp_host::kubelet::authority::Tolerant;
use sriovdp_host::kubelet::http2;
use sriovdp_proto::pluginregistration::registration_server::{Registration, RegistrationServer};
use sriovdp_proto::pluginregistration::{
    InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tower_service::Service as _;

use client::{Answer, Client};
use piecemeal::{Piecemeal, Pieces};
use wire::{
    PeerTable, block, content_type, continued_request, huffman, indexed_by_the_second_request,
    literal, opening, padded_request, plain, request, start,
};

mod client;
mod piecemeal;
mod wire;

/// The code of the reset with which `h2` refuses a request.
const PROTOCOL_ERROR: u32 = 1;

/// How the kubelet names the socket that it dials.
const ENCODED_PATH: &str = "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fexample.com_nic.sock";
const RAW_PATH: &str = "/var/lib/kubelet/plugins_registry/example.com_nic.sock";

#[tokio::test]
async fn every_authority_is_answered_however_the_bytes_arrive() {
    for (name, bytes, requests) in connections() {
        for cut in 0..=bytes.len() {
            answered(name, &bytes, requests, Pieces::CutAt(cut)).await;
        }
        answered(name, &bytes, requests, Pieces::Bytes).await;
    }
}

#[tokio::test]
async fn the_same_requests_fail_without_the_filter() {
    for (name, bytes, _) in connections() {
        let (client, server) = UnixStream::pair().unwrap();
        serve(server);
        let answer = Client::sending(client, &bytes).await.answer().await;
        let expected = if name == "localhost" {
            Answer::Message("tag".into())
        } else {
            Answer::Reset(PROTOCOL_ERROR)
        };
        assert_eq!(answer, expected, "{name}");
    }
}

/// Headers enter the table until the first of them have long been pushed out. Some are authorities that `h2` never had.
#[tokio::test]
async fn the_tables_of_both_sides_stay_in_step_on_a_long_connection() {
    let (client, server) = UnixStream::pair().unwrap();
    serve(Tolerant::new(server));
    let mut client = Client::sending(client, &opening()).await;
    let mut table = PeerTable::default();
    for number in 0..250 {
        let authority = match number % 7 {
            0 | 3 => ENCODED_PATH,
            1 | 4 => "",
            2 => "localhost",
            _ => &format!("/{number}"),
        };
        let tag = format!("{:->60}", number / 3);
        let block = [
            &start()[..],
            &table.encode(":authority", authority),
            &content_type(),
            &table.encode("x-tag", &tag),
        ]
        .concat();
        client.send(&request(2 * number + 1, &block)).await;
        assert_eq!(
            client.answer().await,
            Answer::Message(tag),
            "request {number}"
        );
    }
    assert!(
        table.evicted > 50,
        "only {} entries were pushed out",
        table.evicted
    );
}

/// The bytes of a connection from its beginning on, and the number of requests in it.
fn connections() -> Vec<(&'static str, Vec<u8>, u32)> {
    let one = |authority: &[u8]| [opening(), request(1, &block(authority))].concat();
    vec![
        ("localhost", one(&literal(0x41, "localhost")), 1),
        ("percent-encoded path", one(&literal(0x41, ENCODED_PATH)), 1),
        ("raw path", one(&literal(0x41, RAW_PATH)), 1),
        ("empty, the static entry", one(&[0x81]), 1),
        ("empty, added to the table", one(&literal(0x41, "")), 1),
        (
            "Huffman-coded",
            one(&[&[0x41][..], &huffman(ENCODED_PATH)].concat()),
            1,
        ),
        (
            "not indexed, with its name",
            one(&[&[0x00][..], &plain(":authority"), &plain(RAW_PATH)].concat()),
            1,
        ),
        ("never indexed", one(&literal(0x11, RAW_PATH)), 1),
        (
            "indexed by the second request",
            indexed_by_the_second_request(ENCODED_PATH),
            2,
        ),
        (
            "empty, indexed by the second request",
            indexed_by_the_second_request(""),
            2,
        ),
        (
            "continued",
            [
                opening(),
                continued_request(&block(&literal(0x41, ENCODED_PATH))),
            ]
            .concat(),
            1,
        ),
        (
            "padded, with a priority",
            [
                opening(),
                padded_request(&block(&literal(0x41, ENCODED_PATH))),
            ]
            .concat(),
            1,
        ),
    ]
}

async fn answered(name: &str, bytes: &[u8], requests: u32, pieces: Pieces) {
    let (client, server) = UnixStream::pair().unwrap();
    serve(Tolerant::new(Piecemeal::new(server, pieces)));
    let mut client = Client::sending(client, bytes).await;
    for _ in 0..requests {
        assert_eq!(
            client.answer().await,
            Answer::Message("tag".into()),
            "{name}, {pieces:?}"
        );
    }
}

/// Serves one connection until the test ends.
fn serve<IO>(connection: IO)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let registration = RegistrationServer::new(Echo);
    let service = service_fn(move |request| registration.clone().call(request));
    tokio::spawn(http2::serve(connection, service, CancellationToken::new()));
}

/// Answers with the tag in the request's metadata.
struct Echo;

#[tonic::async_trait]
impl Registration for Echo {
    async fn get_info(
        &self,
        request: Request<InfoRequest>,
    ) -> Result<Response<PluginInfo>, Status> {
        let tag = request
            .metadata()
            .get("x-tag")
            .ok_or_else(|| Status::invalid_argument("no tag"))?;
        let name = tag
            .to_str()
            .map_err(|_| Status::invalid_argument("not a text"))?
            .into();
        Ok(Response::new(PluginInfo {
            name,
            ..PluginInfo::default()
        }))
    }

    async fn notify_registration_status(
        &self,
        _: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        Err(Status::unimplemented("not asked for here"))
    }
}
