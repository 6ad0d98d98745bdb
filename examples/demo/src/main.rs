//! The whole path for a person to watch: provider files, pools, registration, allocations, a node that changes.
//!
//! Everything but the kubelet is real: the daemon and the provider libraries that the build made, over a node that was
//! captured from a running kernel. It needs no rights, touches nothing outside of one directory, and ends by itself. The
//! directory is the argument, which is created, or else `sriovdp-demo` in the directory for temporary files, which is
//! replaced.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the demo is what it prints")]

mod changes;
mod containers;
mod environment;
mod lifecycle;
mod narration;

use std::time::Duration;

use anyhow::Context;
use environment::{Daemon, Environment};
use sriovdp_fake_kubelet::FakeKubelet;

/// Everything that is waited for takes milliseconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(15);

const CONFIG: &str = r#"{
  "resourceList": [
    {"resourceName": "kernel", "selectors": {"drivers": ["igbvf"], "pfNames": ["eth2#1-3"]}},
    {"resourceName": "dpdk", "selectors": {"vendors": ["8086"], "drivers": ["vfio-pci", "uio_pci_generic"]}},
    {"resourceName": "far", "selectors": {"rootDevices": ["0000:81:00.0"]}},
    {"resourceName": "vdpa", "selectors": {"vdpaType": "vhost"}},
    {"resourceName": "accel", "deviceType": "accelerator", "selectors": {"vendors": ["1dd8"]}},
    {"resourceName": "sf", "deviceType": "auxNetDevice", "selectors": {"auxTypes": ["sf"], "pfNames": ["p0#88-95"]}},
    {"resourceName": "rdma", "selectors": {"rootDevices": ["0000:41:00.0"], "isRdma": true}},
    {"resourceName": "whole", "selectors": {"device": ["10c9"]}}
  ]
}
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tokio::time::timeout(LIMIT, play())
        .await
        .context("the demo did not end in time")?
}

async fn play() -> anyhow::Result<()> {
    let named = std::env::args_os().nth(1).map(Into::into);
    let directory = environment::directory(named)?;
    let environment = Environment::set(directory, CONFIG)?;
    lifecycle::before_the_start(&environment).await?;
    let kubelet = environment.kubelet().await?;
    let mut daemon = lifecycle::start(&environment)?;
    if let Err(error) = serve(&environment, &kubelet, &mut daemon).await {
        return Err(error.context(daemon.report().await));
    }
    drop(kubelet);
    lifecycle::left(&environment)
}

/// What happens while the daemon runs.
async fn serve(
    environment: &Environment,
    kubelet: &FakeKubelet,
    daemon: &mut Daemon,
) -> anyhow::Result<()> {
    lifecycle::registered(kubelet, daemon).await?;

    containers::vfio(environment, kubelet).await?;
    containers::vdpa(environment, kubelet).await?;
    containers::refused(kubelet).await?;

    changes::a_new_function(environment, kubelet, daemon).await?;
    changes::a_link(environment, kubelet, daemon).await?;
    let corrected = CONFIG.replace("\"device\"", "\"devices\"");
    changes::a_configuration(environment, kubelet, &corrected).await?;
    changes::a_device_type(environment, kubelet).await?;
    changes::an_extension(environment, kubelet).await?;
    changes::subfunctions(environment, kubelet, daemon).await?;

    lifecycle::another_kubelet(kubelet).await?;
    lifecycle::end(kubelet, daemon).await
}
