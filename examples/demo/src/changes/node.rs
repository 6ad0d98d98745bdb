//! Changes of the node: functions, links, subfunctions.

use sriovdp_fake_kubelet::FakeKubelet;

use super::Change;
use crate::containers::allocate;
use crate::environment::{Daemon, Environment};
use crate::narration::{aside, chapter};

/// One more beside the captured two.
const VF: &str = "vf 0000:81:10.4 8086:10ca pf=0000:81:00.0 id=2 driver=igbvf net=eth20 numa=1";

/// The link of the physical function that these three belong to.
const DOWN: &str = "file @0000:81:00.0/net/eth3/carrier 0";
const UP: &str = "file @0000:81:00.0/net/eth3/carrier 1";

/// The machine of the captured node has no adapter with subfunctions, so these lines stand for one that is plugged in.
const ADAPTER: &str = "
pf 0000:08:00.0 15b3:a2d6 driver=mlx5_core net=p0 numa=0
sf mlx5_core.sf.4 on=0000:08:00.0 num=88 net=enp8s0f0s88 driver=mlx5_core.sf
sf mlx5_core.sf.5 on=0000:08:00.0 num=89 net=enp8s0f0s89 driver=mlx5_core.sf
";

pub(crate) async fn a_new_function(
    environment: &Environment,
    kubelet: &FakeKubelet,
    daemon: &Daemon,
) -> anyhow::Result<()> {
    chapter("A third VF appears on 0000:81:00.0");
    aside("On a real node the kernel's event triggers a reconcile. There is none for");
    aside("a node of files, so here and below SIGHUP does, which is what `sriovdp rescan` sends.");
    let change = Change::begins(kubelet);
    environment.change(VF)?;
    daemon.reconcile()?;
    change
        .arrives("intel.com/far", |view| view.allocatable() == 3)
        .await
}

pub(crate) async fn a_link(
    environment: &Environment,
    kubelet: &FakeKubelet,
    daemon: &Daemon,
) -> anyhow::Result<()> {
    chapter("The PF 0000:81:00.0 loses its link: its VFs stay, but no new pod gets one (SIGHUP)");
    let change = Change::begins(kubelet);
    environment.change(DOWN)?;
    daemon.reconcile()?;
    change
        .arrives("intel.com/far", |view| view.allocatable() == 0)
        .await?;
    println!("  `sriovdp list` has the reason:");
    for line in environment.run(&["list"]).await?.lines() {
        if line.contains("unhealthy:") || line.starts_with("RESOURCE") {
            println!("    {line}");
        }
    }

    chapter("The link is back (SIGHUP)");
    let change = Change::begins(kubelet);
    environment.change(UP)?;
    daemon.reconcile()?;
    change
        .arrives("intel.com/far", |view| view.allocatable() == 3)
        .await
}

pub(crate) async fn subfunctions(
    environment: &Environment,
    kubelet: &FakeKubelet,
    daemon: &Daemon,
) -> anyhow::Result<()> {
    chapter("An adapter with two subfunctions is plugged in (written, not captured; SIGHUP)");
    let change = Change::begins(kubelet);
    environment.change(ADAPTER)?;
    daemon.reconcile()?;
    change
        .arrives("intel.com/sf", |view| view.allocatable() == 2)
        .await?;
    println!("  a container gets one, by its name on the auxiliary bus:");
    allocate(kubelet, "intel.com/sf", "mlx5_core.sf.4").await
}
