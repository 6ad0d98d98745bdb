//! What a provider found: all devices by id, and those that the last discovery named by position.

use std::sync::Arc;

use super::guard;
use crate::{Device, DeviceId, Error, Node};

/// What is known after one discovery: kept whole, replaced whole.
pub(super) struct Scan<F> {
    generation: u64,
    node: Node,
    /// By id.
    devices: Vec<Arc<Device<F>>>,
    /// Positions in `devices`, in the order of the answer.
    answered: Vec<u32>,
}

impl<F> Scan<F> {
    /// A discovery of the whole node.
    pub(super) fn new(generation: u64, node: Node, found: Vec<Device<F>>) -> Result<Self, Error> {
        Self::of(generation, node, found, &[])
    }

    /// A discovery of the functions in the scope of `node`; what is on others stays.
    pub(super) fn next(
        &self,
        generation: u64,
        node: Node,
        found: Vec<Device<F>>,
    ) -> Result<Self, Error> {
        Self::of(generation, node, found, &self.devices)
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The node as Allocate sees it.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// The devices that the discovery named.
    pub(super) fn answered(&self) -> impl Iterator<Item = &Device<F>> {
        let devices = self.answered.iter();
        devices.map(|&position| &*self.devices[position as usize])
    }

    pub(super) fn device(&self, id: &str) -> Result<&Device<F>, Error> {
        match position(&self.devices, id) {
            Ok(at) => Ok(&self.devices[at]),
            Err(_) => Err(Error::new(format!("the provider has no device `{id}`"))),
        }
    }

    fn of(
        generation: u64,
        node: Node,
        mut found: Vec<Device<F>>,
        before: &[Arc<Device<F>>],
    ) -> Result<Self, Error> {
        // The scope of a discovery is PCI functions, so other devices stay as they are until all are discovered again.
        found.retain(|device| device.function.is_some() || !node.is_partial());
        let is_in_scope = |device: &Device<F>| match device.function {
            Some(function) => node.is_in_scope(function),
            None => !node.is_partial(),
        };
        let ids: Vec<DeviceId> = found.iter().map(|device| device.id.clone()).collect();
        let foreign = found.iter().find(|device| !is_in_scope(device));
        let foreign = foreign.map(|device| {
            Error::new(format!(
                "the provider found the device `{}`{}, which is out of scope",
                device.id,
                device
                    .function
                    .map(|at| format!(" on {at}"))
                    .unwrap_or_default()
            ))
        });
        let kept = before.iter().filter(|device| !is_in_scope(device));
        // From here on, what was found is dropped as a scan is.
        let mut scan = Self {
            generation,
            devices: kept.cloned().collect(),
            answered: Vec::new(),
            node: node.without_scan(),
        };
        scan.devices.extend(found.into_iter().map(Arc::new));
        if let Some(error) = foreign {
            return Err(error);
        }
        scan.devices.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut pairs = scan.devices.windows(2);
        if let Some(pair) = pairs.find(|pair| pair[0].id == pair[1].id) {
            let message = format!("the provider found the device `{}` twice", pair[0].id);
            return Err(Error::new(message));
        }
        let positions = ids.iter().map(|id| position(&scan.devices, id.as_str()));
        let positions = positions.filter_map(|position| u32::try_from(position.ok()?).ok());
        scan.answered = positions.collect();
        Ok(scan)
    }
}

impl<F> Drop for Scan<F> {
    /// One by one: a panic while another one unwinds would abort the host, and an author's facts may panic when they go.
    fn drop(&mut self) {
        if !std::mem::needs_drop::<F>() {
            return;
        }
        for device in self.devices.drain(..) {
            let dropped = guard::guarded("drop", || {
                drop(device);
                Ok(())
            });
            if let Err(error) = dropped {
                log::error!("{error}");
            }
        }
    }
}

fn position<F>(devices: &[Arc<Device<F>>], id: &str) -> Result<usize, usize> {
    devices.binary_search_by(|device| device.id.as_str().cmp(id))
}
