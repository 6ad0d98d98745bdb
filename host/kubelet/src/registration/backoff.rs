//! The wait before the next attempt: longer each time, up to a limit, with jitter.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Grows with each failure and is reset by success.
#[derive(Debug)]
pub(crate) struct Backoff {
    longest_wait: Duration,
    random: u64,
}

impl Backoff {
    /// A backoff with the jitter of `seed`, which should differ between the resources of a node: what makes one fail
    /// makes all fail, and they should not retry at the same moments.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            longest_wait: FIRST,
            random: seed,
        }
    }

    /// The wait before the next attempt: between one half and the whole of a time that doubles.
    pub(super) fn next(&mut self) -> Duration {
        let half = self.longest_wait / 2;
        self.longest_wait = (self.longest_wait * 2).min(LONGEST);
        half + half * u32::from(self.random()) / u32::from(u16::MAX)
    }

    pub(super) fn reset(&mut self) {
        self.longest_wait = FIRST;
    }

    /// The next number of SplitMix64, of which the upper bits do.
    fn random(&mut self) -> u16 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u16::try_from((mixed ^ (mixed >> 31)) >> 48).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(seed: u64) -> Vec<Duration> {
        let mut backoff = Backoff::new(seed);
        (0..12).map(|_| backoff.next()).collect()
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        for seed in 0..100 {
            let mut longest = FIRST;
            for wait in waits(seed) {
                assert!((longest / 2..=longest).contains(&wait), "{wait:?}");
                longest = (longest * 2).min(LONGEST);
            }
        }
        let mut backoff = Backoff::new(0);
        for _ in 0..10 {
            backoff.next();
        }
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn the_seed_decides_about_the_jitter() {
        assert_eq!(waits(7), waits(7));
        let last = |seed| waits(seed).pop();
        let spread: std::collections::BTreeSet<_> = (0..64).map(last).collect();
        assert!(spread.len() > 60, "resources wait for different times");
    }
}
