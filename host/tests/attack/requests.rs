//! Requests that are well formed and that no kubelet sends: plausibility is checked before anything is copied.

use std::convert::Infallible;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sriovdp_proto::deviceplugin as dp;
use sriovdp_proto::deviceplugin::device_plugin_client::DevicePluginClient;
use sriovdp_proto::pluginregistration as reg;
use sriovdp_proto::pluginregistration::registration_client::RegistrationClient;
use tokio::net::UnixStream;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};

use crate::bounds::{Before, socket};
use crate::test_node::{CAPTURED, RegistrationMode, TestNode};

const CONFIG: &str = r#"{"resourceList": [
    {"resourceName": "a", "selectors": {"pfNames": ["eth2"]}},
    {"resourceName": "b", "selectors": {"pfNames": ["eth3"]}}
]}"#;
const GOOD: &str = "0000:41:10.0";

/// A connection that does not choose what it sends.
struct Peer(http2::SendRequest<Body>);

impl Peer {
    async fn connect(socket: &Path) -> Self {
        let stream = TokioIo::new(UnixStream::connect(socket).await.unwrap());
        let (requests, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        tokio::spawn(connection);
        Self(requests)
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Incoming>, hyper::Error>> + Send>>;

impl tower_service::Service<Request<Body>> for Peer {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

async fn allocate(socket: &Path, containers: Vec<Vec<String>>) -> Result<(), Status> {
    let peer = Peer::connect(socket).await;
    let mut client = DevicePluginClient::with_origin(peer, "http://localhost".parse().unwrap());
    let container = |devices_ids| dp::ContainerAllocateRequest { devices_ids };
    let request = dp::AllocateRequest {
        container_requests: containers.into_iter().map(container).collect(),
    };
    client.allocate(request).await.map(drop)
}

async fn preferred(socket: &Path, ids: Vec<String>) -> Result<(), Status> {
    let peer = Peer::connect(socket).await;
    let mut client = DevicePluginClient::with_origin(peer, "http://localhost".parse().unwrap());
    let container = dp::ContainerPreferredAllocationRequest {
        allocation_size: i32::MAX,
        available_device_i_ds: ids.clone(),
        must_include_device_i_ds: ids,
    };
    let request = dp::PreferredAllocationRequest {
        container_requests: vec![container],
    };
    client.get_preferred_allocation(request).await.map(drop)
}

async fn notify(socket: &Path, error: String) -> Result<(), Infallible> {
    let peer = Peer::connect(socket).await;
    let mut client = RegistrationClient::with_origin(peer, "http://localhost".parse().unwrap());
    let status = reg::RegistrationStatus {
        plugin_registered: false,
        error,
    };
    // A message that is too large is refused, any other one is taken.
    drop(client.notify_registration_status(status).await);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_up_to_the_limit_of_a_message() {
    let node = TestNode::with_config(CAPTURED, RegistrationMode::Watcher, CONFIG);
    let kubelet = node.kubelet().await;
    let mut daemon = node.daemon();
    for pool in ["intel.com/a", "intel.com/b"] {
        let registered = kubelet.wait_for(pool, |view| view.allocatable() > 0);
        registered.await.unwrap();
    }
    let other = kubelet.resource("intel.com/b").unwrap().devices;
    let other = other.first().unwrap().id.clone();
    let socket = socket(&node, "intel.com/a");
    let bodies: [(&str, Vec<Vec<String>>); 6] = [
        ("ids of one byte", vec![vec!["x".to_owned(); 1_390_000]]),
        (
            "one good id many times",
            vec![vec![GOOD.to_owned(); 290_000]],
        ),
        ("one good id twice", vec![vec![GOOD.to_owned(); 2]]),
        ("empty containers", vec![Vec::new(); 2_090_000]),
        (
            "one good id in many containers",
            vec![vec![GOOD.to_owned()]; 200_000],
        ),
        ("an id of a megabyte", vec![vec!["../\0\n".repeat(200_000)]]),
    ];
    for (name, containers) in bodies {
        let before = Before::of(&daemon);
        let begin = Instant::now();
        let other = [other.as_str()];
        let (refused, allocated) = tokio::join!(
            allocate(&socket, containers),
            kubelet.allocate("intel.com/b", &other)
        );
        let took = begin.elapsed();
        allocated.unwrap();
        let status = refused.expect_err(name);
        println!("{name}: {:?} after {took:?}", status.code());
        assert!(status.message().len() < 2_048, "{name}: a long answer");
        // The deadline of an Allocate, and as much again to send and read the body.
        assert!(took < Duration::from_secs(6), "{name}: {took:?}");
        before.compare(name, &socket).await;
        kubelet.allocate("intel.com/a", &[GOOD]).await.unwrap();
    }
    let before = Before::of(&daemon);
    // Advice may be refused or given; neither may cost much.
    let _ = preferred(&socket, vec!["x".to_owned(); 690_000]).await;
    before.compare("advice for ids of one byte", &socket).await;
    let before = Before::of(&daemon);
    for text in ["x".repeat(4_000_000), "forged\nline".to_owned()] {
        for _ in 0..60 {
            notify(&socket, text.clone()).await.unwrap();
        }
    }
    before.compare("long notifications", &socket).await;
    assert!(!daemon.log().contains("\nline"), "a forged line");
    assert!(daemon.log().len() < 1 << 20, "a long log");
    daemon.terminates_cleanly().await;
}
