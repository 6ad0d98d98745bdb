//! The kubelet's books as the loop last read them, and when it reads them again.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::host_paths::HostPaths;
use sriovdp_kubelet::{PodDevices, PodResourcesError};
use sriovdp_report::inline;

/// While a device is where it is for its pod's sake, a look that happens anyway also asks after the pod, this seldom.
const STALE: Duration = Duration::from_secs(5);
/// And this is when there is a look for it, whatever else happens.
const OUTDATED: Duration = Duration::from_secs(60);

/// Which devices pods have.
#[derive(Debug, Default)]
pub(super) struct PodDevicesCache {
    held: Arc<PodDevices>,
    /// They were read at least once.
    known: bool,
    /// Without them, some device would be in another pool, in one at all, or in none.
    matter: bool,
    tried: Option<Instant>,
    failure: Option<String>,
}

impl PodDevicesCache {
    pub(super) fn held(&self) -> &Arc<PodDevices> {
        &self.held
    }

    /// Whether a look at `now` has to read them: because nothing is known yet, because a device joins or leaves a
    /// pool, or, now and then, because one is where it is for its pod's sake, or `waits` for a pod's end. Mostly nothing
    /// of that is so.
    pub(super) fn refresh_due(&self, now: Instant, membership_changes: bool, waits: bool) -> bool {
        let is_stale = || self.tried.is_none_or(|tried| now >= tried + STALE);
        !self.known || membership_changes || ((waits || self.matter) && is_stale())
    }

    /// What the look that has just divided the devices found out.
    pub(super) fn set_relevant(&mut self, matter: bool) {
        self.matter = matter;
    }

    /// When to ask again whether the pods are still there.
    pub(super) fn requeue_at(&self) -> Option<Instant> {
        let tried = self.tried.filter(|_| self.matter)?;
        Some(tried + OUTDATED)
    }

    /// Reads them. What was known before stays when that fails.
    pub(super) async fn read(&mut self, tree: &HostPaths, now: Instant) {
        self.tried = Some(now);
        self.failure = match read(tree).await {
            Ok(held) => {
                self.held = Arc::new(held);
                self.known = true;
                None
            }
            Err(error) => Some(inline(&error)),
        };
    }

    /// Why the last attempt to read them failed. Every reconcile says it until one succeeds, so that the log has it
    /// once.
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
    fn they_are_read_when_something_depends_on_them() {
        let start = Instant::now();
        let mut books = PodDevicesCache::default();
        assert!(books.refresh_due(start, false, false), "nothing is known");
        books.known = true;
        books.tried = Some(start);
        let later = start + Duration::from_secs(4);
        assert!(!books.refresh_due(later, false, true));
        assert!(books.refresh_due(later, true, false));
        let much_later = start + STALE;
        assert!(books.refresh_due(much_later, false, true));
        assert!(!books.refresh_due(much_later, false, false));
        assert_eq!(books.requeue_at(), None);
        books.set_relevant(true);
        assert!(!books.refresh_due(later, false, false));
        assert!(books.refresh_due(much_later, false, false));
        assert_eq!(books.requeue_at(), Some(start + OUTDATED));
    }
}
