//! One row of the table: what one program needs on one node.

use std::time::{Duration, Instant};

use anyhow::Context;
use sriovdp_fake_kubelet::FakeKubelet;

use crate::process::{Activity, Snapshot};
use crate::program::Program;
use crate::start::Node;
use crate::syscalls;

/// How thorough to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Starts, of which the median counts.
    pub(crate) starts: usize,
    /// Calls of Allocate.
    pub(crate) calls: usize,
    /// Changes of the node, one after the other.
    pub(crate) changes: usize,
    /// How long to watch it do nothing.
    pub(crate) idle: Duration,
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Row {
    /// Medians of the starts.
    pub(crate) scanned: Duration,
    pub(crate) ready: Duration,
    /// When all pools had been listed, in the last start.
    pub(crate) serving: Snapshot,
    /// After the calls.
    pub(crate) used: Snapshot,
    /// Until all pools had been listed; nothing without strace.
    pub(crate) system_calls: Option<u64>,
    pub(crate) allocate: Latency,
    /// CPU time of the program for one of the calls.
    pub(crate) cpu_of_a_call: Duration,
    pub(crate) idle: Activity,
}

/// How long a call took.
#[derive(Debug)]
pub(crate) struct Latency {
    pub(crate) median: Duration,
    /// All but one call in a hundred took less.
    pub(crate) slow: Duration,
}

/// Measures `program` on `node`.
pub(crate) async fn measure(program: &Program, node: &Node, effort: Effort) -> anyhow::Result<Row> {
    let (mut scanned, mut ready) = (Vec::new(), Vec::new());
    for _ in 1..effort.starts {
        let started = node.start(program, &[]).await?;
        scanned.push(started.scanned);
        ready.push(started.ready);
        started.kill().await?;
    }
    let system_calls = syscalls::until_ready(program, node).await?;
    let last = node.start(program, &[]).await?;
    scanned.push(last.scanned);
    ready.push(last.ready);
    let serving = Snapshot::of(last.pid)?;
    let allocate = Latency::of(calls(&last.kubelet, node, effort.calls).await?);
    let used = Snapshot::of(last.pid)?;
    let before = Activity::of(last.pid)?;
    tokio::time::sleep(effort.idle).await;
    let idle = Activity::of(last.pid)?.since(before);
    last.kill().await?;
    Ok(Row {
        scanned: median(scanned),
        ready: median(ready),
        serving,
        used,
        system_calls,
        allocate,
        cpu_of_a_call: (used.cpu - serving.cpu) / u32::try_from(effort.calls)?,
        idle,
    })
}

impl Latency {
    pub(crate) fn of(mut calls: Vec<Duration>) -> Self {
        calls.sort_unstable();
        Self {
            slow: calls
                .get(calls.len() * 99 / 100)
                .copied()
                .unwrap_or_default(),
            median: median(calls),
        }
    }
}

/// Asks for one device after the other, going round all pools, on the connection that the kubelet has.
async fn calls(kubelet: &FakeKubelet, node: &Node, count: usize) -> anyhow::Result<Vec<Duration>> {
    let mut pools = Vec::new();
    for resource in node.size.resources() {
        let view = kubelet.resource(&resource).context("a pool is gone")?;
        pools.push((resource, view.devices));
    }
    let mut took = Vec::new();
    for n in 0..count {
        let (resource, devices) = &pools[n % pools.len()];
        let id = devices[n / pools.len() % devices.len()].id.as_str();
        let begin = Instant::now();
        kubelet
            .allocate(resource, &[id])
            .await
            .with_context(|| format!("cannot allocate `{id}`"))?;
        took.push(begin.elapsed());
    }
    Ok(took)
}

pub(crate) fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
