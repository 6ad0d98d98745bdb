//! The devices that pods have, read from the kubelet at a scrape.
//!
//! The reconcile loop reads them only while an assignment depends on them, which may be long ago.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sriovdp_kubelet::{ContainerDevices, PodDevices};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// More frequent scrapes get the same answer.
const MAX_AGE: Duration = Duration::from_secs(10);

/// How long a scrape waits for the kubelet; shorter than clients of the local socket wait for their answer.
const WAIT: Duration = Duration::from_millis(500);

/// Whether there is a series for each device of a container, with the name of its pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodSeries {
    /// There is none.
    #[default]
    Off,
    /// There is one.
    On,
}

/// Reads them.
#[derive(Debug)]
pub struct AllocatedDevices {
    socket: PathBuf,
    checkpoint: PathBuf,
    pod_series: PodSeries,
    last: Mutex<Option<Reading>>,
}

#[derive(Debug)]
struct Reading {
    at: Instant,
    allocated: Arc<Allocated>,
}

/// The devices that pods have.
#[derive(Debug, Default)]
pub struct Allocated {
    /// Their number by resource; nothing when the kubelet does not answer, or not within [`WAIT`].
    pub by_resource: Option<BTreeMap<String, usize>>,
    /// Those of each container, with [`PodSeries::On`]; nothing in the same cases.
    pub containers: Option<Vec<ContainerDevices>>,
}

impl AllocatedDevices {
    /// From the pod resources API at `socket`; where that fails at once, their number is from the `checkpoint`, which has no
    /// names of pods.
    pub fn new(socket: PathBuf, checkpoint: PathBuf, pod_series: PodSeries) -> Self {
        Self {
            socket,
            checkpoint,
            pod_series,
            last: Mutex::new(None),
        }
    }

    /// The devices, at most [`MAX_AGE`] old.
    pub async fn read(&self) -> Arc<Allocated> {
        let mut last = self.last.lock().await;
        if let Some(reading) = &*last
            && reading.at.elapsed() < MAX_AGE
        {
            return Arc::clone(&reading.allocated);
        }
        let (by_resource, containers) = tokio::join!(
            tokio::time::timeout(WAIT, self.by_resource()),
            tokio::time::timeout(WAIT, self.containers()),
        );
        let allocated = Arc::new(Allocated {
            by_resource: by_resource.ok().flatten(),
            containers: containers.ok().flatten(),
        });
        *last = Some(Reading {
            at: Instant::now(),
            allocated: Arc::clone(&allocated),
        });
        allocated
    }

    async fn by_resource(&self) -> Option<BTreeMap<String, usize>> {
        // A node without either has no kubelet, which is not the same as one without pods.
        if !self.socket.exists() && !self.checkpoint.exists() {
            return None;
        }
        let read = PodDevices::read(&self.socket, &self.checkpoint).await;
        let devices = read.ok()?;
        let mut count = BTreeMap::new();
        for resource in devices.iter().flat_map(|(_, resources)| resources) {
            *count.entry(resource.clone()).or_default() += 1;
        }
        Some(count)
    }

    async fn containers(&self) -> Option<Vec<ContainerDevices>> {
        match self.pod_series {
            PodSeries::Off => None,
            PodSeries::On => ContainerDevices::list(&self.socket).await.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;

    #[tokio::test]
    async fn without_a_kubelet_no_number_is_known() {
        let directory = tempfile::tempdir().unwrap();
        let [socket, checkpoint] = ["kubelet.sock", "checkpoint"].map(|n| directory.path().join(n));
        let devices = AllocatedDevices::new(socket, checkpoint.clone(), PodSeries::Off);
        assert!(devices.by_resource().await.is_none());
        let text = r#"{"Data":{"PodDeviceEntries":null,"RegisteredDevices":{}},"Checksum":1}"#;
        std::fs::write(checkpoint, text).unwrap();
        assert!(devices.by_resource().await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_kubelet_that_hangs_delays_one_scrape_for_half_a_second() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("kubelet.sock");
        let _silent = UnixListener::bind(&socket).unwrap();
        let checkpoint = directory.path().join("checkpoint");
        let devices = AllocatedDevices::new(socket, checkpoint, PodSeries::On);
        for expected in [WAIT, Duration::ZERO] {
            let start = Instant::now();
            let allocated = devices.read().await;
            assert!(allocated.by_resource.is_none() && allocated.containers.is_none());
            assert_eq!(start.elapsed().as_millis(), expected.as_millis());
        }
    }
}
