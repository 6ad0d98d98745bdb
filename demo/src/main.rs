//! The whole path for a person to watch: provider files, pools, registration, an allocation, a node that changes.
//!
//! Everything but the kubelet is real: the daemon and the provider libraries that the build made, over a node that was
//! captured from a running kernel. It needs no rights, touches nothing outside a temporary directory, and ends by
//! itself.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "the demo is what it prints")]

mod narration;
mod stage;

use std::time::Duration;

use anyhow::Context;
use narration::{chapter, container, pool, since};
use stage::Stage;
use tokio::time::Instant;

/// Everything that is waited for takes milliseconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(15);

const CONFIG: &str = r#"{
  "resourceList": [
    {"resourceName": "kernel", "selectors": {"drivers": ["igbvf"], "pfNames": ["eth2"]}},
    {"resourceName": "dpdk", "selectors": {"vendors": ["8086"], "drivers": ["vfio-pci", "uio_pci_generic"]}},
    {"resourceName": "far", "selectors": {"rootDevices": ["0000:81:00.0"]}},
    {"resourceName": "accel", "deviceType": "accelerator", "selectors": {"vendors": ["1dd8"]}},
    {"resourceName": "typo", "selectors": {"pfName": ["eth2"]}}
  ]
}
"#;
/// Every resource of the configuration but the last one, which is refused.
const OFFERED: [&str; 4] = [
    "intel.com/kernel",
    "intel.com/dpdk",
    "intel.com/far",
    "intel.com/accel",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tokio::time::timeout(LIMIT, play())
        .await
        .context("the demo did not end in time")?
}

async fn play() -> anyhow::Result<()> {
    let stage = Stage::set(CONFIG)?;

    chapter(
        "The provider directory: each file is a device type that the host does not know by itself",
    );
    print!("{}", stage.run(&["providers"]).await?);

    chapter("The configuration, checked against them; the last resource has a typing error");
    print!("{}", stage.run(&["check"]).await?);

    chapter("A kubelet runs, the daemon starts, and its pools are registered");
    let kubelet = stage.kubelet().await?;
    let started = Instant::now();
    let mut daemon = stage.daemon()?;
    for name in OFFERED {
        pool(
            name,
            &kubelet
                .wait_for(name, |view| view.allocatable() > 0)
                .await?,
        );
    }
    println!("  all of it {}", since(started));

    chapter("A container gets a VF that is bound to vfio-pci");
    container(
        &kubelet
            .allocate("intel.com/dpdk", &["0000:41:10.2"])
            .await?,
    );
    println!(
        "  device info for CNIs: {}",
        stage.device_info("intel.com-dpdk-0000:41:10.2")?
    );

    chapter("The kubelet asks for a device that does not exist");
    let refused = kubelet.allocate("intel.com/far", &["0000:ff:1f.7"]).await;
    println!("  {}", refused.err().context("it was not refused")?);

    chapter("A third VF appears on 0000:81:00.0, and the daemon is asked to look again (SIGHUP)");
    let appeared = Instant::now();
    stage.change("vf 0000:81:10.4 8086:10ca pf=0000:81:00.0 id=2 driver=igbvf net=eth20 numa=1")?;
    daemon.look_again()?;
    pool(
        "intel.com/far",
        &kubelet
            .wait_for("intel.com/far", |view| view.allocatable() == 3)
            .await?,
    );
    println!(
        "  in the kubelet's list {}; the other pools were not sent again",
        since(appeared)
    );

    chapter("The kubelet is killed and starts again");
    let restarted = Instant::now();
    kubelet.restart().await?;
    for name in OFFERED {
        kubelet
            .wait_for(name, |view| {
                view.registrations == 2 && view.allocatable() > 0
            })
            .await?;
        println!("  {name} is registered again {}", since(restarted));
    }

    chapter("SIGTERM");
    let told = Instant::now();
    let code = daemon.end().await?;
    println!("  the daemon ended with exit code {code} {}", since(told));
    let broken = kubelet.violations();
    anyhow::ensure!(
        broken.is_empty(),
        "rules of the kubelet were broken: {broken:?}"
    );
    println!("  no rule of the kubelet was broken on the way");
    Ok(())
}
