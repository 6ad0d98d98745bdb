//! What changes while the daemon runs, and how long it takes until the kubelet has read of it.

mod files;
mod node;

use std::time::Instant;

use anyhow::Context;
pub(crate) use files::{a_configuration, a_device_type, an_extension};
pub(crate) use node::{a_link, a_new_function, subfunctions};
use sriovdp_fake_kubelet::{EventKind, FakeKubelet, ResourceView};

use crate::narration::pool;

/// A change that is about to be made.
struct Change<'a> {
    kubelet: &'a FakeKubelet,
    /// How many events the kubelet had seen before it.
    seen: usize,
    began: Instant,
}

impl<'a> Change<'a> {
    fn begins(kubelet: &'a FakeKubelet) -> Self {
        Self {
            kubelet,
            seen: kubelet.journal().len(),
            began: Instant::now(),
        }
    }

    /// Waits until the kubelet has a pool as wanted, and prints the pool and when its message came.
    async fn arrives(
        &self,
        name: &str,
        wanted: impl Fn(&ResourceView) -> bool,
    ) -> anyhow::Result<()> {
        let view = self.kubelet.wait_for(name, wanted).await?;
        pool(name, &view);
        let message = self.kubelet.journal().into_iter().skip(self.seen).rfind(
            |event| matches!(&event.kind, EventKind::Listed { resource, .. } if resource == name),
        );
        let message = message.with_context(|| format!("no message has `{name}`"))?;
        let took = message.at.duration_since(self.began);
        println!(
            "  on the kubelet's stream {} ms after the change",
            took.as_millis()
        );
        Ok(())
    }
}
