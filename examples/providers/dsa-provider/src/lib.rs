//! The device type `dsaWorkQueue`: work queues of Intel's data streaming and analytics accelerators (DSA, IAX). They are
//! on a bus of their own and not on the PCI bus.

mod queue;
#[cfg(test)]
mod tests;

use sriovdp_sdk::prelude::*;
use sriovdp_sdk::selector::CaseInsensitive;
use sriovdp_sdk::{DeviceId, FindingKind};

use queue::Queue;

#[derive(Default)]
struct WorkQueues;

#[selectors]
#[serde(rename_all = "camelCase")]
struct Selectors {
    /// Kinds of accelerators: `dsa`, `iax`.
    accelerators: Vec<CaseInsensitive>,
    /// Modes of work queues: `dedicated`, `shared`.
    modes: Vec<CaseInsensitive>,
    /// Names that the administrator gave to work queues (`accel-config config-wq --name`).
    names: Vec<String>,
    /// Only work queues with at least so many entries.
    min_size: u32,
}

impl Provider for WorkQueues {
    type Selectors = Selectors;
    type Facts = Queue;

    fn manifest(&self) -> Manifest {
        Manifest::device_type("dsaWorkQueue", "Work queues of DSA and IAX accelerators")
            .watch_uevents(&["dsa"])
    }

    fn discover(&self, node: &Node) -> Result<Discovery<Queue>, Error> {
        let mut found = Discovery::default();
        for name in queue::names(node)? {
            let id = DeviceId::new(&name).map_err(Error::from);
            let read = id.and_then(|id| Ok((id, Queue::read(node, &name)?)));
            let (id, queue) = match read {
                Ok(read) => read,
                Err(error) => {
                    found.exclude(name, error.to_string());
                    continue;
                }
            };
            let missing = queue.require_node(node, &name).err();
            let findings = [
                queue.finding(),
                missing.map(|error| error.to_finding(FindingKind::DeviceNode)),
            ];
            let device = Device::new(id, queue.clone())
                .with_numa_node(queue.numa_node)
                .with_parent(queue.parent)
                .with_attribute("accelerator", queue.accelerator.as_str())
                .with_attribute("mode", queue.mode)
                .with_attribute("size", i64::from(queue.size))
                .with_findings(findings);
            found.add(device);
        }
        Ok(found)
    }

    fn matches(&self, selectors: &Selectors, device: &Device<Queue>) -> Result<(), Mismatch> {
        let queue = &device.facts;
        one_of(
            "accelerators",
            &selectors.accelerators,
            Some(&queue.accelerator),
        )?;
        one_of("modes", &selectors.modes, Some(&queue.mode.into()))?;
        one_of("names", &selectors.names, queue.name.as_ref())?;
        let (has, wanted) = (queue.size, selectors.min_size);
        match has >= wanted {
            true => Ok(()),
            false => {
                let reason = format!("it has {has} entries, fewer than {wanted}");
                Err(Mismatch::new("minSize", reason))
            }
        }
    }

    fn allocate(
        &self,
        node: &Node,
        _: &Selectors,
        device: &Device<Queue>,
    ) -> Result<Allocation, Error> {
        let name = device.id.as_str();
        let queue = Queue::read(node, name)?;
        if let Some(finding) = queue.finding() {
            return Err(Error::new(format!("cannot hand out `{name}`: {finding}"))
                .with_hint(format!("enable it: `accel-config enable-wq {name}`")));
        }
        let path = queue.require_node(node, name)?;
        let mut allocation = Allocation::default();
        allocation
            .node(path.as_str())
            .info("dsa", "dev-mount", path)
            .info("dsa", "mode", queue.mode);
        Ok(allocation)
    }
}

export_provider!(WorkQueues);
