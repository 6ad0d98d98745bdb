//! The devices of the calls of Allocate that are under way: none of them may leave the device list meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The calls under way for one pool.
#[derive(Clone, Debug, Default)]
pub struct InFlight(Arc<Mutex<HashMap<String, usize>>>);

/// One call; dropped with it, also when the kubelet cancels it.
#[derive(Debug)]
pub(super) struct Allocating {
    all: InFlight,
    ids: Vec<String>,
}

impl InFlight {
    /// Whether a call allocates the device.
    pub fn has(&self, id: &str) -> bool {
        self.calls().contains_key(id)
    }

    pub(super) fn begin(&self, ids: Vec<String>) -> Allocating {
        let mut calls = self.calls();
        for id in &ids {
            *calls.entry(id.clone()).or_default() += 1;
        }
        Allocating {
            all: self.clone(),
            ids,
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Allocating {
    /// The devices of the call.
    pub(super) fn ids(&self) -> &[String] {
        &self.ids
    }
}

impl Drop for Allocating {
    fn drop(&mut self) {
        let mut calls = self.all.calls();
        for id in &self.ids {
            if let Some(count) = calls.get_mut(id) {
                *count -= 1;
                if *count == 0 {
                    calls.remove(id);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_in_flight_during_each_call_with_it() {
        let in_flight = InFlight::default();
        let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect();
        let first = in_flight.begin(ids(&["a", "b"]));
        let second = in_flight.begin(ids(&["a"]));
        drop(first);
        assert!(in_flight.has("a") && !in_flight.has("b"));
        drop(second);
        assert!(!in_flight.has("a"));
    }
}
