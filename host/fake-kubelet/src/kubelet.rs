//! The fake kubelet: start, stop, and queries.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sriovdp_proto::deviceplugin::registration_server::RegistrationServer;
use tokio::net::UnixListener;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use crate::config::{Config, KubeletVersion};
use crate::connection::Connection;
use crate::device_manager::RegistrationService;
use crate::error::Error;
use crate::journal::{Event, EventKind};
use crate::node::{self, Node};
use crate::pods;
use crate::process::Process;
use crate::program::{Boot, Program};
use crate::shared::{Shared, lock};
use crate::state::DeviceManagerState;
use crate::view::{ResourceView, Timeout};
use crate::watcher::Watcher;

/// How long a program may take to start, which needs some milliseconds on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A kubelet's device manager and plugin watcher over a directory that stands for the node.
///
/// Dropping it kills it. Views and the journal outlive a [`restart`](Self::restart).
#[derive(Debug)]
pub struct FakeKubelet {
    pub(crate) shared: Arc<Shared>,
    version: KubeletVersion,
    watcher: bool,
    pod_resources: bool,
    process: Mutex<Option<Process>>,
    device_manager: Option<PathBuf>,
    program: Mutex<Option<Arc<Program>>>,
}

impl FakeKubelet {
    /// Starts a kubelet. Like the real one it removes the sockets in `device-plugins` before it creates its own.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let kubelet = Self {
            device_manager: config.device_manager.clone(),
            program: Mutex::new(None),
            version: config.version,
            watcher: config.watcher,
            pod_resources: config.pod_resources,
            shared: Arc::new(Shared::new(config)),
            process: Mutex::new(None),
        };
        kubelet.start_and_wait().await?;
        Ok(kubelet)
    }

    /// Kills the kubelet: every connection breaks, and its socket stays without a listener.
    pub async fn stop(&self) {
        let program = lock(&self.program).take();
        if let Some(program) = program {
            program.kill();
            self.shared.update(DeviceManagerState::killed);
        }
        let process = self.process().take();
        if let Some(process) = process {
            process.kill();
            process.ended().await;
            self.shared.update(DeviceManagerState::killed);
        }
    }

    /// Starts a stopped kubelet, with its resources but without their devices.
    ///
    /// Its socket is a new one, but as the old one is removed just before, many file systems give it the same inode
    /// number, as on real nodes: a plugin that compares inode numbers only misses restarts.
    ///
    /// A program has only begun to start when this returns.
    pub fn start_again(&self) -> Result<(), Error> {
        if let Some(program) = &self.device_manager {
            return self.start_program(program);
        }
        let mut running = self.process();
        if running.is_some() {
            return Ok(());
        }
        let node = &self.shared.node;
        node::create_directory(&node.device_plugins())?;
        match self.version {
            KubeletVersion::V1_32 => node::remove_files(&node.device_plugins())?,
            _ => node::remove_sockets(&node.device_plugins())?,
        }
        let process = Process::default();
        let path = node.kubelet_socket();
        let listener =
            UnixListener::bind(&path).map_err(|source| Error::Listen { path, source })?;
        // After a failure from here on, the kubelet can be stopped.
        *running = Some(process.clone());
        self.shared.update(DeviceManagerState::started);
        process.spawn(serve(Arc::clone(&self.shared), process.clone(), listener));
        if self.pod_resources {
            pods::serve(Arc::clone(&self.shared), &process)?;
        }
        if self.watcher {
            node::create_directory(&node.plugins_registry())?;
            let watcher = Watcher::open(Arc::clone(&self.shared), process.clone())?;
            process.spawn(watcher.run());
        }
        Ok(())
    }

    /// Kills the kubelet and starts it again.
    pub async fn restart(&self) -> Result<(), Error> {
        self.stop().await;
        self.start_and_wait().await
    }

    pub(crate) async fn start_and_wait(&self) -> Result<(), Error> {
        let is_start = |event: &&Event| event.kind == EventKind::Started;
        let starts = || self.journal().iter().filter(is_start).count();
        let before = starts();
        self.start_again()?;
        let started = || (starts() > before).then_some(());
        let started = self.shared.when_within(START_TIMEOUT, started);
        started.await.ok_or(Error::NoStart)
    }

    fn start_program(&self, program: &Path) -> Result<(), Error> {
        let mut running = lock(&self.program);
        if running.is_some() {
            return Ok(());
        }
        self.shared.update(DeviceManagerState::forget_devices);
        let boot = Boot {
            pods: self.shared.state().pods.living(),
            watcher: self.watcher,
            pod_resources: self.pod_resources,
        };
        *running = Some(Arc::new(Program::start(&self.shared, program, &boot)?));
        Ok(())
    }

    /// The program of the device manager, if there is one and it runs.
    pub(crate) fn program(&self) -> Option<Arc<Program>> {
        lock(&self.program).clone()
    }

    /// The version of the kubelet whose device manager runs as a program.
    pub fn program_version(&self) -> Option<String> {
        self.shared.state().program_version.clone()
    }

    /// The node's paths.
    pub fn node(&self) -> &Node {
        &self.shared.node
    }

    /// The resource as it is now, if it was ever registered.
    pub fn resource(&self, name: &str) -> Option<ResourceView> {
        self.shared.state().view(name).cloned()
    }

    /// Waits until a resource is registered and fulfils a condition.
    pub async fn wait_for(
        &self,
        name: &str,
        wanted: impl Fn(&ResourceView) -> bool,
    ) -> Result<ResourceView, Timeout> {
        let found = self.shared.when(|| self.resource(name).filter(&wanted));
        found.await.ok_or_else(|| {
            let last = self.resource(name);
            let awaited = match last {
                Some(_) => format!("such state of `{name}`"),
                None => format!("registration of `{name}`"),
            };
            Timeout {
                last,
                ..self.timeout(awaited)
            }
        })
    }

    /// Waits for an event, including past ones.
    pub async fn wait_for_event(&self, wanted: impl Fn(&Event) -> bool) -> Result<Event, Timeout> {
        let found = self
            .shared
            .when(|| self.journal().into_iter().find(&wanted));
        found
            .await
            .ok_or_else(|| self.timeout("such event".to_owned()))
    }

    /// Waits for events after the first `seen` ones, without a timeout.
    pub async fn events_after(&self, seen: usize) -> Vec<Event> {
        let mut changes = self.shared.changes();
        loop {
            let mut events = self.journal();
            if events.len() > seen {
                return events.split_off(seen);
            }
            // Cannot fail: the sender is in `self`.
            let _ = changes.changed().await;
        }
    }

    /// All events, in order.
    pub fn journal(&self) -> Vec<Event> {
        self.shared.state().journal.events.clone()
    }

    /// The violations of rules, in order. Not all have consequences in every kubelet.
    pub fn violations(&self) -> Vec<String> {
        self.shared.state().journal.violations.clone()
    }

    /// The number of calls for pod resources.
    pub fn pod_resources_calls(&self) -> usize {
        self.shared.state().pod_resources_calls
    }

    fn timeout(&self, awaited: String) -> Timeout {
        Timeout {
            awaited,
            waited: self.shared.timing.wait_timeout,
            last: None,
            journal: self.journal(),
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        lock(&self.process)
    }
}

impl Drop for FakeKubelet {
    fn drop(&mut self) {
        if let Some(process) = self.process().take() {
            process.kill();
        }
    }
}

async fn serve(shared: Arc<Shared>, process: Process, listener: UnixListener) {
    let connections = UnixListenerStream::new(listener)
        .map(|accepted| accepted.map(|stream| Connection::accepted(&process, stream)));
    let registration = RegistrationServer::new(RegistrationService {
        shared,
        process: process.clone(),
    });
    // Ends with the process; a listener's failures are its clients' to notice.
    let _ = Server::builder()
        .serve_with_incoming(registration, connections)
        .await;
}
