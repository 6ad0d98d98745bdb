//! `sriovdp list`: the pools and their devices.

mod device;

use serde::Serialize;

use super::Output;
use super::output::{Cell, Columns, Document, Table};
use super::resources::{ShownResource, resources};
use crate::style::{BAD, GOOD};
use device::{Device, DeviceFacts};
use sriovdp_agent::reconcile::{Outcome, Reconciler};
use sriovdp_kubelet::ContainerDevices;

/// The resources in the order of the configuration.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List {
    items: Vec<Resource>,
    /// Whether the kubelet has listed which pod has which device.
    pods_known: bool,
}

/// A resource with its devices, which are `null` where they are unknown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource: String,
    device_type: String,
    devices: Option<Vec<Device>>,
    /// Why they are unknown.
    unknown: Option<String>,
}

pub(super) async fn list(output: &mut Output, state: &Reconciler, outcome: &Outcome) {
    let tree = state.tree();
    let socket = tree.below_root(tree.pod_resources_socket());
    // Without a kubelet no pod has a device here.
    let containers = ContainerDevices::list(&socket).await.ok();
    let facts = DeviceFacts::new(state, containers.as_deref().unwrap_or_default());
    let resource = |shown: ShownResource<'_>| {
        let name = shown.name.to_string();
        let pool = shown.pool.as_ref();
        let devices = pool.map(|pool| {
            let devices = pool.devices.iter();
            devices.map(|device| facts.of(&name, device)).collect()
        });
        Resource {
            device_type: shown.device_type.to_owned(),
            unknown: devices.as_ref().err().map(|reason| (**reason).to_owned()),
            devices: devices.ok(),
            resource: name,
        }
    };
    let list = List {
        items: resources(state, outcome).map(resource).collect(),
        pods_known: containers.is_some(),
    };
    if list.items.iter().any(|resource| resource.unknown.is_some()) {
        output.fail();
    }
    output.document(&list);
}

impl Document for List {
    const KIND: &'static str = "ResourceList";

    fn print(&self, output: &mut Output, columns: Columns) {
        let mut table = Table::new(match columns {
            Columns::Main => &[
                "RESOURCE",
                "DEVICE",
                "PF",
                "VF",
                "DRIVER",
                "INTERFACE",
                "NUMA",
                "POD",
                "HEALTH",
            ],
            Columns::All => &[
                "RESOURCE",
                "TYPE",
                "DEVICE",
                "FUNCTION",
                "ID",
                "PF",
                "PF-ADDRESS",
                "VF",
                "DRIVER",
                "INTERFACE",
                "NUMA",
                "POD",
                "CONTAINER",
                "HEALTH",
            ],
        });
        for resource in &self.items {
            for device in resource.devices.iter().flatten() {
                table.row(row(resource, device, columns));
            }
        }
        output.table(&table);
        for Resource {
            resource,
            devices,
            unknown,
            ..
        } in &self.items
        {
            if let Some(reason) = unknown {
                output.line(format_args!("{resource}: unknown: {reason}"));
            } else if devices.as_ref().is_some_and(Vec::is_empty) {
                output.line(format_args!(
                    "{resource}: no device; see `sriovdp explain --resource {resource}`"
                ));
            }
        }
    }
}

fn row(resource: &Resource, device: &Device, columns: Columns) -> Vec<Cell> {
    let pod = device.pod.as_ref();
    let health = match &device.unhealthy {
        None => Cell::styled("healthy".to_owned(), GOOD),
        Some(reason) => Cell::styled(format!("unhealthy: {reason}"), BAD),
    };
    let pf = &device.physical_function;
    let name = Cell::new(resource.resource.clone());
    let id = Cell::new(device.id.clone());
    let pf_name = Cell::new(pf.interface.clone().or_else(|| pf.address.clone()));
    let vf = Cell::new(device.vf.map(|number| number.to_string()));
    let driver = Cell::new(device.driver.clone());
    let interfaces = Cell::new(device.interfaces.join(","));
    let numa = Cell::new(device.numa_node.map(|node| node.to_string()));
    let pod_name = Cell::new(pod.map(|pod| format!("{}/{}", pod.namespace, pod.name)));
    match columns {
        Columns::Main => vec![
            name, id, pf_name, vf, driver, interfaces, numa, pod_name, health,
        ],
        Columns::All => vec![
            name,
            Cell::new(resource.device_type.clone()),
            id,
            Cell::new(device.function.clone()),
            Cell::new(device.pci_id.clone()),
            pf_name,
            Cell::new(pf.address.clone()),
            vf,
            driver,
            interfaces,
            numa,
            pod_name,
            Cell::new(pod.map(|pod| pod.container.clone())),
            health,
        ],
    }
}
