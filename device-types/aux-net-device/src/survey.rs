//! One scan: the facts about each subfunction, with what its parent has in common for all of them.

use std::collections::HashMap;
use std::sync::Arc;

use sriovdp_sdk::health::check_uplink;
use sriovdp_sdk::selector::CaseInsensitive;
use sriovdp_sdk::{Device, DeviceId, Finding, Node, PciAddress};

use crate::parent::{Parent, Parents};
use crate::subfunction;
use crate::subfunction::Subfunction;

/// What selectors are compared with.
#[derive(Debug)]
pub struct Facts {
    /// What stands behind `#` in `pfNames` and `rootDevices`.
    pub(crate) number: Option<u32>,
    /// Of its own network interface.
    pub(crate) own_link_type: Option<CaseInsensitive>,
    /// It has a network interface, in whichever network namespace.
    pub(crate) has_netdev: bool,
    pub(crate) parent: Arc<Parent>,
}

impl Facts {
    /// Its own link, or that of its parent while its network interface is not to be seen.
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
pub(crate) struct Survey<'a> {
    node: &'a Node,
    before: &'a Parents,
    parents: Parents,
    links: HashMap<PciAddress, Option<Finding>>,
}

impl<'a> Survey<'a> {
    /// Begins a scan; `before` are the parents of the last one.
    pub(crate) fn new(node: &'a Node, before: &'a Parents) -> Self {
        Self {
            node,
            before,
            parents: Parents::new(),
            links: HashMap::new(),
        }
    }

    /// The subfunction `name` or the reason why it is not offered; nothing when its parent is not asked about.
    pub(crate) fn device(&mut self, name: &str) -> Result<Option<Device<Facts>>, String> {
        let Subfunction { parent, number } = Subfunction::of(self.node, name)?;
        if !self.node.is_in_scope(parent) {
            return Ok(None);
        }
        let known = self.parents.entry(parent);
        let parent = known
            .or_insert_with(|| Parent::at(self.node, parent, self.before))
            .clone()?;
        let id = DeviceId::new(name).map_err(|error| error.to_string())?;
        let (function, numa_node) = (parent.address, parent.numa_node);
        let facts = Facts {
            number,
            own_link_type: subfunction::link_type(self.node, name),
            has_netdev: subfunction::has_netdev(self.node, name),
            parent,
        };
        let device = Device::new(id, function, facts)
            .with_numa_node(numa_node)
            .with_findings(self.link_finding(function));
        Ok(Some(device))
    }

    /// What the link of the parent, or of its physical function, says.
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

    /// Ends the scan; the next one wants to know.
    pub(crate) fn into_parents(self) -> Parents {
        self.parents
    }
}
