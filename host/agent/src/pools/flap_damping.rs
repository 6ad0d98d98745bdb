//! Link flap damping.
//!
//! The first change is passed on at once, in both directions. A link that goes down a second time within a minute counts
//! as down until it has been up for some seconds without a break. One that is down when its device is first seen has not
//! gone down: a driver may reset the physical function when it makes virtual ones.

use std::collections::HashMap;
use std::time::Duration;

use sriovdp_sdk::{DeviceId, FindingKind};
use tokio::time::Instant;

use super::DiscoveredDevice;

/// A link that goes down again within this time is flapping.
const FLAP_WINDOW: Duration = Duration::from_secs(60);
/// A flapping link counts as up after it has been up for this long.
const HOLD_UP: Duration = Duration::from_secs(5);

/// The links that were down not long ago, by device.
#[derive(Clone, Debug, Default)]
pub struct FlapDamping {
    downs: HashMap<DeviceId, LinkFlaps>,
    /// The time of the last update.
    now: Option<Instant>,
}

/// How one link has been down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LinkFlaps {
    /// When it went down; nothing when it was down from the beginning.
    last: Option<Instant>,
    /// Since when it is up, if it is.
    up: Option<Instant>,
    /// It went down more than once, and has not been up for long since.
    is_flapping: bool,
}

impl FlapDamping {
    /// The state after a reconcile at `now` that found `devices`; `is_known` is for devices of the reconcile before.
    #[must_use]
    pub fn next<'a>(
        &self,
        devices: impl IntoIterator<Item = &'a DiscoveredDevice>,
        is_known: impl Fn(&DeviceId) -> bool,
        now: Instant,
    ) -> Self {
        let downs = devices.into_iter().filter_map(|device| {
            let is_down = device
                .findings
                .iter()
                .any(|finding| finding.cause == FindingKind::Link);
            let downs = match self.downs.get(&device.id) {
                Some(before) => before.next(is_down, now)?,
                None if is_down => LinkFlaps {
                    last: is_known(&device.id).then_some(now),
                    up: None,
                    is_flapping: false,
                },
                None => return None,
            };
            Some((device.id.clone(), downs))
        });
        Self {
            downs: downs.collect(),
            now: Some(now),
        }
    }

    /// Whether the link of a device is flapping, and counts as down although it may be up. One that has been down for long
    /// enough is down.
    pub fn is_flapping(&self, id: &DeviceId) -> bool {
        let downs = self.downs.get(id).filter(|downs| downs.is_flapping);
        downs.and_then(LinkFlaps::stable_at) > self.now
    }

    /// When the next flapping link counts as up, if it stays up.
    pub fn stable_at(&self) -> Option<Instant> {
        let flapping = self.downs.values().filter(|downs| downs.is_flapping);
        let stable = flapping.filter_map(LinkFlaps::stable_at);
        stable.filter(|&at| Some(at) > self.now).min()
    }
}

impl LinkFlaps {
    fn stable_at(&self) -> Option<Instant> {
        Some(self.up.or(self.last)? + HOLD_UP)
    }

    /// Nothing when there is nothing to remember.
    fn next(self, is_down: bool, now: Instant) -> Option<Self> {
        let is_recent = self.last.is_some_and(|last| now < last + FLAP_WINDOW);
        if !is_down {
            let up = self.up.unwrap_or(now);
            let is_flapping = self.is_flapping && now < up + HOLD_UP;
            return (is_flapping || is_recent).then_some(Self {
                up: Some(up),
                is_flapping,
                ..self
            });
        }
        if self.up.is_none() {
            // It still is down.
            return Some(self);
        }
        Some(Self {
            last: Some(now),
            up: None,
            is_flapping: self.is_flapping || is_recent,
        })
    }
}

#[cfg(test)]
mod tests {
    use sriovdp_sdk::Finding;

    use super::*;
    use crate::pools::sample;

    /// Updates a link at the given seconds, and shows how it counts: up, down, or flapping.
    fn states(updates: &[(u64, bool)]) -> String {
        let start = Instant::now();
        let mut history = FlapDamping::default();
        let mut shown = String::new();
        for &(second, is_up) in updates {
            let down = Finding::new(FindingKind::Link, "down");
            let device = DiscoveredDevice {
                findings: if is_up { Vec::new() } else { vec![down] },
                ..sample::discovered("a")
            };
            let now = start + Duration::from_secs(second);
            history = history.next([&device], |_| second > 0, now);
            shown.push(match (history.is_flapping(&device.id), is_up) {
                (true, _) => '~',
                (false, true) => '+',
                (false, false) => '-',
            });
        }
        let steady = history.stable_at().map(|at| (at - start).as_secs());
        format!("{shown} {steady:?}")
    }

    #[test]
    fn the_first_change_counts_at_once() {
        assert_eq!(
            states(&[(0, true), (1, false), (2, true), (3, true)]),
            "+-++ None"
        );
        assert_eq!(
            states(&[(0, false), (1, false), (500, false), (501, true)]),
            "---+ None"
        );
    }

    #[test]
    fn a_link_that_comes_and_goes_has_to_be_up_for_a_while() {
        assert_eq!(
            states(&[(1, false), (2, true), (3, false), (4, true), (8, true)]),
            "-+~~~ Some(9)"
        );
        assert_eq!(
            states(&[(1, false), (2, true), (3, false), (4, true), (9, true)]),
            "-+~~+ None"
        );
        // Each time that it goes down, it has to begin anew.
        let flapping = [
            (1, false),
            (2, true),
            (3, false),
            (4, true),
            (7, false),
            (8, true),
            (12, true),
        ];
        assert_eq!(states(&flapping), "-+~~~~~ Some(13)");
        let again = [
            (1, false),
            (2, true),
            (3, false),
            (4, true),
            (9, true),
            (30, false),
            (31, true),
        ];
        assert_eq!(states(&again), "-+~~+~~ Some(36)");
    }

    #[test]
    fn a_link_that_stays_down_is_down() {
        let goes = [(1, false), (2, true), (3, false)];
        assert_eq!(states(&goes), "-+~ Some(8)");
        let stays = [(1, false), (2, true), (3, false), (8, false)];
        assert_eq!(states(&stays), "-+~- None");
        // It has come and gone all the same.
        let returns = [(1, false), (2, true), (3, false), (8, false), (9, true)];
        assert_eq!(states(&returns), "-+~-~ Some(14)");
    }

    #[test]
    fn a_link_that_is_down_from_the_beginning_has_not_gone_down() {
        assert_eq!(
            states(&[(0, false), (1, false), (2, true), (3, false), (4, true)]),
            "--+-+ None"
        );
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        assert_eq!(
            states(&[(1, false), (2, true), (62, false), (63, true)]),
            "-+-+ None"
        );
        let start = Instant::now();
        let up = LinkFlaps {
            last: Some(start),
            up: Some(start),
            is_flapping: false,
        };
        assert_eq!(up.next(false, start + FLAP_WINDOW), None);
    }

    #[test]
    fn devices_that_are_gone_are_forgotten() {
        let down = LinkFlaps {
            last: Some(Instant::now()),
            up: None,
            is_flapping: true,
        };
        let history = FlapDamping {
            downs: HashMap::from([(DeviceId::new("a").unwrap(), down)]),
            now: None,
        };
        let next = history.next([], |_| true, Instant::now());
        assert!(next.downs.is_empty());
    }
}
