//! What `sriovdp list` shows of a device: the pool's values, those of its PCI function, its interfaces and its pod.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;

use serde::Serialize;
use sriovdp_agent::pools::PoolDevice;
use sriovdp_agent::reconcile::Reconciler;
use sriovdp_kubelet::ContainerDevices;
use sriovdp_sdk::{Attribute, HostRoot, PciAddress, PciFunction};

use crate::commands::device_attributes;

const INTERFACES: &str = "/sys/class/net";
const AUXILIARY_DEVICES: &str = "/sys/bus/auxiliary/devices";

/// One device.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device {
    pub(super) id: String,
    /// The address of the PCI function that it is or belongs to.
    pub(super) function: Option<String>,
    /// `vendor:device` of the function.
    pub(super) pci_id: Option<String>,
    pub(super) physical_function: PhysicalFunction,
    /// The number of a virtual function.
    pub(super) vf: Option<u32>,
    pub(super) driver: Option<String>,
    /// Its network interfaces in this network namespace.
    pub(super) interfaces: Vec<String>,
    pub(super) numa_node: Option<u32>,
    /// Those of its provider, and where it is.
    pub(super) attributes: BTreeMap<String, Attribute>,
    /// Why new pods do not get it.
    pub(super) unhealthy: Option<String>,
    /// The pod that has it.
    pub(super) pod: Option<Pod>,
}

/// The physical function behind a device, which may be the device itself.
#[derive(Serialize)]
pub(super) struct PhysicalFunction {
    pub(super) address: Option<String>,
    pub(super) interface: Option<String>,
}

/// A container of a pod.
#[derive(Clone, Serialize)]
pub(super) struct Pod {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) container: String,
}

/// The values of all devices that no pool has.
pub(super) struct DeviceFacts<'a> {
    root: HostRoot,
    state: &'a Reconciler,
    functions: &'a [PciFunction],
    /// By the directory of sysfs that they are in: a PCI address, or an id.
    interfaces: HashMap<String, Vec<String>>,
    /// By resource and device.
    pods: BTreeMap<(&'a str, &'a str), Pod>,
}

impl<'a> DeviceFacts<'a> {
    pub(super) fn new(state: &'a Reconciler, containers: &'a [ContainerDevices]) -> Self {
        let root = HostRoot::new(state.tree().root());
        let pods = containers.iter().flat_map(|container| {
            let pod = Pod {
                namespace: container.namespace.clone(),
                name: container.pod.clone(),
                container: container.container.clone(),
            };
            let devices = container.devices.iter();
            devices.map(move |device| ((&*container.resource, &**device), pod.clone()))
        });
        Self {
            interfaces: interfaces(state, &root),
            pods: pods.collect(),
            functions: state.functions(),
            state,
            root,
        }
    }

    pub(super) fn of(&self, resource: &str, device: &PoolDevice) -> Device {
        let id = device.id.as_str();
        let address = device.function.map(|function| function.to_string());
        let function = device.function.and_then(|function| self.function(function));
        let is_function = address.as_deref() == Some(id);
        let physical_function = device.physical_function.map(|pf| pf.to_string());
        let interface = physical_function.as_ref();
        let interface = interface.and_then(|pf| self.interfaces.get(pf));
        Device {
            attributes: device_attributes::of(self.state, device.into()),
            function: address,
            pci_id: function.map(|f| format!("{}:{}", f.vendor, f.device)),
            vf: function.and_then(|f| f.vf_index),
            driver: match is_function {
                true => function.and_then(|f| f.driver.clone()),
                false => self
                    .root
                    .link_name(&format!("{AUXILIARY_DEVICES}/{id}/driver")),
            },
            interfaces: self.interfaces.get(id).cloned().unwrap_or_default(),
            numa_node: device.numa_node,
            unhealthy: device.health.reason().map(str::to_owned),
            pod: self.pods.get(&(resource, id)).cloned(),
            physical_function: PhysicalFunction {
                interface: interface.and_then(|names| names.first().cloned()),
                address: physical_function,
            },
            id: id.to_owned(),
        }
    }

    fn function(&self, address: PciAddress) -> Option<&PciFunction> {
        let at = self.functions.binary_search_by_key(&address, |f| f.address);
        at.ok().map(|at| &self.functions[at])
    }
}

/// The network interfaces by the device whose directory they are in. In switchdev mode the representors of other
/// functions are left out, whose port is named after these (Linux: `Documentation/networking/devlink/devlink-port.rst`).
fn interfaces(state: &Reconciler, root: &HostRoot) -> HashMap<String, Vec<String>> {
    let devices = state.scan().device_types();
    let devices = devices.flat_map(|(_, found)| &found.devices);
    let ids: HashSet<&str> = devices.map(|device| device.id.as_str()).collect();
    let is_device = |part: &&str| ids.contains(part) || part.parse::<PciAddress>().is_ok();
    let mut interfaces: HashMap<String, Vec<String>> = HashMap::new();
    for name in root.list(INTERFACES) {
        let path = format!("{INTERFACES}/{name}");
        let port = root.read(&format!("{path}/phys_port_name"));
        if port.is_some_and(|port| port.contains("pf")) {
            continue;
        }
        let target = root.link_target(&path).unwrap_or_default();
        let mut parts = target.iter().rev().filter_map(OsStr::to_str);
        if let Some(device) = parts.find(is_device) {
            interfaces.entry(device.to_owned()).or_default().push(name);
        }
    }
    interfaces
}
