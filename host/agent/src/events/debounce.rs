//! Debouncing: how soon a reconcile follows an event, and how reconciles are spaced in a burst of events.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::PendingChanges;

/// One change of a device causes several events; they have settled after this long without another one.
const SETTLE: Duration = Duration::from_millis(10);
/// Without such a pause, a reconcile follows the first event after this long.
const MAX_SETTLE: Duration = Duration::from_millis(100);
/// Files change in bursts (a new ConfigMap is a directory, two links and a rename), so a reconcile waits this long.
const FILES_SETTLE: Duration = Duration::from_millis(100);
/// After a reconcile, the next one for events waits for this many times its CPU time: creating thousands of VFs sends
/// events for seconds, and reconciles must not occupy a CPU meanwhile. Waiting for the kernel does not count.
const COOLDOWN: u32 = 4;
/// The longest cooldown.
const MAX_COOLDOWN: Duration = Duration::from_secs(1);

/// The cooldowns of the last reconciles, one for each extent: an incremental reconcile takes a moment, so it does not
/// wait for the cooldown of a full one, unless a changed file does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Debounce {
    incremental_until: Option<Instant>,
    full_until: Option<Instant>,
}

impl Debounce {
    /// An incremental reconcile has `ended`, after so much CPU time.
    pub fn reconciled_functions(&mut self, ended: Instant, cpu_time: Duration) {
        self.incremental_until = Some(cooldown_end(ended, cpu_time));
    }

    /// A full reconcile has `ended`, after so much CPU time.
    pub fn reconciled_everything(&mut self, ended: Instant, cpu_time: Duration) {
        self.full_until = Some(cooldown_end(ended, cpu_time));
    }

    /// After a first change of a file, waits until the files have settled and the cooldown is over.
    pub async fn settle_files(&self) {
        let settled = Instant::now() + FILES_SETTLE;
        let due = self.full_until.map_or(settled, |until| settled.max(until));
        tokio::time::sleep_until(due).await;
    }

    /// After a first event, waits until the events have settled and the cooldown is over.
    pub async fn settle(&self, changes: &mut watch::Receiver<PendingChanges>) {
        let first = Instant::now();
        let mut last = first;
        loop {
            let is_incremental = changes.borrow().names_functions_only();
            let cooldown = if is_incremental {
                self.incremental_until
            } else {
                self.full_until
            };
            let settled = (last + SETTLE).min(first + MAX_SETTLE);
            let due = cooldown.map_or(settled, |until| settled.max(until));
            tokio::select! {
                () = tokio::time::sleep_until(due) => return,
                Ok(()) = changes.changed() => last = Instant::now(),
            }
        }
    }
}

fn cooldown_end(ended: Instant, cpu_time: Duration) -> Instant {
    ended + (cpu_time * COOLDOWN).min(MAX_COOLDOWN)
}

#[cfg(test)]
mod tests {
    use sriovdp_sdk::PciAddress;

    use super::*;
    use crate::events::ChangeScope;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[tokio::test(start_paused = true)]
    async fn one_event_settles_at_once() {
        let (events, mut changes) = watch::channel(PendingChanges::default());
        let begin = Instant::now();
        events.send_modify(|_| {});
        changes.changed().await.unwrap();
        Debounce::default().settle(&mut changes).await;
        assert_eq!(begin.elapsed(), SETTLE);
    }

    #[tokio::test(start_paused = true)]
    async fn endless_events_settle_after_the_limit() {
        let (events, mut changes) = watch::channel(PendingChanges::default());
        let begin = Instant::now();
        let endless = async {
            loop {
                tokio::time::sleep(ms(3)).await;
                events.send_modify(|_| {});
            }
        };
        let debounce = Debounce::default();
        tokio::select! {
            () = debounce.settle(&mut changes) => {}
            () = endless => {}
        }
        assert_eq!(begin.elapsed(), MAX_SETTLE);
    }

    #[tokio::test(start_paused = true)]
    async fn an_incremental_reconcile_skips_the_full_cooldown() {
        let (events, mut changes) = watch::channel(PendingChanges::default());
        let begin = Instant::now();
        let mut debounce = Debounce::default();
        debounce.reconciled_everything(begin, ms(300));
        events.send_modify(|changes| changes.insert(ChangeScope::Unknown));
        events.send_modify(|changes| changes.insert(ChangeScope::Function(PciAddress::default())));
        changes.changed().await.unwrap();
        debounce.settle(&mut changes).await;
        assert_eq!(begin.elapsed(), SETTLE);
        debounce.reconciled_functions(begin, ms(10));
        // The full reconcile remains.
        events.send_modify(|changes| drop(changes.take()));
        changes.changed().await.unwrap();
        debounce.settle(&mut changes).await;
        assert_eq!(begin.elapsed(), MAX_COOLDOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn files_wait_for_the_cooldown() {
        let begin = Instant::now();
        let mut debounce = Debounce::default();
        debounce.settle_files().await;
        assert_eq!(begin.elapsed(), FILES_SETTLE);
        debounce.reconciled_everything(Instant::now(), ms(200));
        debounce.settle_files().await;
        assert_eq!(begin.elapsed(), FILES_SETTLE + ms(800));
    }

    #[tokio::test(start_paused = true)]
    async fn expensive_reconciles_are_few() {
        let (events, mut changes) = watch::channel(PendingChanges::default());
        let begin = Instant::now();
        let mut reconciles = Vec::new();
        // 4,096 functions appear within four seconds, and a reconcile of them takes 150 ms.
        let burst = async {
            for _ in 0..4096 {
                tokio::time::sleep(ms(1)).await;
                events.send_modify(|_| {});
            }
        };
        let reconciling = async {
            let mut debounce = Debounce::default();
            while changes.changed().await.is_ok() {
                debounce.settle(&mut changes).await;
                let began = Instant::now();
                changes.mark_unchanged();
                tokio::time::sleep(ms(150)).await;
                debounce.reconciled_everything(Instant::now(), began.elapsed());
                reconciles.push(begin.elapsed());
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(60), async {
            tokio::join!(burst, reconciling)
        })
        .await;
        assert!((2..=7).contains(&reconciles.len()), "{reconciles:?}");
        assert!(
            reconciles.last().unwrap() > &ms(4096),
            "the last event counts: {reconciles:?}"
        );
        assert!(
            reconciles[0] < ms(300),
            "the first one is soon: {reconciles:?}"
        );
    }
}
