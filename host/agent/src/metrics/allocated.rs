//! How many devices pods have, read from the kubelet when a scraper asks.
//!
//! The reconcile loop reads it only while an assignment depends on it, which may be long ago.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sriovdp_kubelet::PodDevices;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Scrapers that ask more often get the same answer.
const MAX_AGE: Duration = Duration::from_secs(10);

/// Reads it.
#[derive(Debug)]
pub struct AllocatedDevices {
    socket: PathBuf,
    checkpoint: PathBuf,
    last: Mutex<Option<(Instant, Arc<AllocatedByResource>)>>,
}

/// The number of devices by resource; nothing when the kubelet does not answer.
pub type AllocatedByResource = Option<BTreeMap<String, usize>>;

impl AllocatedDevices {
    /// From the pod resources API at `socket`, or else from the `checkpoint`.
    pub fn new(socket: PathBuf, checkpoint: PathBuf) -> Self {
        Self {
            socket,
            checkpoint,
            last: Mutex::new(None),
        }
    }

    /// The number of devices by resource, at most [`MAX_AGE`] old.
    pub async fn by_resource(&self) -> Arc<AllocatedByResource> {
        let mut last = self.last.lock().await;
        if let Some((at, allocated)) = &*last
            && at.elapsed() < MAX_AGE
        {
            return Arc::clone(allocated);
        }
        let devices = PodDevices::read(&self.socket, &self.checkpoint).await.ok();
        let allocated = Arc::new(devices.map(|devices| {
            let mut count = BTreeMap::new();
            for resource in devices.iter().flat_map(|(_, resources)| resources) {
                *count.entry(resource.clone()).or_default() += 1;
            }
            count
        }));
        *last = Some((Instant::now(), Arc::clone(&allocated)));
        allocated
    }
}
