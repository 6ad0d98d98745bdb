//! What changes while the daemon runs: functions, provider files, subfunctions.

use sriovdp_fake_kubelet::FakeKubelet;
use tokio::time::Instant;

use crate::containers::allocate;
use crate::narration::{chapter, pool, since};
use crate::stage::{Daemon, Stage};

/// One more beside the captured two.
const VF: &str = "vf 0000:81:10.4 8086:10ca pf=0000:81:00.0 id=2 driver=igbvf net=eth20 numa=1";

/// The machine of the captured node has no adapter with subfunctions, so these lines stand for one that is plugged in.
const ADAPTER: &str = "
pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0 numa=0
sf mlx5_core.sf.4 on=0000:08:00.0 num=88 net=enp8s0f0s88 driver=mlx5_core.sf
sf mlx5_core.sf.5 on=0000:08:00.0 num=89 net=enp8s0f0s89 driver=mlx5_core.sf
";

pub(crate) async fn a_new_function(
    stage: &Stage,
    kubelet: &FakeKubelet,
    daemon: &Daemon,
) -> anyhow::Result<()> {
    chapter("A third VF appears on 0000:81:00.0, and the daemon is asked to look again (SIGHUP)");
    let appeared = Instant::now();
    stage.change(VF)?;
    daemon.look_again()?;
    grown(kubelet, "intel.com/far", 3).await?;
    println!(
        "  in the kubelet's list {}; the other pools were not sent again",
        since(appeared)
    );
    Ok(())
}

/// Nothing is restarted and nobody asks: the directory is followed.
pub(crate) async fn an_extension(stage: &Stage, kubelet: &FakeKubelet) -> anyhow::Result<()> {
    chapter(
        "The file of an extension is put into the provider directory, and `rdma` is refused no more",
    );
    let put = Instant::now();
    stage.provide_the_extension()?;
    grown(kubelet, "intel.com/rdma", 1).await?;
    println!("  loaded, and in the kubelet's list {}", since(put));
    println!("  a container gets its VF, with the nodes that the extension adds:");
    allocate(kubelet, "intel.com/rdma", "0000:41:10.0").await
}

pub(crate) async fn subfunctions(
    stage: &Stage,
    kubelet: &FakeKubelet,
    daemon: &Daemon,
) -> anyhow::Result<()> {
    chapter("An adapter with two subfunctions is plugged in (written, not captured)");
    stage.change(ADAPTER)?;
    daemon.look_again()?;
    grown(kubelet, "intel.com/sf", 2).await?;
    println!("  a container gets one, by its name on the auxiliary bus:");
    allocate(kubelet, "intel.com/sf", "mlx5_core.sf.4").await
}

async fn grown(kubelet: &FakeKubelet, name: &str, devices: usize) -> anyhow::Result<()> {
    let view = kubelet.wait_for(name, |view| view.allocatable() == devices);
    pool(name, &view.await?);
    Ok(())
}
