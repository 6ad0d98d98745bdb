//! The gauges, as of the last reconcile: build, resources, devices, providers and configuration.

use super::AllocatedByResource;
use super::text::{Family, Kind, Labels, Text};
use crate::status::{DaemonStatus, PoolStatus};

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

pub(super) fn write(text: &mut Text, status: &DaemonStatus, allocated: &AllocatedByResource) {
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
    per_pool(text, pools, &TOTAL, |pool| pool.devices);
    if let Some(allocated) = allocated {
        per_pool(text, pools, &ALLOCATED, |pool| {
            let count = allocated.get(&pool.resource.to_string());
            count.copied().unwrap_or_default()
        });
    }
    per_pool(text, pools, &UNHEALTHY, |pool| pool.unhealthy.len());
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
        let resource = pool.resource.to_string();
        for device in &pool.unhealthy {
            let (id, kind) = (device.id.as_str(), device.kind);
            let labels = [
                ("resource", resource.as_str()),
                ("device", id),
                ("kind", kind),
            ];
            text.sample(unhealthy.name, &labels, 1);
        }
    }
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
    for file in &status.providers {
        let labels = [
            ("file", file.file.as_str()),
            ("version", &file.version),
            ("state", file.state()),
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
        let resource = pool.resource.to_string();
        text.sample(family.name, &[("resource", &resource)], value(pool));
    }
}
