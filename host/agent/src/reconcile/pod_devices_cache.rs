//! The devices that pods have, as the loop last read them from the kubelet, and when it reads them again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::host_paths::HostPaths;
use sriovdp_kubelet::{PodDevices, PodResourcesError};
use sriovdp_report::inline;

/// How old they may be in a reconcile while the assignment depends on them.
const STALE: Duration = Duration::from_secs(5);
/// When they trigger a reconcile while the assignment depends on them.
const OUTDATED: Duration = Duration::from_secs(60);

/// The pod devices.
#[derive(Debug, Default)]
pub(super) struct PodDevicesCache {
    devices: Arc<PodDevices>,
    /// They were read at least once.
    known: bool,
    /// Without them, some device would be assigned otherwise.
    is_relevant: bool,
    tried: Option<Instant>,
    failure: Option<String>,
}

impl PodDevicesCache {
    pub(super) fn get(&self) -> &Arc<PodDevices> {
        &self.devices
    }

    /// Whether a reconcile at `now` has to read them: when they are not known yet, when a device joins or leaves a pool,
    /// and at intervals while the assignment depends on them or a removed device `waits` for the end of its pod.
    pub(super) fn refresh_due(&self, now: Instant, membership_changes: bool, waits: bool) -> bool {
        let is_stale = || self.tried.is_none_or(|tried| now >= tried + STALE);
        !self.known || membership_changes || ((waits || self.is_relevant) && is_stale())
    }

    /// Sets whether the assignment depends on them.
    pub(super) fn set_relevant(&mut self, is_relevant: bool) {
        self.is_relevant = is_relevant;
    }

    /// When to reconcile because of them.
    pub(super) fn requeue_at(&self) -> Option<Instant> {
        let tried = self.tried.filter(|_| self.is_relevant)?;
        Some(tried + OUTDATED)
    }

    /// Reads them. The previous ones stay when that fails.
    pub(super) async fn read(&mut self, tree: &HostPaths, now: Instant) {
        self.tried = Some(now);
        self.failure = match read(tree).await {
            Ok(devices) => {
                self.devices = Arc::new(devices);
                self.known = true;
                None
            }
            Err(error) => Some(inline(&error)),
        };
    }

    /// Why the last attempt to read them failed.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }
}

async fn read(tree: &HostPaths) -> Result<PodDevices, PodResourcesError> {
    let socket = tree.below_root(tree.pod_resources_socket());
    PodDevices::read(&socket, &tree.below_root(tree.checkpoint())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_when_the_assignment_depends_on_them() {
        let start = Instant::now();
        let mut cache = PodDevicesCache::default();
        assert!(cache.refresh_due(start, false, false), "not known yet");
        cache.known = true;
        cache.tried = Some(start);
        let later = start + Duration::from_secs(4);
        assert!(!cache.refresh_due(later, false, true));
        assert!(cache.refresh_due(later, true, false));
        let much_later = start + STALE;
        assert!(cache.refresh_due(much_later, false, true));
        assert!(!cache.refresh_due(much_later, false, false));
        assert_eq!(cache.requeue_at(), None);
        cache.set_relevant(true);
        assert!(!cache.refresh_due(later, false, false));
        assert!(cache.refresh_due(much_later, false, false));
        assert_eq!(cache.requeue_at(), Some(start + OUTDATED));
    }
}
