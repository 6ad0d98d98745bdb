//! What containers get, for several kinds of devices.

use anyhow::Context;
use sriovdp_fake_kubelet::FakeKubelet;

use crate::environment::Environment;
use crate::narration::{chapter, container};

pub(crate) async fn vfio(environment: &Environment, kubelet: &FakeKubelet) -> anyhow::Result<()> {
    chapter("A container gets a VF that is bound to vfio-pci");
    allocate(kubelet, "intel.com/dpdk", "0000:41:10.2").await?;
    device_info(environment, "intel.com-dpdk-0000:41:10.2")
}

pub(crate) async fn vdpa(environment: &Environment, kubelet: &FakeKubelet) -> anyhow::Result<()> {
    chapter("A container gets the vDPA device of a function");
    allocate(kubelet, "intel.com/vdpa", "0000:82:00.0").await?;
    device_info(environment, "intel.com-vdpa-0000:82:00.0")
}

pub(crate) async fn refused(kubelet: &FakeKubelet) -> anyhow::Result<()> {
    chapter("The kubelet requests a device that does not exist");
    let refused = kubelet.allocate("intel.com/far", &["0000:ff:1f.7"]).await;
    println!("  {}", refused.err().context("it was not refused")?);
    Ok(())
}

pub(crate) async fn allocate(
    kubelet: &FakeKubelet,
    resource: &str,
    device: &str,
) -> anyhow::Result<()> {
    container(&kubelet.allocate(resource, &[device]).await?);
    Ok(())
}

fn device_info(environment: &Environment, device: &str) -> anyhow::Result<()> {
    let file = environment.device_info(device)?;
    println!("  device info for CNIs: {file}");
    Ok(())
}
