//! Which of several default routes a node uses: the rule that the host and the SDK share.

use std::collections::{BTreeMap, BTreeSet};

/// Default routes of one address family. Those that apply to the same packets compete: the kernel takes the one with
/// the lowest metric.
#[derive(Debug)]
pub struct LowestMetric<K, T>(BTreeMap<K, (u32, BTreeSet<T>)>);

impl<K: Ord, T: Ord> LowestMetric<K, T> {
    /// Adds a route that applies to the packets `applies_to`, with the interfaces of its next hops.
    pub fn add(&mut self, applies_to: K, metric: u32, netdevs: impl IntoIterator<Item = T>) {
        let best = self.0.entry(applies_to);
        let (lowest, best) = best.or_insert_with(|| (metric, BTreeSet::new()));
        if metric < *lowest {
            *lowest = metric;
            best.clear();
        }
        if metric == *lowest {
            best.extend(netdevs);
        }
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The interfaces of the routes that are used.
    pub fn netdevs(self) -> BTreeSet<T> {
        self.0
            .into_values()
            .flat_map(|(_, netdevs)| netdevs)
            .collect()
    }
}

impl<K, T> Default for LowestMetric<K, T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_metric_of_each_kind_of_packets_with_all_ties() {
        let mut routes = LowestMetric::default();
        routes.add("any", 100, [2]);
        routes.add("any", 20_100, [3]);
        routes.add("any", 100, [4, 5]);
        routes.add("from 2001:db8::/64", 50, [6]);
        assert_eq!(routes.netdevs(), BTreeSet::from([2, 4, 5, 6]));
        let mut routes = LowestMetric::default();
        routes.add("any", u32::MAX, [2]);
        routes.add("any", 0, [3]);
        assert_eq!(routes.netdevs(), BTreeSet::from([3]));
    }
}
