//! Changes of the files that are followed: the configuration and the providers. Nothing is restarted, and there is no signal.

use sriovdp_fake_kubelet::FakeKubelet;

use super::Change;
use crate::containers::allocate;
use crate::environment::{ACCELERATOR, Environment, RDMA};
use crate::narration::{aside, chapter};

pub(crate) async fn a_configuration(
    environment: &Environment,
    kubelet: &FakeKubelet,
    corrected: &str,
) -> anyhow::Result<()> {
    chapter(
        "The configuration is corrected, `device` is `devices` now (no signal: the file is followed)",
    );
    aside("A pool that is new has to be registered first, so its message waits for the kubelet's");
    aside("next search for sockets, which is up to a second away.");
    let change = Change::begins(kubelet);
    environment.configure(corrected)?;
    change
        .arrives("intel.com/whole", |view| view.allocatable() == 1)
        .await
}

pub(crate) async fn a_device_type(
    environment: &Environment,
    kubelet: &FakeKubelet,
) -> anyhow::Result<()> {
    chapter(
        "A provider file is put into the directory, and `accel` has its device type (no signal either)",
    );
    let change = Change::begins(kubelet);
    environment.provide(ACCELERATOR)?;
    change
        .arrives("intel.com/accel", |view| view.allocatable() == 1)
        .await
}

pub(crate) async fn an_extension(
    environment: &Environment,
    kubelet: &FakeKubelet,
) -> anyhow::Result<()> {
    chapter("The file of an extension follows, and `rdma` is no longer refused (no signal either)");
    let change = Change::begins(kubelet);
    environment.provide(RDMA)?;
    change
        .arrives("intel.com/rdma", |view| view.allocatable() == 1)
        .await?;
    println!("  a container gets its VF, with the nodes that the extension adds:");
    allocate(kubelet, "intel.com/rdma", "0000:41:10.0").await
}
