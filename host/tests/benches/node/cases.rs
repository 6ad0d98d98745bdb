//! The cases whose instructions are counted, each in a process of its own.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use abi_stable::library::RootModule;
use abi_stable::std_types::{RErr, ROk, RStr};
use anyhow::{Context, bail, ensure};
use serde_json::json;
use sriovdp_agent::pools::{self, DiscoveredDevice, DiscoveredDevices, OwnerByDevice};
use sriovdp_provider_abi::wire::{self, method};
use sriovdp_provider_abi::{HostFunctions, Outcome, ProviderModuleRef};
use sriovdp_providers::Matches;
use sriovdp_sdk::{HostRoot, PciFunction};

use crate::LARGE;
use crate::program::Build;
use crate::tree::Driver;

/// What runs in a process of its own, so many times on the node below a root.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    run: fn(usize, &Path) -> anyhow::Result<()>,
}

pub(crate) const CASES: [Case; 5] = [
    case("scan the PCI bus, 4,096 VFs", scan),
    case("discover, 4,096 VFs", discover),
    case("select, 4,096 VFs for 64 pools", select),
    case("assign, 4,096 VFs to 64 pools", assign),
    case(
        "Allocate, 4,096 calls of the provider",
        allocate_by_provider,
    ),
];
/// Runs a case in this process.
pub(crate) fn run(name: &str, times: usize, root: &Path) -> anyhow::Result<()> {
    let case = CASES.iter().find(|case| case.name == name);
    (case.context("there is no such case")?.run)(times, root)
}

fn scan(times: usize, root: &Path) -> anyhow::Result<()> {
    for _ in 0..times {
        black_box(functions(root)?);
    }
    Ok(())
}

fn discover(times: usize, root: &Path) -> anyhow::Result<()> {
    let request = discover_request(root)?;
    let provider = provider()?;
    for _ in 0..times {
        black_box(call(provider, method::DISCOVER, &request)?);
    }
    Ok(())
}

fn select(times: usize, root: &Path) -> anyhow::Result<()> {
    let provider = provider()?;
    call(provider, method::DISCOVER, &discover_request(root)?)?;
    for _ in 0..times {
        for pool in 0..LARGE.pools {
            let request = wire::SelectRequest {
                generation: 1,
                device_type: "netDevice".to_owned(),
                selectors: json!({ "pfNames": LARGE.pf_names(pool) }),
            };
            let request = serde_json::to_string(&request)?;
            black_box(call(provider, method::SELECT, &request)?);
        }
    }
    Ok(())
}

fn allocate_by_provider(times: usize, root: &Path) -> anyhow::Result<()> {
    let provider = provider()?;
    call(provider, method::DISCOVER, &discover_request(root)?)?;
    for _ in 0..times {
        for driver in [Driver::Netdev, Driver::Vfio] {
            for (resource, id) in LARGE.devices(driver) {
                let request = wire::AllocateRequest {
                    device_type: "netDevice".to_owned(),
                    selectors: json!({ "vendors": ["8086"] }),
                    ids: vec![id],
                    resource: Some(resource),
                    ..wire::AllocateRequest::default()
                };
                let request = serde_json::to_string(&request)?;
                black_box(call(provider, method::ALLOCATE, &request)?);
            }
        }
    }
    Ok(())
}

fn assign(times: usize, root: &Path) -> anyhow::Result<()> {
    let vfs = functions(root)?
        .into_iter()
        .filter(|f| f.physical_function.is_some());
    let devices = vfs.map(|function| DiscoveredDevice {
        id: function.address.into(),
        function: Some(function.address),
        physical_function: function.physical_function,
        numa_node: Some(0),
        is_part: false,
        extras: None,
        findings: Vec::new(),
    });
    let devices = DiscoveredDevices {
        devices: devices.collect(),
        excluded: Vec::new(),
    };
    let shares = devices.devices.chunks(LARGE.devices_of_a_pool());
    let matches: Vec<_> = shares
        .map(|share| {
            [Arc::new(Matches {
                devices: share.iter().map(|device| device.id.clone()).collect(),
                ..Matches::default()
            })]
        })
        .collect();
    let requests: Vec<_> = matches
        .iter()
        .map(|matches| pools::Request {
            device_type: "netDevice",
            devices: &devices,
            matches,
        })
        .collect();
    for _ in 0..times {
        black_box(pools::assign(&requests, [], &OwnerByDevice::new()));
    }
    Ok(())
}

const fn case(name: &'static str, run: fn(usize, &Path) -> anyhow::Result<()>) -> Case {
    Case { name, run }
}

fn functions(root: &Path) -> anyhow::Result<Vec<PciFunction>> {
    Ok(sriovdp_pci_scan::scan(&HostRoot::new(root), &[])?.functions)
}

fn discover_request(root: &Path) -> anyhow::Result<String> {
    let functions = functions(root)?;
    Ok(serde_json::to_string(&wire::DiscoverRequest {
        root: root.display().to_string(),
        generation: 1,
        functions: functions.iter().map(Into::into).collect(),
        ..wire::DiscoverRequest::default()
    })?)
}

/// The provider of network devices, as the daemon loads it.
fn provider() -> anyhow::Result<ProviderModuleRef> {
    let build = Build::this()?;
    let provider = ProviderModuleRef::load_from_file(&build.providers().join("net-device.so"))?;
    let attached = provider.attach()(HostFunctions { call: no_function }, "{}".into());
    ensure!(attached.is_ok(), "{attached:?}");
    Ok(provider)
}

extern "C" fn no_function(_: RStr<'_>, _: RStr<'_>) -> Outcome {
    RErr("{}".into())
}

fn call(provider: ProviderModuleRef, method: &str, request: &str) -> anyhow::Result<String> {
    match provider.call()(method.into(), request.into()) {
        ROk(response) => Ok(response.into()),
        RErr(failure) => bail!("{method}: {failure}"),
    }
}
