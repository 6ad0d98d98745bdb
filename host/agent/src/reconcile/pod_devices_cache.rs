//! The devices that pods have, as the loop last read them from the kubelet, and when it reads them again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::host_paths::HostPaths;
use sriovdp_kubelet::{PodDevices, PodResourcesError};
use sriovdp_report::inline;

/// How old they may be in a reconcile while the assignment depends on them.
const STALE: Duration = Duration::from_secs(5);
/// When they trigger a reconcile while the assignment depends on them, or after they could not be read.
const OUTDATED: Duration = Duration::from_secs(60);

/// Why a reconcile needs to know which devices pods have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    /// A device joins or leaves a pool.
    MembershipChange,
    /// A removed device stays until its pod ends.
    EndOfPod,
    /// Nothing has changed.
    None,
}

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
    /// Those that were read last, or nothing before the first time.
    pub(super) fn known(&self) -> Option<&Arc<PodDevices>> {
        self.known.then_some(&self.devices)
    }

    pub(super) fn get(&self) -> &Arc<PodDevices> {
        &self.devices
    }

    /// Whether a reconcile at `now` has to read them: when they are not known yet, and otherwise by `need`, or at
    /// intervals while the assignment depends on them or they cannot be read.
    pub(super) fn refresh_due(&self, now: Instant, need: Need) -> bool {
        let is_stale = || self.tried.is_none_or(|tried| now >= tried + STALE);
        !self.known
            || match need {
                Need::MembershipChange => true,
                Need::EndOfPod => is_stale(),
                Need::None => (self.is_relevant || self.failure.is_some()) && is_stale(),
            }
    }

    /// Sets whether the assignment depends on them.
    pub(super) fn set_relevant(&mut self, is_relevant: bool) {
        self.is_relevant = is_relevant;
    }

    /// When to reconcile because of them.
    pub(super) fn requeue_at(&self) -> Option<Instant> {
        let tried = self.tried?;
        match self.failure {
            // Pools may lack devices that pods have.
            Some(_) if !self.known => Some(tried + STALE),
            None if !self.is_relevant => None,
            _ => Some(tried + OUTDATED),
        }
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
        assert!(cache.refresh_due(start, Need::None), "not known yet");
        cache.known = true;
        cache.tried = Some(start);
        let later = start + Duration::from_secs(4);
        assert!(!cache.refresh_due(later, Need::EndOfPod));
        assert!(cache.refresh_due(later, Need::MembershipChange));
        let much_later = start + STALE;
        assert!(cache.refresh_due(much_later, Need::EndOfPod));
        assert!(!cache.refresh_due(much_later, Need::None));
        assert_eq!(cache.requeue_at(), None);
        cache.set_relevant(true);
        assert!(!cache.refresh_due(later, Need::None));
        assert!(cache.refresh_due(much_later, Need::None));
        assert_eq!(cache.requeue_at(), Some(start + OUTDATED));
    }

    #[test]
    fn they_are_read_again_after_a_failure() {
        let start = Instant::now();
        let mut cache = PodDevicesCache {
            tried: Some(start),
            failure: Some("no answer".to_owned()),
            ..PodDevicesCache::default()
        };
        assert_eq!(cache.requeue_at(), Some(start + STALE));
        cache.known = true;
        assert_eq!(cache.requeue_at(), Some(start + OUTDATED));
        assert!(cache.refresh_due(start + OUTDATED, Need::None));
        cache.failure = None;
        assert!(!cache.refresh_due(start + OUTDATED, Need::None));
        assert_eq!(cache.requeue_at(), None);
    }
}
