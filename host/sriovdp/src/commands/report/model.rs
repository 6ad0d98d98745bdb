//! From the state after a reconcile to what the page shows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sriovdp_agent::pools::Health;
use sriovdp_agent::reconcile::{Outcome, Reconciler};
use sriovdp_kubelet::ContainerDevices;
use sriovdp_report::count;
use sriovdp_sdk::{HostRoot, PciAddress, PciFunction};

use super::page::{Card, Counts, Device, Link, PoolRow, State};
use super::redact::Redactor;
use crate::commands::resources::{ShownResource, resources};

/// The reasons of `explain` by device.
pub(super) type Reasons = HashMap<String, Vec<String>>;

/// The state, and what is known beside it.
pub(super) struct Model<'a> {
    pub(super) state: &'a Reconciler,
    pub(super) outcome: &'a Outcome,
    pub(super) containers: &'a [ContainerDevices],
    pub(super) reasons: &'a Reasons,
}

impl Model<'_> {
    pub(super) fn pools(&self, redactor: &mut Redactor) -> Vec<PoolRow> {
        let row = |shown: ShownResource<'_>| PoolRow {
            name: redactor.text(&shown.name.to_string()),
            device_type: redactor.text(shown.device_type),
            devices: match &shown.pool {
                Ok(pool) => Ok(Counts {
                    all: pool.devices.len(),
                    healthy: pool.healthy(),
                    used: pool
                        .devices
                        .iter()
                        .filter(|device| self.is_used(device.id.as_str()))
                        .count(),
                }),
                Err(reason) => Err(redactor.text(reason)),
            },
        };
        resources(self.state, self.outcome).map(row).collect()
    }

    /// A card for each physical function with virtual ones or with devices, for each other function with devices, and for
    /// the devices that belong to none.
    pub(super) fn cards(&self, pools: &[PoolRow], redactor: &mut Redactor) -> Vec<Card> {
        let functions: BTreeMap<PciAddress, &PciFunction> = self
            .state
            .functions()
            .iter()
            .map(|function| (function.address, function))
            .collect();
        let card_of = |address: PciAddress| {
            let physical = functions
                .get(&address)
                .and_then(|function| function.physical_function);
            physical
                .filter(|physical| functions.contains_key(physical))
                .unwrap_or(address)
        };
        let mut devices: BTreeMap<Option<PciAddress>, Vec<(Order, Device)>> = BTreeMap::new();
        let mut offered = BTreeSet::new();
        for (_, found) in self.state.scan().device_types() {
            let excluded = found.excluded.iter().filter_map(|excluded| {
                let address: PciAddress = excluded.name.parse().ok()?;
                Some((excluded.name.as_str(), Some(address)))
            });
            let discovered = found
                .devices
                .iter()
                .map(|device| (device.id.as_str(), device.function));
            for (id, address) in discovered.chain(excluded) {
                // A function may be excluded by one provider and discovered by another.
                let card = devices.entry(address.map(card_of)).or_default();
                if card.iter().any(|(order, _)| order.id == id) {
                    continue;
                }
                offered.extend(address);
                let function = address.and_then(|address| functions.get(&address).copied());
                card.push(self.device(id, function, pools, redactor));
            }
        }
        for function in functions
            .values()
            .filter(|function| function.vf_index.is_some())
        {
            if !offered.contains(&function.address) {
                let card = devices.entry(Some(card_of(function.address))).or_default();
                card.push(self.device(
                    &function.address.to_string(),
                    Some(function),
                    pools,
                    redactor,
                ));
            }
        }
        let mut cards: Vec<Card> = devices
            .into_iter()
            .map(|(address, mut devices)| {
                devices.sort_by(|(a, _), (b, _)| a.cmp(b));
                let devices = devices.into_iter().map(|(_, device)| device).collect();
                let function = address.and_then(|address| functions.get(&address).copied());
                self.card(address, function, devices, redactor)
            })
            .collect();
        cards.sort_by_key(|card| card.numa_node.map_or(u32::MAX, |node| node));
        cards
    }

    fn card(
        &self,
        address: Option<PciAddress>,
        function: Option<&PciFunction>,
        devices: Vec<Device>,
        redactor: &mut Redactor,
    ) -> Card {
        let root = HostRoot::new(self.state.tree().root());
        let interfaces = address.map(|address| interfaces(&root, address));
        let interfaces = interfaces.unwrap_or_default();
        let name = match address {
            Some(address) => format!("{address} {}", interfaces.join(" ")),
            None => "devices without a PCI function".to_owned(),
        };
        let mut details = Vec::new();
        if let Some(function) = function {
            details.push(format!("{}:{}", function.vendor, function.device));
            let driver = function.driver.as_deref();
            details.push(driver.unwrap_or("no driver").to_owned());
            if function.vf_count > 0 {
                details.push(count(function.vf_count as usize, "VF"));
            }
        }
        let links = interfaces
            .iter()
            .map(|interface| Link::of(&root, interface));
        Card {
            numa_node: function.and_then(|function| function.numa_node),
            name: redactor.text(name.trim_end()),
            details,
            links: links.collect(),
            devices,
        }
    }

    fn device(
        &self,
        id: &str,
        function: Option<&PciFunction>,
        pools: &[PoolRow],
        redactor: &mut Redactor,
    ) -> (Order, Device) {
        let pool = self.state.pools().find(|pool| pool.device(id).is_some());
        let health = pool
            .as_ref()
            .and_then(|pool| pool.device(id))
            .map(|device| &device.health);
        let state = match health {
            None => State::Unassigned,
            Some(Health::Healthy) if self.is_used(id) => State::Used,
            Some(Health::Healthy) => State::Free,
            Some(_) => State::Unhealthy,
        };
        let is_function = function.is_some_and(|function| function.address.to_string() == id);
        let number = function
            .and_then(|function| function.vf_index)
            .filter(|_| is_function);
        let mut name = id.to_owned();
        if let Some(number) = number {
            name += &format!(", VF {number}");
        }
        if let Some(driver) = function.and_then(|function| function.driver.as_deref()) {
            name += &format!(", {driver}");
        }
        let mut lines = vec![redactor.text(&name)];
        for container in self
            .containers
            .iter()
            .filter(|container| container.devices.iter().any(|d| d == id))
        {
            let namespace = redactor.name("namespace", &container.namespace);
            let (pod, name) = (
                redactor.name("pod", &container.pod),
                redactor.name("container", &container.container),
            );
            lines.push(format!(
                "in {namespace}/{pod}, {name}, as {}",
                redactor.text(&container.resource)
            ));
        }
        match self.reasons.get(id) {
            Some(reasons) => lines.extend(reasons.iter().map(|reason| redactor.text(reason))),
            None => lines.push("no provider discovers it".to_owned()),
        }
        let order = Order {
            is_other: number.is_none(),
            number,
            id: id.to_owned(),
        };
        let label = match number {
            Some(number) => number.to_string(),
            None if is_function => "PF".to_owned(),
            None => id.rsplit(['.', ':']).next().unwrap_or(id).to_owned(),
        };
        let pool = pool.map(|pool| redactor.text(&pool.resource.name.to_string()));
        let device = Device {
            label: redactor.text(&label),
            state,
            pool: pool.and_then(|name| pools.iter().position(|pool| pool.name == name)),
            lines,
        };
        (order, device)
    }

    fn is_used(&self, id: &str) -> bool {
        !self.state.pod_devices().resources_of(id).is_empty()
    }
}

impl Link {
    fn of(root: &HostRoot, interface: &str) -> Self {
        let attribute = |name| root.read(&format!("/sys/class/net/{interface}/{name}"));
        // The carrier of an interface that is down cannot be read.
        match attribute("carrier").as_deref() {
            Some("1") => Self::Up,
            Some("0") => Self::NoCarrier,
            _ => Self::Off,
        }
    }
}

/// Virtual functions by their numbers, then everything else.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    is_other: bool,
    number: Option<u32>,
    id: String,
}

fn interfaces(root: &HostRoot, address: PciAddress) -> Vec<String> {
    root.list(&format!("/sys/bus/pci/devices/{address}/net"))
}
