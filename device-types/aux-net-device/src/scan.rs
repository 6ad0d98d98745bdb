//! One scan: the facts about each subfunction, with what its parent has in common for all of them.

use std::collections::HashMap;
use std::sync::Arc;

use sriovdp_sdk::health::check_uplink;
use sriovdp_sdk::selector::CaseInsensitive;
use sriovdp_sdk::vdpa::{VdpaDevice, VdpaDevices, VdpaType};
use sriovdp_sdk::{Device, DeviceId, Finding, Node, PciAddress, Recall};

use crate::parent::{Known, Parent};
use crate::subfunction;
use crate::subfunction::Subfunction;

/// What selectors are compared with.
#[derive(Debug)]
pub struct Facts {
    /// The number behind `#` in `pfNames` and `rootDevices`.
    pub(crate) number: Option<u32>,
    /// Of its own network interface.
    pub(crate) own_link_type: Option<CaseInsensitive>,
    /// It has a network interface, in whichever network namespace.
    pub(crate) has_netdev: bool,
    pub(crate) parent: Arc<Parent>,
    pub(crate) vdpa: Option<VdpaType>,
    /// Why no new pod may get its vDPA device.
    pub(crate) vdpa_finding: Option<Box<Finding>>,
}

impl Facts {
    /// That of its own link, or of its parent while its network interface is not in sysfs.
    pub(crate) fn link_type(&self) -> Option<&CaseInsensitive> {
        self.own_link_type
            .as_ref()
            .or(self.parent.link_type.as_ref())
    }

    /// Whether it has a link, whose type cannot be read now.
    pub(crate) fn is_link_type_unread(&self) -> bool {
        self.link_type().is_none() && (self.has_netdev || self.parent.has_netdev)
    }
}

/// A scan that is going on.
pub(crate) struct Scan<'a> {
    node: &'a Node,
    parents: Recall<'a, Known>,
    links: HashMap<PciAddress, Option<Finding>>,
    vdpa: VdpaDevices,
}

impl<'a> Scan<'a> {
    /// Begins a scan.
    pub(crate) fn new(node: &'a Node, parents: Recall<'a, Known>, vdpa: VdpaDevices) -> Self {
        Self {
            node,
            parents,
            links: HashMap::new(),
            vdpa,
        }
    }

    /// The subfunction `name` or the reason why it is not offered; nothing when its parent is out of scope.
    pub(crate) fn device(&mut self, name: &str) -> Result<Option<Device<Facts>>, String> {
        let Subfunction { parent, number } = Subfunction::of(self.node, name)?;
        if !self.node.is_in_scope(parent) {
            return Ok(None);
        }
        let parent = self.parent(parent)?;
        let id = DeviceId::new(name).map_err(|error| error.to_string())?;
        let (function, numa_node) = (parent.address, parent.numa_node);
        let vdpa = self.vdpa.of_auxiliary(name);
        let facts = Facts {
            vdpa: vdpa.and_then(VdpaDevice::bound_to),
            vdpa_finding: vdpa
                .and_then(|device| device.finding(self.node))
                .map(Box::new),
            number,
            own_link_type: subfunction::link_type(self.node, name),
            has_netdev: subfunction::has_netdev(self.node, name),
            parent,
        };
        // The function and its subfunctions can be in pools at the same time.
        let device = Device::new(id, facts)
            .with_function(function)
            .independent()
            .with_numa_node(numa_node)
            .with_findings(self.link_finding(function));
        Ok(Some(device))
    }

    /// The finding about the link of the parent, or of its physical function.
    fn link_finding(&mut self, parent: PciAddress) -> Option<Finding> {
        let physical = self
            .node
            .function(parent)
            .and_then(|function| function.physical_function);
        let uplink = physical.unwrap_or(parent);
        let known = self.links.entry(uplink);
        known
            .or_insert_with(|| check_uplink(self.node, uplink))
            .clone()
    }

    fn parent(&mut self, address: PciAddress) -> Known {
        if let Some(known) = self.parents.now(address) {
            return known.clone();
        }
        let parent = Parent::at(self.node, address, self.parents.before(address));
        self.parents.remember(address, parent.clone());
        parent
    }

    /// Ends the scan, and keeps its parents for the next one.
    pub(crate) fn keep(self) {
        self.parents.keep();
    }
}
