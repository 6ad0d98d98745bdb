//! What the host adds to a call of a provider: the same requests to the same file, by the host and directly.
//!
//! The host calls on another thread, because a provider may hang; `thread_hop` is that part alone.
#![forbid(unsafe_code)]

#[path = "node/built.rs"]
mod built;
#[allow(dead_code, reason = "the other benchmark divides the node into pools")]
#[path = "node/tree.rs"]
mod tree;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use abi_stable::library::RootModule;
use abi_stable::std_types::{RErr, ROk, RStr};
use divan::Bencher;
use serde_json::json;
use sriovdp_provider_abi::wire::method;
use sriovdp_provider_abi::{HostFunctions, Outcome, ProviderModuleRef, wire};
use sriovdp_providers::{
    AllocateRequest, DiscoverRequest, Discovery, ProviderSettings, Providers, with_thread,
};
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
fn select_directly(bencher: Bencher<'_, '_>) {
    directly(bencher, method::SELECT, &select());
}

#[divan::bench]
fn select_by_the_host(bencher: Bencher<'_, '_>) {
    let (runtime, discovery) = by_the_host();
    let selectors = select().selectors;
    bencher.bench_local(|| {
        let matches = runtime.block_on(discovery.select(DEVICE_TYPE, &selectors));
        matches.expect("an answer")
    });
}

#[divan::bench]
fn allocate_directly(bencher: Bencher<'_, '_>) {
    directly(bencher, method::ALLOCATE, &allocate());
}

#[divan::bench]
fn allocate_by_the_host(bencher: Bencher<'_, '_>) {
    let (runtime, discovery) = by_the_host();
    let request = Arc::new(allocate());
    bencher.bench_local(|| {
        let (provider, request) = (Arc::clone(discovery.provider()), Arc::clone(&request));
        let allocations = with_thread(Instant::now() + TIMEOUT, move |calls, reply| {
            let request = AllocateRequest {
                device_type: DEVICE_TYPE,
                resource: RESOURCE,
                selectors: &request.selectors,
                ids: &request.ids,
                settings: None,
                replaced: &[],
            };
            drop(reply.send(provider.allocate(calls, request)));
        });
        let allocations = runtime.block_on(allocations).expect("a reply");
        allocations.expect("an answer")
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

fn directly(bencher: Bencher<'_, '_>, method: &str, request: &impl serde::Serialize) {
    let library = LIBRARY.get().expect("`main` has set it");
    let module = ProviderModuleRef::load_from_file(library).expect("a provider");
    let host = HostFunctions { call: no_function };
    let attached = module.attach()(host, "{}".into());
    assert!(attached.is_ok(), "{attached:?}");
    let call = |method: &str, request: &str| match module.call()(method.into(), request.into()) {
        ROk(response) => response,
        RErr(failure) => panic!("{failure}"),
    };
    call(method::DISCOVER, &text(&discover()));
    bencher.bench_local(|| call(method, &text(request)));
}

extern "C" fn no_function(_: RStr<'_>, _: RStr<'_>) -> Outcome {
    RErr("{}".into())
}

/// The discovery of the provider that was loaded from its file.
fn by_the_host() -> (Runtime, Discovery) {
    let library = LIBRARY.get().expect("`main` has set it");
    let runtime = runtime();
    let mut providers = Providers::default();
    let settings = ProviderSettings {
        program: sriovdp_tests::program(),
        ..ProviderSettings::new(vec![library.parent().expect("a directory").to_owned()])
    };
    runtime.block_on(providers.reload(&settings));
    let provider = providers.all().first().expect("a provider");
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
