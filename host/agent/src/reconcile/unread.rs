//! PCI functions of which something could not be read: they are read again soon, with a growing delay.

use std::collections::BTreeSet;
use std::time::Duration;

use sriovdp_sdk::PciAddress;
use tokio::time::Instant;

use super::Requeue;
use crate::events::ReconcileScope;

/// The delay doubles with each attempt. So a function is read again at the latest after as long again as it could not
/// be read, and one that is never read soon costs nothing.
const FIRST: Duration = Duration::from_millis(100);
/// As many are read again in each incremental reconcile, because they cost nearly nothing.
const FEW: usize = 16;
/// The delay after which the state is no transient one of a device that is being reset: 1.5 s of attempts.
const LASTING: Duration = Duration::from_millis(1600);

/// The functions, and when to read them again.
#[derive(Debug)]
pub(super) struct Unread {
    /// Of which the host could not read something.
    on_bus: BTreeSet<PciAddress>,
    /// The same for providers as well.
    all: BTreeSet<PciAddress>,
    /// Of those on the bus, which several attempts in turn have not read.
    lasting: BTreeSet<PciAddress>,
    delay: Duration,
    due: Option<Instant>,
}

impl Default for Unread {
    fn default() -> Self {
        Self {
            on_bus: BTreeSet::new(),
            all: BTreeSet::new(),
            lasting: BTreeSet::new(),
            delay: FIRST,
            due: None,
        }
    }
}

impl Unread {
    /// The functions to read when `touched` have changed.
    pub(super) fn with(
        &self,
        touched: &BTreeSet<PciAddress>,
        now: Instant,
    ) -> BTreeSet<PciAddress> {
        let is_due = self.due.is_some_and(|due| due <= now);
        let again = self.all.iter().filter(|_| is_due || self.all.len() <= FEW);
        touched.iter().chain(again).copied().collect()
    }

    /// The functions `part`, or all, were read on the bus, but for something of `unread`.
    pub(super) fn read_bus(
        &mut self,
        part: Option<&BTreeSet<PciAddress>>,
        unread: BTreeSet<PciAddress>,
    ) {
        self.on_bus
            .retain(|function| part.is_some_and(|part| !part.contains(function)));
        self.on_bus.extend(unread);
    }

    /// A scan has ended in which providers could not read something of `by_providers`.
    pub(super) fn scanned(&mut self, by_providers: impl Iterator<Item = PciAddress>, now: Instant) {
        let all: BTreeSet<PciAddress> = self.on_bus.iter().copied().chain(by_providers).collect();
        if !all.is_subset(&self.all) {
            self.delay = FIRST;
            self.due = Some(now + self.delay);
        } else if self.due.is_some_and(|due| due <= now) {
            self.delay *= 2;
            self.due = Some(now + self.delay);
        }
        if all.is_empty() {
            self.due = None;
        }
        self.all = all;
        let on_bus = &self.on_bus;
        self.lasting.retain(|function| on_bus.contains(function));
        if self.delay >= LASTING {
            self.lasting.extend(on_bus);
        }
    }

    /// The functions on the bus that several attempts in turn have not read.
    pub(super) fn lasting(&self) -> impl Iterator<Item = PciAddress> {
        self.lasting.iter().copied()
    }

    /// The next reconcile if everything else can wait until `wait`: only for these functions, if they are due before that.
    pub(super) fn or_sooner(&self, wait: Option<Instant>) -> Option<Requeue> {
        let full = wait.map(|at| Requeue {
            at,
            scope: ReconcileScope::Full,
        });
        let unread = self.due.map(|at| Requeue {
            at,
            scope: ReconcileScope::Functions(BTreeSet::new()),
        });
        match (full, unread) {
            (Some(full), Some(unread)) if unread.at < full.at => Some(unread),
            (full, unread) => full.or(unread),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_until_everything_is_read() {
        let functions = |count: usize| -> BTreeSet<PciAddress> {
            (0..count)
                .map(|n| format!("0000:{n:02x}:00.0").parse().unwrap())
                .collect()
        };
        let only_unread = |at| {
            let scope = ReconcileScope::Functions(BTreeSet::new());
            Some(Requeue { at, scope })
        };
        let (mut unread, mut now) = (Unread::default(), Instant::now());
        let many = functions(FEW + 1);
        unread.read_bus(None, many.clone());
        for delay in [100, 200, 400, 800] {
            unread.scanned(std::iter::empty(), now);
            let due = now + Duration::from_millis(delay);
            assert_eq!(unread.or_sooner(None), only_unread(due));
            // A reconcile for another reason in between delays nothing.
            unread.scanned(std::iter::empty(), now);
            let full = unread.or_sooner(Some(due)).unwrap();
            assert_eq!((full.at, full.scope), (due, ReconcileScope::Full));
            assert_eq!(unread.or_sooner(Some(due + FIRST)), only_unread(due));
            assert_eq!(unread.with(&BTreeSet::new(), now), BTreeSet::new());
            now = due;
            assert_eq!(unread.with(&BTreeSet::new(), now), many);
        }
        assert_eq!(unread.lasting().count(), 0);
        unread.scanned(std::iter::empty(), now);
        assert!(unread.lasting().eq(many.iter().copied()));
        // A provider cannot read something of another one.
        let other: PciAddress = "0000:ff:00.0".parse().unwrap();
        unread.read_bus(Some(&many), functions(1));
        unread.scanned([other].into_iter(), now);
        assert_eq!(unread.or_sooner(None), only_unread(now + FIRST));
        assert!(unread.lasting().eq(functions(1)));
        let few = functions(1).into_iter().chain([other]).collect();
        assert_eq!(unread.with(&BTreeSet::new(), now), few);
        unread.read_bus(None, BTreeSet::new());
        unread.scanned(std::iter::empty(), now);
        assert_eq!(unread.or_sooner(None), None);
        assert_eq!(unread.lasting().count(), 0);
    }
}
