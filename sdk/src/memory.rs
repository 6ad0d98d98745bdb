//! What a provider keeps of one discovery for the next.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Node, PciAddress};

/// What a provider has read about functions, for the time in which it cannot be read: a network interface that is in
/// the namespace of a pod is not in sysfs.
///
/// ```
/// use sriovdp_sdk::prelude::*;
/// use sriovdp_sdk::Memory;
///
/// #[derive(Default)]
/// struct Cards {
///     serials: Memory<String>,
/// }
///
/// impl Cards {
///     fn discover(&self, node: &Node) -> Discovery<Option<String>> {
///         let mut serials = self.serials.recall(node);
///         let mut found = Discovery::default();
///         for function in node.functions() {
///             let serial = node.pci(function.address).attribute("serial");
///             let serial = serial.or_else(|| serials.before(function.address).cloned());
///             if let Some(serial) = &serial {
///                 serials.remember(function.address, serial.clone());
///             }
///             found.add(Device::of(function, serial));
///         }
///         serials.keep();
///         found
///     }
/// }
/// ```
///
/// In a discovery of [some functions](crate::Manifest::incremental), what is known of the others stays.
#[derive(Debug)]
pub struct Memory<T>(Mutex<Entries<T>>);

impl<T> Memory<T> {
    /// Begins a discovery of `node`. A second one waits until the first is over.
    #[must_use]
    pub fn recall<'a>(&'a self, node: &'a Node) -> Recall<'a, T> {
        Recall {
            node,
            before: self.0.lock().unwrap_or_else(PoisonError::into_inner),
            read: Entries::default(),
        }
    }
}

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// The [`Memory`] in a discovery. Without [`keep`](Self::keep) the discovery changes nothing.
#[derive(Debug)]
pub struct Recall<'a, T> {
    node: &'a Node,
    before: MutexGuard<'a, Entries<T>>,
    read: Entries<T>,
}

impl<T> Recall<'_, T> {
    /// What earlier discoveries have kept about a function.
    pub fn before(&self, function: PciAddress) -> Option<&T> {
        self.before.get(function)
    }

    /// What this discovery has remembered about a function.
    pub fn now(&self, function: PciAddress) -> Option<&T> {
        self.read.get(function)
    }

    /// What this discovery remembers about a function, to add to it; the default at first.
    pub fn now_mut(&mut self, function: PciAddress) -> &mut T
    where
        T: Default,
    {
        let at = self.read.find(function).unwrap_or_else(|at| {
            let value = T::default();
            self.read.0.insert(at, Entry { function, value });
            at
        });
        &mut self.read.0[at].value
    }

    /// Remembers `value` about a function.
    pub fn remember(&mut self, function: PciAddress, value: T) {
        self.read.set(Entry { function, value });
    }

    /// Ends the discovery: about the functions in its scope, only what it has remembered is kept.
    pub fn keep(mut self) {
        let node = self.node;
        let entries = &mut self.before.0;
        entries.retain(|entry| !node.is_in_scope(entry.function));
        for entry in self.read.0 {
            self.before.set(entry);
        }
    }
}

/// By function. A discovery goes through the functions in this order, so that most entries are appended.
#[derive(Debug)]
struct Entries<T>(Vec<Entry<T>>);

#[derive(Debug)]
struct Entry<T> {
    function: PciAddress,
    value: T,
}

impl<T> Entries<T> {
    fn find(&self, function: PciAddress) -> Result<usize, usize> {
        self.0
            .binary_search_by_key(&function, |entry| entry.function)
    }

    fn get(&self, function: PciAddress) -> Option<&T> {
        self.find(function).ok().map(|at| &self.0[at].value)
    }

    fn set(&mut self, entry: Entry<T>) {
        match self.find(entry.function) {
            Ok(at) => self.0[at] = entry,
            Err(at) => self.0.insert(at, entry),
        }
    }
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::HostRoot;

    #[test]
    fn a_discovery_of_some_functions_keeps_the_others() {
        let [first, second]: [PciAddress; 2] =
            ["0000:01:00.0", "0000:02:00.0"].map(|address| address.parse().unwrap());
        let node = |scope: Option<PciAddress>| {
            Node::new(HostRoot::new("/nowhere"), Vec::new(), Vec::new())
                .scoped(scope.map(|function| BTreeSet::from([function])))
        };
        let memory = Memory::default();
        let whole = node(None);
        let mut recall = memory.recall(&whole);
        recall.remember(first, 1);
        recall.remember(second, 2);
        recall.keep();
        let part = node(Some(second));
        let mut recall = memory.recall(&part);
        assert_eq!(recall.before(second), Some(&2));
        recall.remember(second, 3);
        assert_eq!(recall.now(second), Some(&3));
        drop(recall);
        assert_eq!(memory.recall(&part).before(second), Some(&2));
        memory.recall(&part).keep();
        let recall = memory.recall(&whole);
        assert_eq!(
            (recall.before(first), recall.before(second)),
            (Some(&1), None)
        );
    }
}
