//! Which of the offered pools have a task that serves them: as many as there are file descriptors for.

use std::sync::Arc;

use sriovdp_kubelet::ResourceServer;
use tracing::{Instrument, error_span};

use super::ResourceServers;
use crate::config::ResourceName;
use crate::device_plugin::{PoolPlugin, kubelet_paths};
use crate::reconcile::log_on_change::LogOnChange;

/// More names in one log line help no reader.
const MOST_NAMED: usize = 100;

impl ResourceServers {
    /// Serves the pools that are not served yet in the order of `names`, as far as there are descriptors for them, and
    /// names the others.
    pub(super) fn serve(&mut self, names: &[ResourceName], saying: &mut LogOnChange) {
        let Some(kubelet) = &self.kubelet else { return };
        let mut served = self.pools.values().filter(|pool| pool.is_served).count();
        let mut rest = Vec::new();
        for name in names {
            let Some(pool) = self.pools.get_mut(name).filter(|pool| !pool.is_served) else {
                continue;
            };
            if served == self.most_served {
                rest.push(name.to_string());
                continue;
            }
            let plugin = PoolPlugin {
                pool: pool.state.subscribe(),
                devices: pool.devices.subscribe(),
                cdi: pool.cdi.subscribe(),
                device_info: self.tree.device_info(),
                in_flight: pool.in_flight.clone(),
            };
            let server = ResourceServer {
                resource: name.to_string(),
                plugin: Arc::new(plugin),
                paths: kubelet_paths(&self.tree),
                changes: kubelet.directory_changes.clone(),
            };
            let run = server.run(kubelet.mode, pool.stop.clone());
            self.tasks
                .spawn(run.instrument(error_span!("pool", resource = %name)));
            pool.is_served = true;
            served += 1;
        }
        if !rest.is_empty() {
            let more = rest.len().saturating_sub(MOST_NAMED);
            rest.truncate(MOST_NAMED);
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            saying.error(format!(
                "too few file descriptors: {served} resources are served, and these are not: {}{more} (hint: raise the \
                 hard limit on open files)",
                rest.join(", ")
            ));
        }
    }
}
