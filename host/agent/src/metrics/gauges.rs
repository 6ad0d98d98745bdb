//! The gauges, as of the last reconcile: build, resources, devices, providers and configuration.

use std::collections::BTreeSet;

use super::Allocated;
use super::text::{Family, Kind, Labels, Text};
use crate::status::{DaemonStatus, PoolStatus};
use sriovdp_sdk::PciAddress;

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
    }
}

// These three names are those that the documentation of the SR-IOV network operator has.
const TOTAL: Family = gauge(
    "sriov_device_plugin_total_devices",
    "Devices of the pool, healthy or not.",
);
const ALLOCATED: Family = gauge(
    "sriov_device_plugin_allocated_devices",
    "Devices that pods have under the resource, by the kubelet; at most 10 s old.",
);
const UNHEALTHY: Family = gauge(
    "sriov_device_plugin_unhealthy_devices",
    "Devices of the pool that are unhealthy.",
);

pub(super) fn write(text: &mut Text, status: &DaemonStatus, allocated: &Allocated) {
    let pools = status.pools.as_deref().unwrap_or_default();
    let one = |text: &mut Text, family: &Family, labels: Labels<'_>, value: f64| {
        text.family(family);
        text.sample(family.name, labels, value);
    };
    one(
        text,
        &gauge(
            "sriovdp_build_info",
            "The version of the program and of its SDK.",
        ),
        &[
            ("version", env!("CARGO_PKG_VERSION")),
            ("sdk", sriovdp_sdk::VERSION),
        ],
        1.0,
    );
    per_pool(text, pools, &TOTAL, PoolStatus::devices);
    if let Some(allocated) = &allocated.by_resource {
        per_pool(text, pools, &ALLOCATED, |pool| {
            let count = allocated.get(&pool.resource());
            count.copied().unwrap_or_default()
        });
    }
    per_pool(text, pools, &UNHEALTHY, |pool| pool.unhealthy().count());
    let registered = gauge(
        "sriovdp_resource_registered",
        "1 when the resource is registered with the kubelet, else 0.",
    );
    per_pool(text, pools, &registered, |pool| {
        usize::from(pool.registration.borrow().is_registered())
    });
    let unhealthy = gauge(
        "sriovdp_device_unhealthy",
        "1 for each unhealthy device, with the kind of the reason.",
    );
    text.family(&unhealthy);
    for pool in pools {
        let resource = pool.resource();
        for unhealthy_device in pool.unhealthy() {
            let labels = [
                ("resource", resource.as_str()),
                ("device", unhealthy_device.device.id.as_str()),
                ("kind", unhealthy_device.kind.name()),
            ];
            text.sample(unhealthy.name, &labels, 1);
        }
    }
    pod_devices(text, pools, allocated);
    let refused = gauge(
        "sriovdp_resource_refused",
        "1 for each resource of the configuration that is refused.",
    );
    text.family(&refused);
    for resource in &status.refused {
        text.sample(refused.name, &[("resource", resource)], 1);
    }
    let provider = gauge(
        "sriovdp_provider_info",
        "1 for each file of the provider directories.",
    );
    text.family(&provider);
    for file in &status.providers() {
        let labels = [
            ("file", file.file.as_str()),
            ("version", &file.version),
            ("state", &file.state),
        ];
        text.sample(provider.name, &labels, 1);
    }
    let config = &status.configuration;
    let is_good = config.accepted.is_some() && config.rejected.is_none();
    one(
        text,
        &gauge(
            "sriovdp_config_last_reload_successful",
            "1 when the configuration file was accepted as it is now, else 0.",
        ),
        &[],
        f64::from(u8::from(is_good)),
    );
    if let Some(accepted) = config.accepted {
        let since = accepted.duration_since(std::time::UNIX_EPOCH);
        one(
            text,
            &gauge(
                "sriovdp_config_last_reload_success_timestamp_seconds",
                "When the configuration in force was accepted.",
            ),
            &[],
            since.unwrap_or_default().as_secs_f64(),
        );
    }
}

fn per_pool(
    text: &mut Text,
    pools: &[PoolStatus],
    family: &Family,
    value: impl Fn(&PoolStatus) -> usize,
) {
    text.family(family);
    for pool in pools {
        let resource = pool.resource();
        text.sample(family.name, &[("resource", &resource)], value(pool));
    }
}

/// The series of the SR-IOV network metrics exporter, with its labels.
fn pod_devices(text: &mut Text, pools: &[PoolStatus], allocated: &Allocated) {
    let Some(containers) = &allocated.containers else {
        return;
    };
    let family = gauge(
        "sriov_kubepoddevice",
        "1 for each device that a container has.",
    );
    text.family(&family);
    let resources: BTreeSet<String> = pools.iter().map(PoolStatus::resource).collect();
    let ours = containers
        .iter()
        .filter(|container| resources.contains(&container.resource));
    for container in ours {
        let devices = container.devices.iter();
        for device in devices.filter(|id| id.parse::<PciAddress>().is_ok()) {
            let labels = [
                ("pciAddr", device.as_str()),
                ("dev_type", &container.resource),
                ("pod", &container.pod),
                ("namespace", &container.namespace),
                ("container", &container.container),
            ];
            text.sample(family.name, &labels, 1);
        }
    }
}
