//! Changes of the kubelet's directories, as one task waits for them.

use tokio::sync::watch;

/// Wakes a task when the kubelet's directories may have changed.
#[derive(Clone, Debug)]
pub struct DirectoryChanges(watch::Receiver<u64>);

impl DirectoryChanges {
    /// Follows a counter that rises with each change below `device-plugins` and `plugins_registry`, and now and then
    /// without one, because not every change of a directory has an event.
    pub fn new(counter: watch::Receiver<u64>) -> Self {
        Self(counter)
    }

    /// Returns after the next change, and never once the counter's sender is dropped.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn there_is_no_change_after_the_sender() {
        let (sender, counter) = watch::channel(0);
        let mut changes = DirectoryChanges::new(counter);
        sender.send_modify(|count| *count += 1);
        changes.next().await;
        drop(sender);
        let next = tokio::time::timeout(Duration::from_secs(3600), changes.next());
        assert!(next.await.is_err());
    }
}
