//! The backoff between registrations, by a clock that stands still.

use std::sync::Arc;

use sriovdp_proto::deviceplugin::device_plugin_client::DevicePluginClient;
use sriovdp_proto::deviceplugin::{AllocateRequest, AllocateResponse};
use tokio::sync::{Semaphore, mpsc};
use tonic::{Status, async_trait};

use super::*;
use crate::http2;
use crate::paths::KubeletDirectory;
use crate::plugin::{Device, DeviceList, DevicePlugin, Devices};
use crate::socket::is_listening;

/// A kubelet that cannot be registered with.
struct Failing {
    attempts: mpsc::UnboundedSender<Instant>,
    kubelets: watch::Receiver<u32>,
}

impl Registration for Failing {
    async fn ready(&mut self, _: &RegistrationLog) {
        self.kubelets.mark_unchanged();
    }

    async fn register(&mut self, _: &mut RegistrationLog) -> Result<Server, RegisterError> {
        self.attempts.send(Instant::now()).unwrap();
        Err(RegisterError::Refused("not now".to_owned()))
    }

    fn check(&mut self, _: &Server, _: Streams) -> Result<Option<Instant>, Lost> {
        unreachable!("it is never registered")
    }

    fn notified(&mut self, _: Notification, _: &mut RegistrationLog) {}

    async fn kubelet_started(&mut self) {
        self.kubelets.changed().await.unwrap();
    }
}

/// A kubelet that accepts each registration, and never opens a stream.
struct Silent {
    attempts: mpsc::UnboundedSender<Instant>,
    directory: KubeletDirectory,
    stream_by: Instant,
}

#[derive(Debug)]
struct NoDevices;

impl Devices for NoDevices {
    fn iter(&self) -> Box<dyn Iterator<Item = Device<'_>> + '_> {
        Box::new(std::iter::empty())
    }
}

#[async_trait]
impl DevicePlugin for NoDevices {
    fn devices(&self) -> watch::Receiver<DeviceList> {
        watch::channel(DeviceList::new(Arc::new(Self))).1
    }

    async fn allocate(&self, _: AllocateRequest) -> Result<AllocateResponse, Status> {
        Err(Status::unimplemented(""))
    }
}

impl Registration for Silent {
    async fn ready(&mut self, _: &RegistrationLog) {}

    async fn register(&mut self, log: &mut RegistrationLog) -> Result<Server, RegisterError> {
        let now = Instant::now();
        self.attempts.send(now).unwrap();
        self.stream_by = now + STABLE_AFTER * 2;
        let plugin: Arc<dyn DevicePlugin> = Arc::new(NoDevices);
        let server = Server::start(&self.directory, "x.sock", "example.com/x", &plugin).await;
        log.registered();
        server.map_err(|error| RegisterError::Listen(self.directory.path.clone(), error))
    }

    fn check(&mut self, _: &Server, _: Streams) -> Result<Option<Instant>, Lost> {
        match Instant::now() < self.stream_by {
            true => Ok(Some(self.stream_by)),
            false => Err(Lost::NoStream),
        }
    }

    fn notified(&mut self, _: Notification, _: &mut RegistrationLog) {}

    async fn kubelet_started(&mut self) {
        std::future::pending().await
    }
}

/// Responds to `Allocate` with a permit.
#[derive(Debug)]
struct Slow {
    began: mpsc::UnboundedSender<()>,
    permits: Semaphore,
}

#[async_trait]
impl DevicePlugin for Slow {
    fn devices(&self) -> watch::Receiver<DeviceList> {
        NoDevices.devices()
    }

    async fn allocate(&self, _: AllocateRequest) -> Result<AllocateResponse, Status> {
        self.began.send(()).unwrap();
        let _permit = self.permits.acquire().await.unwrap();
        Ok(AllocateResponse::default())
    }
}

/// Another instance that finds no listening socket registers, and a kubelet up to 1.36 takes the end of a stream that is
/// still open for that of the new one.
#[tokio::test]
async fn a_server_that_stops_listens_until_its_calls_have_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.sock");
    let directory = KubeletDirectory {
        path: directory.path().to_owned(),
        host_path: directory.path().to_owned(),
    };
    let (began, mut calls) = mpsc::unbounded_channel();
    let permits = Semaphore::new(0);
    let slow = Arc::new(Slow { began, permits });
    let plugin: Arc<dyn DevicePlugin> = Arc::clone(&slow) as _;
    let server = Server::start(&directory, "x.sock", "example.com/x", &plugin);
    let server = server.await.unwrap();
    let call = http2::connect(&path, |channel| async {
        let mut client = DevicePluginClient::with_origin(channel, http2::localhost());
        client.allocate(AllocateRequest::default()).await
    });
    let stop = async {
        calls.recv().await.unwrap();
        let stopping = tokio::spawn(server.stop());
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(is_listening(&path).await);
        slow.permits.add_permits(1);
        stopping.await.unwrap();
        assert!(!path.exists());
    };
    let (response, ()) = tokio::join!(call, stop);
    response.unwrap().unwrap();
}

/// However long each registration lasts without a stream, the backoff grows.
#[tokio::test(start_paused = true)]
async fn registrations_without_a_stream_back_off() {
    let directory = tempfile::tempdir().unwrap();
    let (attempts, mut attempted) = mpsc::unbounded_channel();
    let (_directories, changes) = watch::channel(0);
    let stop = CancellationToken::new();
    let silent = Silent {
        attempts,
        directory: KubeletDirectory {
            path: directory.path().to_owned(),
            host_path: directory.path().to_owned(),
        },
        stream_by: Instant::now(),
    };
    let registering = tokio::spawn(keep_registered(
        silent,
        DirectoryChanges::new(changes),
        Backoff::new(1),
        RegistrationLog::new(watch::channel(RegistrationStatus::default()).0),
        stop.clone(),
    ));
    let mut last = attempted.recv().await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..8 {
        let now = attempted.recv().await.unwrap();
        waits.push(now - last);
        last = now;
    }
    assert!(waits[0] > STABLE_AFTER * 2, "{waits:?}");
    assert!(waits.is_sorted_by(|a, b| a < b), "{waits:?}");
    stop.cancel();
    registering.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_kubelet_ends_the_backoff() {
    let (attempts, mut attempted) = mpsc::unbounded_channel();
    let (new_kubelet, kubelets) = watch::channel(0);
    let (_directories, changes) = watch::channel(0);
    let stop = CancellationToken::new();
    let registering = tokio::spawn(keep_registered(
        Failing { attempts, kubelets },
        DirectoryChanges::new(changes),
        Backoff::new(1),
        RegistrationLog::new(watch::channel(RegistrationStatus::default()).0),
        stop.clone(),
    ));
    let mut last = attempted.recv().await.unwrap();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let now = attempted.recv().await.unwrap();
        waits.push(now - last);
        last = now;
    }
    assert!(waits.is_sorted_by(|a, b| a < b), "{waits:?}");
    new_kubelet.send(1).unwrap();
    assert_eq!(attempted.recv().await.unwrap(), last, "at once");
    let again = attempted.recv().await.unwrap();
    assert!(again - last <= waits[0] * 2, "the backoff is reset");
    stop.cancel();
    registering.await.unwrap();
}
