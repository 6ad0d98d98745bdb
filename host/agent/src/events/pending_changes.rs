//! What events have told since the last look, and what to look at because of it.

use std::collections::BTreeSet;

use sriovdp_sdk::PciAddress;

/// What one event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeScope {
    /// A PCI function, or something below it.
    Function(PciAddress),
    /// Something that is below no function, and may matter to any.
    Elsewhere,
    /// Nobody knows: events were lost.
    Anywhere,
}

/// What has been told and not been looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingChanges {
    functions: BTreeSet<PciAddress>,
    elsewhere: bool,
    anywhere: bool,
}

impl ChangeScope {
    /// Where in `/sys` a device is, by its directory there: the PCI function that is nearest to it.
    pub(super) fn of(path: &str) -> Self {
        let mut names = path.rsplit('/').filter(|name| is_whole_address(name));
        match names.find_map(|name| name.parse().ok()) {
            Some(function) => Self::Function(function),
            None => Self::Elsewhere,
        }
    }
}

/// Addresses without a domain are written by people only.
fn is_whole_address(name: &str) -> bool {
    name.bytes().filter(|&byte| byte == b':').count() == 2
}

impl PendingChanges {
    /// Adds what an event is about.
    pub fn tell(&mut self, place: ChangeScope) {
        match place {
            ChangeScope::Function(address) => drop(self.functions.insert(address)),
            ChangeScope::Elsewhere => self.elsewhere = true,
            ChangeScope::Anywhere => self.anywhere = true,
        }
    }

    /// Adds what others have told.
    pub fn add(&mut self, other: Self) {
        self.functions.extend(other.functions);
        self.elsewhere |= other.elsewhere;
        self.anywhere |= other.anywhere;
    }

    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether what is to be looked at next is some functions.
    pub fn names_functions_only(&self) -> bool {
        !self.anywhere && !self.functions.is_empty()
    }

    /// Takes out what to look at next: some functions, or else everything.
    ///
    /// A change of one function often comes with an event of something that is below none, such as a device of a
    /// class. The functions are looked at first, which takes a moment, and then everything, which may take long.
    pub fn take(&mut self) -> Option<BTreeSet<PciAddress>> {
        if self.names_functions_only() {
            return Some(std::mem::take(&mut self.functions));
        }
        *self = Self::default();
        None
    }
}

impl Extend<ChangeScope> for PendingChanges {
    fn extend<I: IntoIterator<Item = ChangeScope>>(&mut self, places: I) {
        for place in places {
            self.tell(place);
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
    fn the_nearest_function_is_meant() {
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
            ("/devices/virtual/misc/tun", ChangeScope::Elsewhere),
            ("/devices/pci0000:40", ChangeScope::Elsewhere),
            ("/devices/pnp0/00:05.0", ChangeScope::Elsewhere),
        ] {
            assert_eq!(ChangeScope::of(path), expected, "{path}");
        }
    }

    #[test]
    fn functions_come_before_everything() {
        let mut news = PendingChanges::default();
        assert!(news.is_empty());
        news.tell(function("0000:41:10.0"));
        news.tell(ChangeScope::Elsewhere);
        news.tell(function("0000:41:10.1"));
        let functions = news.take().unwrap();
        assert_eq!(functions.len(), 2);
        assert!(!news.is_empty(), "everything is still to be looked at");
        assert_eq!(news.take(), None);
        assert!(news.is_empty());
    }

    #[test]
    fn what_was_lost_may_be_anywhere() {
        let mut news = PendingChanges::default();
        let mut others = PendingChanges::default();
        others.tell(function("0000:41:10.0"));
        others.tell(ChangeScope::Anywhere);
        news.add(others);
        assert_eq!(news.take(), None);
        assert!(news.is_empty());
    }
}
