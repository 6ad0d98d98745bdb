//! The changes that events have announced since the last reconcile.

use std::collections::BTreeSet;

use sriovdp_sdk::PciAddress;

/// The scope of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeScope {
    /// A PCI function, or a device below it.
    Function(PciAddress),
    /// A device below no PCI function, which may concern any of them.
    Unknown,
    /// Events were lost.
    Lost,
}

/// The scope of a reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReconcileScope {
    /// The whole node.
    Full,
    /// These functions, besides those with unreadable attributes.
    Functions(BTreeSet<PciAddress>),
}

/// Changes that no reconcile has read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingChanges {
    functions: BTreeSet<PciAddress>,
    unknown: bool,
    lost: bool,
}

impl ChangeScope {
    /// The PCI function that is nearest to a device, by the device's directory in `/sys`.
    pub(super) fn of(path: &str) -> Self {
        let mut names = path.rsplit('/').filter(|name| is_whole_address(name));
        match names.find_map(|name| name.parse().ok()) {
            Some(function) => Self::Function(function),
            None => Self::Unknown,
        }
    }
}

/// The kernel writes the domain; people may omit it.
fn is_whole_address(name: &str) -> bool {
    name.bytes().filter(|&byte| byte == b':').count() == 2
}

impl PendingChanges {
    /// Adds the scope of an event.
    pub fn insert(&mut self, scope: ChangeScope) {
        match scope {
            ChangeScope::Function(address) => drop(self.functions.insert(address)),
            ChangeScope::Unknown => self.unknown = true,
            ChangeScope::Lost => self.lost = true,
        }
    }

    /// Adds other changes.
    pub fn merge(&mut self, other: Self) {
        self.functions.extend(other.functions);
        self.unknown |= other.unknown;
        self.lost |= other.lost;
    }

    /// Whether there is no change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the next reconcile is incremental.
    pub fn names_functions_only(&self) -> bool {
        !self.lost && !self.functions.is_empty()
    }

    /// Takes the scope of the next reconcile.
    ///
    /// An event of a function often comes with one of unknown scope, such as that of a class device. The incremental
    /// reconcile, which takes a moment, goes first; the full one follows.
    pub fn take(&mut self) -> ReconcileScope {
        if self.names_functions_only() {
            return ReconcileScope::Functions(std::mem::take(&mut self.functions));
        }
        *self = Self::default();
        ReconcileScope::Full
    }
}

impl Extend<ChangeScope> for PendingChanges {
    fn extend<I: IntoIterator<Item = ChangeScope>>(&mut self, scopes: I) {
        for scope in scopes {
            self.insert(scope);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(text: &str) -> ChangeScope {
        ChangeScope::Function(text.parse().unwrap())
    }

    #[test]
    fn the_nearest_function_is_the_scope() {
        for (path, expected) in [
            (
                "/devices/pci0000:40/0000:40:00.0/0000:41:10.0",
                function("0000:41:10.0"),
            ),
            (
                "/devices/pci0000:40/0000:40:00.0/0000:41:00.1/card.sf.2/net/en0",
                function("0000:41:00.1"),
            ),
            (
                "../../devices/pci10000:00/10000:00:02.0/net/eth0",
                function("10000:00:02.0"),
            ),
            ("/devices/virtual/misc/tun", ChangeScope::Unknown),
            ("/devices/pci0000:40", ChangeScope::Unknown),
            ("/devices/pnp0/00:05.0", ChangeScope::Unknown),
        ] {
            assert_eq!(ChangeScope::of(path), expected, "{path}");
        }
    }

    #[test]
    fn an_incremental_reconcile_precedes_a_full_one() {
        let mut changes = PendingChanges::default();
        assert!(changes.is_empty());
        changes.insert(function("0000:41:10.0"));
        changes.insert(ChangeScope::Unknown);
        changes.insert(function("0000:41:10.1"));
        let ReconcileScope::Functions(functions) = changes.take() else {
            panic!("the first reconcile is incremental");
        };
        assert_eq!(functions.len(), 2);
        assert!(!changes.is_empty(), "the full reconcile remains");
        assert_eq!(changes.take(), ReconcileScope::Full);
        assert!(changes.is_empty());
    }

    #[test]
    fn lost_events_make_the_reconcile_full() {
        let mut changes = PendingChanges::default();
        let mut others = PendingChanges::default();
        others.insert(function("0000:41:10.0"));
        others.insert(ChangeScope::Lost);
        changes.merge(others);
        assert_eq!(changes.take(), ReconcileScope::Full);
        assert!(changes.is_empty());
    }
}
