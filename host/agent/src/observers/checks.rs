//! The checks of probes, answered from the status.

use std::time::Duration;

use tokio::time::Instant;

use super::{Liveness, Readiness, RegisteredResources};
use crate::status::{DaemonStatus, PoolStatus};

/// Longer than any reconcile of slow providers, which a restart would only repeat: with CDI, one calls Allocate once for
/// each device of each changed pool. Every call has a timeout, and a provider that exceeds it is not called again.
const STUCK_AFTER: Duration = Duration::from_secs(600);

impl DaemonStatus {
    /// That an answer arrives at all shows that the runtime works.
    pub(crate) fn liveness(&self, now: Instant) -> Liveness {
        let is_stuck = self
            .reconciling_since
            .is_some_and(|since| now.duration_since(since) > STUCK_AFTER);
        let status = if is_stuck { "stuck" } else { "alive" };
        Liveness {
            status: status.to_owned(),
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        let pools = self.pools.as_deref().unwrap_or_default();
        let healthy_count = pools.iter().map(PoolStatus::healthy).sum();
        Readiness {
            ready: healthy_count > 0,
            healthy_count,
            total_count: pools.iter().map(PoolStatus::devices).sum(),
            healthy_servers: pools.iter().filter(|pool| pool.healthy() > 0).count(),
        }
    }

    pub(crate) fn registration(&self) -> RegisteredResources {
        let pools = self.pools.as_deref().unwrap_or_default();
        let (registered, others): (Vec<&PoolStatus>, Vec<_>) = pools
            .iter()
            .partition(|pool| pool.registration.borrow().is_registered());
        RegisteredResources {
            ready: self.pools.is_some() && others.is_empty(),
            registered_count: registered.len(),
            total_count: pools.len(),
            unregistered: others.into_iter().map(PoolStatus::resource).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reconcile_without_end_is_no_life() {
        let now = Instant::now();
        let status = |since| DaemonStatus {
            reconciling_since: since,
            ..DaemonStatus::default()
        };
        assert_eq!(status(None).liveness(now).status, "alive");
        assert_eq!(
            status(Some(now)).liveness(now + STUCK_AFTER).status,
            "alive"
        );
        let later = now + STUCK_AFTER + Duration::from_secs(1);
        assert_eq!(status(Some(now)).liveness(later).status, "stuck");
    }
}
