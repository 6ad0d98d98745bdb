//! How soon a look follows an event, and how seldom looks follow a burst of them.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::PendingChanges;

/// One change of a device is several events, and they are over when nothing has come for so long.
const SETTLE: Duration = Duration::from_millis(10);
/// Where they do not end, a look follows the first one no later than this.
const LIMIT: Duration = Duration::from_millis(100);
/// After a look, none for events follows within this many times the CPU time that it took: a kernel that makes thousands
/// of functions speaks for seconds, and looking must not keep a CPU busy meanwhile. A look that has waited for the kernel
/// has kept nobody.
const COOLDOWN: u32 = 4;
/// And this long a change waits at most for that.
const MAX_COOLDOWN: Duration = Duration::from_secs(1);

/// What the last looks leave to the next one. A look at some functions takes a moment, so it does not wait until a look
/// at everything would be due.
#[derive(Clone, Copy, Debug, Default)]
pub struct Debounce {
    functions_rested: Option<Instant>,
    everything_rested: Option<Instant>,
}

impl Debounce {
    /// A look at some functions has `ended`, after so much CPU time.
    pub fn reconciled_functions(&mut self, ended: Instant, took: Duration) {
        self.functions_rested = Some(rested(ended, took));
    }

    /// A look at everything has `ended`, after so much CPU time.
    pub fn reconciled_everything(&mut self, ended: Instant, took: Duration) {
        self.everything_rested = Some(rested(ended, took));
    }

    /// Waits until it is time to look, where an event has just come.
    pub async fn gather(&self, news: &mut watch::Receiver<PendingChanges>) {
        let first = Instant::now();
        let mut last = first;
        loop {
            let about_functions = news.borrow().names_functions_only();
            tokio::select! {
                () = tokio::time::sleep_until(self.due(first, last, about_functions)) => return,
                Ok(()) = news.changed() => last = Instant::now(),
            }
        }
    }

    /// When a look is due, if the first event came at `first` and none after `last`.
    fn due(&self, first: Instant, last: Instant, about_functions: bool) -> Instant {
        let due = (last + SETTLE).min(first + LIMIT);
        let rested = if about_functions {
            self.functions_rested
        } else {
            self.everything_rested
        };
        rested.map_or(due, |rested| due.max(rested))
    }
}

fn rested(ended: Instant, took: Duration) -> Instant {
    ended + (took * COOLDOWN).min(MAX_COOLDOWN)
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
    async fn one_event_is_acted_on_soon() {
        let (events, mut news) = watch::channel(PendingChanges::default());
        let begin = Instant::now();
        events.send_modify(|_| {});
        news.changed().await.unwrap();
        Debounce::default().gather(&mut news).await;
        assert_eq!(begin.elapsed(), SETTLE);
    }

    #[tokio::test(start_paused = true)]
    async fn events_without_an_end_are_acted_on_after_the_limit() {
        let (events, mut news) = watch::channel(PendingChanges::default());
        let begin = Instant::now();
        let endless = async {
            loop {
                tokio::time::sleep(ms(3)).await;
                events.send_modify(|_| {});
            }
        };
        let pace = Debounce::default();
        tokio::select! {
            () = pace.gather(&mut news) => {}
            () = endless => {}
        }
        assert_eq!(begin.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn functions_do_not_wait_for_a_look_at_everything() {
        let (events, mut news) = watch::channel(PendingChanges::default());
        let begin = Instant::now();
        let mut pace = Debounce::default();
        pace.reconciled_everything(begin, ms(300));
        events.send_modify(|news| news.tell(ChangeScope::Elsewhere));
        events.send_modify(|news| news.tell(ChangeScope::Function(PciAddress::default())));
        news.changed().await.unwrap();
        pace.gather(&mut news).await;
        assert_eq!(begin.elapsed(), SETTLE);
        pace.reconciled_functions(begin, ms(10));
        // Everything is left.
        events.send_modify(|news| drop(news.take()));
        news.changed().await.unwrap();
        pace.gather(&mut news).await;
        assert_eq!(begin.elapsed(), MAX_COOLDOWN);
    }

    #[tokio::test(start_paused = true)]
    async fn looks_that_take_long_are_few() {
        let (events, mut news) = watch::channel(PendingChanges::default());
        let begin = Instant::now();
        let mut looks = Vec::new();
        // 4,096 functions come within four seconds, and a look at them takes 150 ms.
        let burst = async {
            for _ in 0..4096 {
                tokio::time::sleep(ms(1)).await;
                events.send_modify(|_| {});
            }
        };
        let looking = async {
            let mut pace = Debounce::default();
            while news.changed().await.is_ok() {
                pace.gather(&mut news).await;
                let began = Instant::now();
                news.mark_unchanged();
                tokio::time::sleep(ms(150)).await;
                pace.reconciled_everything(Instant::now(), began.elapsed());
                looks.push(begin.elapsed());
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(60), async {
            tokio::join!(burst, looking)
        })
        .await;
        assert!((2..=7).contains(&looks.len()), "{looks:?}");
        assert!(
            looks.last().unwrap() > &ms(4096),
            "the last event is seen: {looks:?}"
        );
        assert!(looks[0] < ms(300), "the first one is seen soon: {looks:?}");
    }
}
