//! Requests with authorities that `h2` refuses reach a hyper server through the filter, and do not without it.
//!
//! No HTTP/2 library sends such requests, so the client here writes its frames itself.

#![allow(
    clippy::unwrap_used,
    reason = "the line number of a panic is the best report of a test"
)]

use std::convert::Infallible;

use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use sriovdp_authority_filter::AuthorityFilter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use client::{Answer, Client};
use wire::{PeerTable, continued, huffman, literal, opening, padded, plain, request, start};

mod client;
mod wire;

/// The code of the reset with which `h2` refuses a request.
const PROTOCOL_ERROR: u32 = 1;

/// How the kubelet names the socket that it dials.
const ENCODED_PATH: &str = "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Fexample.com_nic.sock";
const RAW_PATH: &str = "/var/lib/kubelet/plugins_registry/example.com_nic.sock";

#[tokio::test]
async fn every_authority_is_answered_however_the_bytes_arrive() {
    for (name, bytes, requests) in connections() {
        for cut in 0..bytes.len() {
            let mut client = filtered().await;
            let (first, second) = bytes.split_at(cut);
            client.send(first).await;
            // The server takes what has come before the rest does.
            tokio::task::yield_now().await;
            client.send(second).await;
            for _ in 0..requests {
                assert_eq!(client.answer().await, Answer::Complete, "{name}, {cut}");
            }
        }
    }
}

#[tokio::test]
async fn the_same_requests_fail_without_the_filter() {
    for (name, bytes, _) in connections() {
        let (client, server) = UnixStream::pair().unwrap();
        serve(server);
        let mut client = Client::new(client);
        client.send(&bytes).await;
        let expected = match name {
            "localhost" => Answer::Complete,
            _ => Answer::Reset(PROTOCOL_ERROR),
        };
        assert_eq!(client.answer().await, expected, "{name}");
    }
}

/// A peer that never acknowledges the settings of the server may use the table of the default size.
#[tokio::test]
async fn the_tables_of_both_sides_stay_in_step_until_the_peer_has_acknowledged() {
    let mut client = filtered().await;
    client.send(&opening()).await;
    let mut table = PeerTable::default();
    for number in 0..250 {
        let authority = match number % 5 {
            0 | 3 => ENCODED_PATH,
            1 => "localhost",
            _ => &format!("/{number}"),
        };
        let tag = format!("{:->60}", number / 3);
        let headers = [
            table.encode(0x41, "", ":authority", authority),
            table.encode(0x40, "x-tag", "x-tag", &tag),
        ];
        let block = [start(), headers.concat()].concat();
        client.send(&request(2 * number + 1, &block)).await;
        assert_eq!(client.answer().await, Answer::Complete, "request {number}");
    }
    assert!(table.evicted > 50, "{} entries were evicted", table.evicted);
}

/// Afterwards there is no table, though an encoder may go on asking for entries.
#[tokio::test]
async fn a_peer_that_has_acknowledged_has_no_table() {
    let mut client = filtered().await;
    client.send(&opening()).await;
    // `SETTINGS_HEADER_TABLE_SIZE`.
    assert!(
        client
            .settings()
            .await
            .chunks(6)
            .any(|setting| setting == [0, 1, 0, 0, 0, 0])
    );
    let tag = |number| literal(0x40, &plain("x-tag"), &format!("{number:->60}"));
    for number in 0..200 {
        let block = match number {
            0 => [start(), literal(0x41, &[], ""), tag(number)].concat(),
            1 => [vec![0x20], start(), literal(0x41, &[], ""), tag(number)].concat(),
            _ => [start(), literal(0x41, &[], ""), tag(number)].concat(),
        };
        client.send(&request(2 * number + 1, &block)).await;
        assert_eq!(client.answer().await, Answer::Complete, "request {number}");
        if number == 0 {
            client.acknowledge().await;
        }
    }
}

/// The bytes of a connection from its beginning on, and the number of requests in it.
fn connections() -> Vec<(&'static str, Vec<u8>, u32)> {
    let one = |authority: &[u8]| {
        let block = [&start()[..], authority].concat();
        [opening(), request(1, &block)].concat()
    };
    let two = |authority| {
        let first = [start(), literal(0x41, &[], authority)].concat();
        let second = [start(), vec![0xbe]].concat();
        [opening(), request(1, &first), request(3, &second)].concat()
    };
    let encoded = [start(), literal(0x41, &[], ENCODED_PATH)].concat();
    let spelt = |pattern| literal(pattern, &plain(":authority"), RAW_PATH);
    vec![
        ("localhost", one(&literal(0x41, &[], "localhost")), 1),
        ("an encoded path", one(&literal(0x41, &[], ENCODED_PATH)), 1),
        ("a raw path", one(&literal(0x41, &[], RAW_PATH)), 1),
        ("the static entry", one(&[0x81]), 1),
        ("empty, for the table", one(&literal(0x41, &[], "")), 1),
        (
            "Huffman coding",
            one(&[vec![0x41], huffman(ENCODED_PATH)].concat()),
            1,
        ),
        ("not indexed, with its name", one(&spelt(0x00)), 1),
        ("never indexed, with its name", one(&spelt(0x10)), 1),
        ("a reference to an encoded path", two(ENCODED_PATH), 2),
        ("a reference to an empty one", two(""), 2),
        ("continued", [opening(), continued(&encoded)].concat(), 1),
        ("padded", [opening(), padded(&encoded)].concat(), 1),
    ]
}

async fn filtered() -> Client {
    let (client, server) = UnixStream::pair().unwrap();
    serve(AuthorityFilter::new(server));
    Client::new(client)
}

/// Serves one connection until the test ends.
fn serve<IO>(connection: IO)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service =
        service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(String::new())));
    let mut builder = Builder::new(TokioExecutor::new());
    builder.header_table_size(0);
    tokio::spawn(builder.serve_connection(TokioIo::new(connection), service));
}
