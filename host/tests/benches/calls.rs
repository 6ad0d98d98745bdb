//! What the library boundary costs: the same questions to the same provider, in this process and in its file.
//!
//! A call across the boundary is made on another thread, because a provider may hang; `thread_hop` is that part alone.
#![forbid(unsafe_code)]

#[path = "node/built.rs"]
mod built;
#[allow(dead_code, reason = "the other benchmark divides the node into pools")]
#[path = "node/tree.rs"]
mod tree;

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use divan::Bencher;
use serde_json::json;
use sriovdp_net_device::NetDevice;
use sriovdp_provider_abi::wire;
use sriovdp_provider_abi::wire::method;
use sriovdp_providers::{AllocateRequest, DiscoverRequest, Discovery, ProviderSettings, Providers};
use sriovdp_sdk::runtime::Session;
use sriovdp_sdk::{HostRoot, PciFunction};
use sriovdp_sdk_testing::Tree;
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tree::Size;

const SIZE: Size = Size {
    vfs: 4096,
    pools: 64,
};
const DEVICE_TYPE: &str = "netDevice";
const RESOURCE: &str = "intel.com/vf";
const TIMEOUT: Duration = Duration::from_secs(10);
/// It has a kernel driver, as every other one.
const DEVICE: &str = "0000:07:01.0";

static NODE: OnceLock<PathBuf> = OnceLock::new();
static LIBRARY: OnceLock<PathBuf> = OnceLock::new();

fn main() -> anyhow::Result<()> {
    let node = Tree::parse(&SIZE.tree())?.temp();
    let directory = tempfile::tempdir()?;
    NODE.get_or_init(|| node.path().to_owned());
    let library = built::provide("sriovdp_net_device", directory.path())?;
    LIBRARY.get_or_init(|| library);
    divan::main();
    Ok(())
}

#[divan::bench]
fn select_in_process(bencher: Bencher<'_, '_>) {
    in_process(bencher, method::SELECT, &select());
}

#[divan::bench]
fn select_across_the_boundary(bencher: Bencher<'_, '_>) {
    let (runtime, discovery) = across();
    let selectors = select().selectors;
    bencher.bench_local(|| {
        let matches = runtime.block_on(discovery.select(DEVICE_TYPE, &selectors));
        matches.expect("an answer")
    });
}

#[divan::bench]
fn allocate_in_process(bencher: Bencher<'_, '_>) {
    in_process(bencher, method::ALLOCATE, &allocate());
}

#[divan::bench]
fn allocate_across_the_boundary(bencher: Bencher<'_, '_>) {
    let (runtime, discovery) = across();
    let (provider, request) = (discovery.provider(), allocate());
    bencher.bench_local(|| {
        let request = AllocateRequest {
            device_type: DEVICE_TYPE,
            resource: RESOURCE,
            selectors: &request.selectors,
            ids: &request.ids,
            settings: None,
            replaced: &[],
        };
        let allocations = provider.allocate(Instant::now() + TIMEOUT, request);
        runtime.block_on(allocations).expect("an answer")
    });
}

#[divan::bench]
fn thread_hop(bencher: Bencher<'_, '_>) {
    let runtime = runtime();
    bencher.bench_local(|| {
        runtime.block_on(async {
            sriovdp_providers::blocking::start(|| ())
                .expect("a thread")
                .await
        })
    });
}

fn in_process(bencher: Bencher<'_, '_>, method: &str, question: &impl serde::Serialize) {
    let session = Session::new(NetDevice::default(), ("sriovdp-net-device", "0.0.0"));
    let ask = |method: &str, question: &str| match session.call(method, question) {
        Ok(answer) => answer,
        Err(failure) => panic!("{:?}", failure.chain),
    };
    ask(method::DISCOVER, &text(&discover()));
    bencher.bench_local(|| ask(method, &text(question)));
}

/// The discovery of the provider that was loaded from its file.
fn across() -> (Runtime, Discovery) {
    let library = LIBRARY.get().expect("`main` has set it");
    let runtime = runtime();
    let mut providers = Providers::default();
    let settings = ProviderSettings {
        program: sriovdp_tests::program(),
        ..ProviderSettings::new(vec![library.parent().expect("a directory").to_owned()])
    };
    runtime.block_on(providers.reload(&settings));
    let provider = providers.loaded().first().expect("a provider");
    let request = DiscoverRequest {
        root: &NODE.get().expect("`main` has set it").display().to_string(),
        generation: 1,
        functions: &functions(),
        devices: Vec::new(),
        part: None,
        settings: None,
    };
    let answer = runtime.block_on(async {
        let mut call = provider.discover(&request).expect("a thread");
        call.wait_until(Instant::now() + TIMEOUT).await
    });
    let found = answer.expect("an answer").expect("a discovery");
    assert_eq!(found.devices.len(), SIZE.vfs);
    (runtime, found.discovery)
}

fn functions() -> Vec<PciFunction> {
    let node = NODE.get().expect("`main` has set it");
    let bus = sriovdp_pci_scan::scan(&HostRoot::new(node), &[]);
    bus.expect("a PCI bus").functions
}

fn discover() -> wire::DiscoverRequest {
    let node = NODE.get().expect("`main` has set it");
    wire::DiscoverRequest {
        root: node.display().to_string(),
        generation: 1,
        functions: functions().iter().map(Into::into).collect(),
        ..wire::DiscoverRequest::default()
    }
}

/// One pool of the node: the VFs of one of its physical functions.
fn select() -> wire::SelectRequest {
    wire::SelectRequest {
        generation: 1,
        device_type: DEVICE_TYPE.to_owned(),
        selectors: json!({"pfNames": ["pf6"]}),
    }
}

fn allocate() -> wire::AllocateRequest {
    wire::AllocateRequest {
        device_type: DEVICE_TYPE.to_owned(),
        selectors: json!({"pfNames": ["pf6"]}),
        ids: vec![DEVICE.to_owned()],
        resource: Some(RESOURCE.to_owned()),
        ..wire::AllocateRequest::default()
    }
}

fn text(question: &impl serde::Serialize) -> String {
    serde_json::to_string(question).expect("JSON")
}

/// As the daemon's own.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}
