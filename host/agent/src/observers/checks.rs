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

    /// Probes of a rollout query this: a release that offers none of the resources is not ready.
    pub(crate) fn registration(&self) -> RegisteredResources {
        let pools = self.pools.as_deref().unwrap_or_default();
        let (registered, others): (Vec<&PoolStatus>, Vec<_>) = pools
            .iter()
            .partition(|pool| pool.registration.borrow().is_registered());
        let has_configuration = self.configuration.accepted.is_some();
        let others = others.into_iter().map(PoolStatus::resource);
        let unregistered: Vec<String> = others.chain(self.pending.iter().cloned()).collect();
        let has_some = !pools.is_empty() || self.refused.is_empty();
        RegisteredResources {
            ready: has_configuration && unregistered.is_empty() && has_some,
            registered_count: registered.len(),
            total_count: pools.len() + self.pending.len(),
            unregistered,
            refused_count: self.refused.len(),
            has_configuration,
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

    #[test]
    fn a_daemon_without_any_of_its_resources_is_not_ready() {
        let names = |count| (0..count).map(|n| format!("x.org/{n}")).collect();
        let summary = |accepted: bool, refused, pending| {
            let mut status = DaemonStatus {
                pools: Some(Vec::new()),
                refused: names(refused),
                pending: names(pending),
                ..DaemonStatus::default()
            };
            status.configuration.accepted = accepted.then(std::time::SystemTime::now);
            let answer = status.registration();
            (answer.ready, answer.summary())
        };
        for (accepted, refused, pending, is_ready, text) in [
            (false, 0, 0, false, "no configuration is applied"),
            (true, 0, 0, true, "registered (0/0 resources)"),
            (
                true,
                2,
                0,
                false,
                "every resource is refused (0/0 resources, 2 refused)",
            ),
            (true, 0, 1, false, "not registered: x.org/0 (0/1 resources)"),
        ] {
            let expected = (is_ready, text.to_owned());
            assert_eq!(summary(accepted, refused, pending), expected);
        }
    }
}
