//! What one program needs on one node, over some starts of it.

use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::Signal;
use sriovdp_fake_kubelet::FakeKubelet;

use crate::process::{Activity, Snapshot};
use crate::program::Program;
use crate::start::{Node, Started};
use crate::syscalls;
use crate::tree::{Driver, Size};

/// How long a start leaves something behind: the memory of the kubelet's first connections for 5 s, and idle threads for 10 s.
pub(crate) const SETTLE: Duration = Duration::from_secs(12);

/// How thorough to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Starts of each program on each node, in turn.
    pub(crate) starts: usize,
    /// Calls of each kind after each start.
    pub(crate) calls: usize,
    /// Changes of the node, one after the other.
    pub(crate) changes: usize,
    /// How long the idle program is observed.
    pub(crate) idle: Duration,
}

/// What is measured besides the time and the memory of a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Start,
    /// The calls as well.
    Calls,
    /// The system calls of a start, and the idle program as well.
    SystemCallsAndIdle,
}

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Until the last pool was registered and listed.
    pub(crate) starts: Vec<Duration>,
    /// When all pools had been listed.
    pub(crate) serving: Vec<Snapshot>,
    /// [`SETTLE`] later, in one of the starts.
    pub(crate) settled: Option<Snapshot>,
    /// After the calls.
    pub(crate) used: Vec<Snapshot>,
    pub(crate) empty: Vec<Duration>,
    pub(crate) netdev: Calls,
    pub(crate) vfio: Calls,
    /// Until all pools had been listed; nothing without strace.
    pub(crate) system_calls: Option<u64>,
    pub(crate) idle: Option<Activity>,
    /// The CPU time of as long again after that.
    pub(crate) resync: Option<Duration>,
}

/// Calls of Allocate, each for one device.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Of a device whose files are not written yet.
    pub(crate) first: Vec<Duration>,
    /// Of a device that was allocated before.
    pub(crate) again: Vec<Duration>,
}

/// Measures each program on one node, alternating. The result of a program that failed is the reason.
pub(crate) async fn measure(
    programs: &[Program],
    size: Size,
    extent: Extent,
    effort: Effort,
) -> anyhow::Result<Vec<anyhow::Result<Samples>>> {
    let node = Node::write(size)?;
    let mut all: Vec<_> = programs.iter().map(|_| Ok(Samples::default())).collect();
    for round in 1..=effort.starts {
        let extent = match extent {
            Extent::SystemCallsAndIdle if round < effort.starts => Extent::Start,
            extent => extent,
        };
        for (program, result) in programs.iter().zip(&mut all) {
            if let Ok(samples) = result
                && let Err(error) = samples.add(program, &node, extent, effort).await
            {
                let log = node.end_of_log();
                *result = Err(error.context(format!("its log ends with: {log}")));
            }
        }
    }
    Ok(all)
}

impl Samples {
    async fn add(
        &mut self,
        program: &Program,
        node: &Node,
        extent: Extent,
        effort: Effort,
    ) -> anyhow::Result<()> {
        let started = node.start(program, &[]).await?;
        self.starts.push(started.ready);
        self.serving.push(Snapshot::of(started.pid)?);
        match extent {
            Extent::Start => {}
            Extent::Calls => {
                self.settle(&started).await?;
                self.call(&started, node.size, effort.calls).await?;
            }
            Extent::SystemCallsAndIdle => {
                self.settle(&started).await?;
                let before = Activity::of(started.pid)?;
                tokio::time::sleep(effort.idle).await;
                self.idle = Some(Activity::of(started.pid)?.since(before));
                let before = Snapshot::of(started.pid)?.cpu;
                tokio::time::sleep(effort.idle).await;
                self.resync = Some(Snapshot::of(started.pid)?.cpu - before);
            }
        }
        started.end(Signal::KILL).await?;
        if extent == Extent::SystemCallsAndIdle {
            self.system_calls = syscalls::until_ready(program, node).await?;
        }
        Ok(())
    }

    /// Measures the memory that remains, in one of the starts.
    async fn settle(&mut self, started: &Started) -> anyhow::Result<()> {
        if self.settled.is_none() {
            tokio::time::sleep(SETTLE).await;
            self.settled = Some(Snapshot::of(started.pid)?);
        }
        Ok(())
    }

    async fn call(&mut self, started: &Started, size: Size, calls: usize) -> anyhow::Result<()> {
        let kubelet = &started.kubelet;
        for (driver, took) in [
            (Driver::Netdev, &mut self.netdev),
            (Driver::Vfio, &mut self.vfio),
        ] {
            let devices = size.devices(driver);
            took.first
                .extend(allocate(kubelet, &devices, devices.len()).await?);
            took.again.extend(allocate(kubelet, &devices, calls).await?);
        }
        let resources: Vec<String> = size.resources().collect();
        for n in 0..calls {
            let begin = Instant::now();
            kubelet.options(&resources[n % resources.len()]).await?;
            self.empty.push(begin.elapsed());
        }
        self.used.push(Snapshot::of(started.pid)?);
        Ok(())
    }
}

/// Allocates one device after the other, going round `devices`, on the connections that the kubelet has.
pub(crate) async fn allocate(
    kubelet: &FakeKubelet,
    devices: &[(String, String)],
    count: usize,
) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::new();
    for (resource, id) in devices.iter().cycle().take(count) {
        let begin = Instant::now();
        let allocated = kubelet.allocate(resource, &[id.as_str()]).await;
        took.push(begin.elapsed());
        allocated.with_context(|| format!("cannot allocate `{id}`"))?;
    }
    Ok(took)
}
