//! How the daemon begins, outlives its kubelet, and ends.

use sriovdp_fake_kubelet::{EventKind, FakeKubelet};
use tokio::time::Instant;

use crate::environment::{Daemon, Environment};
use crate::narration::{chapter, command, commands_to_try, file, pool, since};

/// What has devices from the start.
const AT_FIRST: [&str; 4] = [
    "intel.com/kernel",
    "intel.com/dpdk",
    "intel.com/far",
    "intel.com/vdpa",
];
/// Those that get devices later.
const LATER: [&str; 4] = [
    "intel.com/whole",
    "intel.com/accel",
    "intel.com/rdma",
    "intel.com/sf",
];

pub(crate) async fn before_the_start(environment: &Environment) -> anyhow::Result<()> {
    chapter(
        "The provider directory: each file has a device type, or extends some; the program has none by itself",
    );
    show(environment, &["providers"]).await?;

    chapter("The configuration: two resources lack their providers, and one has a typo");
    file(&environment.configuration()?);
    show(environment, &["check"]).await?;

    chapter("Why is a VF in one pool and in no other?");
    show(environment, &["explain", "0000:41:10.2"]).await
}

async fn show(environment: &Environment, arguments: &[&str]) -> anyhow::Result<()> {
    let output = environment.run(arguments).await?;
    command(arguments, &output);
    Ok(())
}

pub(crate) fn start(environment: &Environment) -> anyhow::Result<Daemon> {
    chapter("A kubelet runs, the daemon starts, and its pools are registered");
    environment.daemon()
}

pub(crate) async fn registered(kubelet: &FakeKubelet, daemon: &Daemon) -> anyhow::Result<()> {
    for name in AT_FIRST {
        let view = kubelet
            .wait_for(name, |view| view.allocatable() > 0)
            .await?;
        pool(name, &view);
    }
    println!(
        "  all of it {}; the kubelet searches for new sockets once a second",
        since(daemon.started)
    );
    Ok(())
}

pub(crate) async fn another_kubelet(kubelet: &FakeKubelet) -> anyhow::Result<()> {
    chapter("The kubelet is killed and starts again");
    let restarted = Instant::now();
    kubelet.restart().await?;
    for name in AT_FIRST.into_iter().chain(LATER) {
        kubelet
            .wait_for(name, |view| {
                view.registrations == 2 && view.allocatable() > 0
            })
            .await?;
        println!("  {name} is registered again {}", since(restarted));
    }
    Ok(())
}

pub(crate) async fn end(kubelet: &FakeKubelet, daemon: &mut Daemon) -> anyhow::Result<()> {
    chapter("SIGTERM");
    let signalled = Instant::now();
    let code = daemon.end().await?;
    println!(
        "  the daemon ended with exit code {code} {}",
        since(signalled)
    );
    let broken = kubelet.violations();
    anyhow::ensure!(
        broken.is_empty(),
        "rules of the kubelet were violated: {broken:?}"
    );
    println!("  no rule of the kubelet was violated");
    println!("  how many lists the two kubelets got, of a pool that did not change one each:");
    let journal = kubelet.journal();
    let counts = AT_FIRST.into_iter().chain(LATER).map(|name| {
        let lists = journal.iter().filter(
            |event| matches!(&event.kind, EventKind::Listed { resource, .. } if resource == name),
        );
        format!("{name} {}", lists.count())
    });
    println!("  {}", counts.collect::<Vec<_>>().join(", "));
    Ok(())
}

/// Where everything was left, and what to do with it.
pub(crate) fn left(environment: &Environment) -> anyhow::Result<()> {
    environment.remove_kubelet()?;
    chapter("Your turn: the node stays until the next run");
    println!("  node           {}", environment.root().display());
    println!("  configuration  {}", environment.config_file().display());
    println!("  log            {}", environment.log().display());
    let program = environment.wrapper();
    let program = program.display();
    println!("  `{program}` is the program with `--root` and `--provider-dir` of this node:");
    commands_to_try(&[
        (
            format!("{program} list -o wide"),
            "the devices of each pool",
        ),
        (
            format!("{program} explain eth3"),
            "why an interface of the node is in no pool",
        ),
        (
            format!("{program} check"),
            "after you have edited the configuration",
        ),
    ]);
    Ok(())
}
