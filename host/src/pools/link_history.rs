//! Links that went down a short while ago: one that comes and goes is calmed.
//!
//! The first change is passed on at once, in both directions. A link that goes down a second time within a minute counts
//! as down until it has been up for some seconds without a break.

use std::collections::HashMap;
use std::time::Duration;

use sriovdp_sdk::{Cause, DeviceId};
use tokio::time::Instant;

use super::FoundDevice;

/// A link that goes down again within this time is restless.
const RECENTLY: Duration = Duration::from_secs(60);
/// A restless link counts as up when it has been up for so long.
const STEADY: Duration = Duration::from_secs(5);

/// The links that were down not long ago, by device.
#[derive(Clone, Debug, Default)]
pub struct LinkHistory(HashMap<DeviceId, Downs>);

/// How one link has been down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Downs {
    last: Instant,
    /// Since when it is up, if it is.
    up: Option<Instant>,
    /// It went down more than once, and has not been up for long since.
    restless: bool,
}

impl LinkHistory {
    /// The history after a look at `now` that found `devices`.
    #[must_use]
    pub fn next<'a>(
        &self,
        devices: impl IntoIterator<Item = &'a FoundDevice>,
        now: Instant,
    ) -> Self {
        let downs = devices.into_iter().filter_map(|device| {
            let is_down = device
                .findings
                .iter()
                .any(|finding| finding.cause == Cause::Link);
            let downs = Downs::next(self.0.get(&device.id).copied(), is_down, now)?;
            Some((device.id.clone(), downs))
        });
        Self(downs.collect())
    }

    /// Whether the link of a device comes and goes, and counts as down although it may be up right now.
    pub fn is_restless(&self, id: &DeviceId) -> bool {
        self.0.get(id).is_some_and(|downs| downs.restless)
    }

    /// When the next restless link will have been up for long enough, if it stays up.
    pub fn steady_at(&self) -> Option<Instant> {
        let restless = self.0.values().filter(|downs| downs.restless);
        restless.filter_map(|downs| Some(downs.up? + STEADY)).min()
    }
}

impl Downs {
    fn next(before: Option<Self>, is_down: bool, now: Instant) -> Option<Self> {
        match before {
            None => is_down.then_some(Self {
                last: now,
                up: None,
                restless: false,
            }),
            Some(before) if !is_down => {
                let up = before.up.unwrap_or(now);
                let restless = before.restless && now < up + STEADY;
                let is_recent = now < before.last + RECENTLY;
                (restless || is_recent).then_some(Self {
                    up: Some(up),
                    restless,
                    ..before
                })
            }
            // It still is down.
            Some(before) if before.up.is_none() => Some(before),
            Some(before) => Some(Self {
                last: now,
                up: None,
                restless: before.restless || now < before.last + RECENTLY,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use sriovdp_sdk::Finding;

    use super::*;
    use crate::pools::sample;

    /// Looks at a link at the given seconds, and shows how it counts: up, down, or restless.
    fn story(looks: &[(u64, bool)]) -> String {
        let start = Instant::now();
        let mut history = LinkHistory::default();
        let mut shown = String::new();
        for &(second, is_up) in looks {
            let down = Finding::new(Cause::Link, "down");
            let device = FoundDevice {
                findings: if is_up { Vec::new() } else { vec![down] },
                ..sample::found("a")
            };
            history = history.next([&device], start + Duration::from_secs(second));
            shown.push(match (history.is_restless(&device.id), is_up) {
                (true, _) => '~',
                (false, true) => '+',
                (false, false) => '-',
            });
        }
        let steady = history.steady_at().map(|at| (at - start).as_secs());
        format!("{shown} {steady:?}")
    }

    #[test]
    fn the_first_change_counts_at_once() {
        assert_eq!(
            story(&[(0, true), (1, false), (2, true), (3, true)]),
            "+-++ None"
        );
        assert_eq!(
            story(&[(0, false), (1, false), (500, false), (501, true)]),
            "---+ None"
        );
    }

    #[test]
    fn a_link_that_comes_and_goes_has_to_be_up_for_a_while() {
        assert_eq!(
            story(&[(0, false), (1, true), (2, false), (3, true), (7, true)]),
            "-+~~~ Some(8)"
        );
        assert_eq!(
            story(&[(0, false), (1, true), (2, false), (3, true), (8, true)]),
            "-+~~+ None"
        );
        // Each time that it goes down, it has to begin anew.
        let restless = [
            (0, false),
            (1, true),
            (2, false),
            (3, true),
            (6, false),
            (7, true),
            (11, true),
        ];
        assert_eq!(story(&restless), "-+~~~~~ Some(12)");
        let again = [
            (0, false),
            (1, true),
            (2, false),
            (3, true),
            (8, true),
            (30, false),
            (31, true),
        ];
        assert_eq!(story(&again), "-+~~+~~ Some(36)");
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        assert_eq!(
            story(&[(0, false), (1, true), (61, false), (62, true)]),
            "-+-+ None"
        );
        let start = Instant::now();
        let up = Downs {
            last: start,
            up: Some(start),
            restless: false,
        };
        assert_eq!(Downs::next(Some(up), false, start + RECENTLY), None);
    }

    #[test]
    fn devices_that_are_gone_are_forgotten() {
        let history = LinkHistory(HashMap::from([(
            DeviceId::new("a").unwrap(),
            Downs {
                last: Instant::now(),
                up: None,
                restless: true,
            },
        )]));
        assert!(history.next([], Instant::now()).0.is_empty());
    }
}
