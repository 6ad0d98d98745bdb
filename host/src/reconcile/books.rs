//! The kubelet's books as the loop last read them, and when it reads them again.

use std::time::Duration;

use tokio::time::Instant;

use crate::kubelet::{Held, HeldError};
use crate::node::NodeTree;

/// While a device is in a pool for its pod's sake, a look that happens anyway also asks after the pod, this seldom.
const STALE: Duration = Duration::from_secs(5);

/// Which devices pods have.
#[derive(Debug, Default)]
pub(super) struct Books {
    held: Held,
    /// They were read at least once.
    known: bool,
    tried: Option<Instant>,
}

impl Books {
    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    /// Whether a look at `now` has to read them: because nothing is known yet, because a device joins or leaves a
    /// pool, or, now and then, because one `waits` for a pod's end. Mostly nothing of that is so.
    pub(super) fn are_due(&self, now: Instant, membership_changes: bool, waits: bool) -> bool {
        let is_stale = || self.tried.is_none_or(|tried| now >= tried + STALE);
        !self.known || membership_changes || (waits && is_stale())
    }

    /// Reads them. What was known before stays when that fails.
    pub(super) async fn read(&mut self, tree: &NodeTree, now: Instant) -> Result<(), HeldError> {
        self.tried = Some(now);
        self.held = Held::read(tree).await?;
        self.known = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_read_when_something_depends_on_them() {
        let start = Instant::now();
        let mut books = Books::default();
        assert!(books.are_due(start, false, false), "nothing is known");
        books.known = true;
        books.tried = Some(start);
        let later = start + Duration::from_secs(4);
        assert!(!books.are_due(later, false, true));
        assert!(books.are_due(later, true, false));
        let much_later = start + STALE;
        assert!(books.are_due(much_later, false, true));
        assert!(!books.are_due(much_later, false, false));
    }
}
