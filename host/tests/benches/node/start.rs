//! One start of a program: a node, a kubelet, and the way to the last registered pool.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal};
use sriovdp_fake_kubelet::{Config, Event, EventKind, FakeKubelet, Timing};
use sriovdp_sdk_testing::{TempTree, Tree};
use tokio::process::Child;

use crate::program::Program;
use crate::tree::Size;

/// The kubelet scans once a second, which would be all that is measured.
const TICK: Duration = Duration::from_millis(5);
/// A program that is traced is slow.
const KUBELET_TIMEOUT: Duration = Duration::from_secs(60);

/// Enough to see why a program ended.
const LAST_LINES: usize = 5;

/// A node with its configuration.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) size: Size,
    tree: TempTree,
}

/// A program that serves all its pools.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) kubelet: FakeKubelet,
    child: Child,
    /// What was started: the program, unless a wrapper runs it as a child.
    pub(crate) pid: u32,
    /// Until the last pool was registered and had sent its list.
    pub(crate) ready: Duration,
}

impl Node {
    pub(crate) fn write(size: Size) -> anyhow::Result<Self> {
        let tree = Tree::parse(&size.tree())?.temp();
        let directory = tree.path().join("etc/pcidp");
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("config.json"), size.config())?;
        Ok(Self { size, tree })
    }

    pub(crate) fn root(&self) -> &Path {
        self.tree.path()
    }

    /// The last lines that the program has written.
    pub(crate) fn end_of_log(&self) -> String {
        let text = std::fs::read_to_string(self.log()).unwrap_or_default();
        let mut last: Vec<&str> = text.lines().rev().take(LAST_LINES).collect();
        last.reverse();
        last.join("\n")
    }

    /// Starts `program` behind the words of `wrapper`, under a new kubelet.
    pub(crate) async fn start(
        &self,
        program: &Program,
        wrapper: &[&str],
    ) -> anyhow::Result<Started> {
        let kubelet = self.new_kubelet().await?;
        let begin = Instant::now();
        let child = program
            .command(self.root(), wrapper)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.log())?)
            .kill_on_drop(true)
            .spawn();
        let mut child = child.context("cannot start it")?;
        tokio::select! {
            listed = self.all_listed(&kubelet) => listed?,
            status = child.wait() => bail!("it has ended: {}", status?),
        }
        let lists = |event: &&Event| matches!(event.kind, EventKind::Listed { .. });
        let journal = kubelet.journal();
        let last_list = journal.iter().rfind(lists).context("no list was sent")?.at;
        Ok(Started {
            pid: child.id().context("the program has ended")?,
            ready: last_list - begin,
            kubelet,
            child,
        })
    }

    fn log(&self) -> PathBuf {
        self.root().join("program.log")
    }

    /// What the last start left behind is gone.
    pub(crate) async fn new_kubelet(&self) -> anyhow::Result<FakeKubelet> {
        for directory in ["var/lib/kubelet", "var/run"] {
            let directory = self.root().join(directory);
            if directory.exists() {
                std::fs::remove_dir_all(directory)?;
            }
        }
        let mut config = Config::new(self.root());
        config.timing = Timing {
            watcher_tick: TICK,
            // A traced program may be slow to answer.
            get_info: KUBELET_TIMEOUT,
            wait_timeout: KUBELET_TIMEOUT,
            ..Timing::default()
        };
        Ok(FakeKubelet::start(config).await?)
    }

    pub(crate) async fn all_listed(&self, kubelet: &FakeKubelet) -> anyhow::Result<()> {
        let devices = self.size.devices_of_a_pool();
        for resource in self.size.resources() {
            let listed = kubelet
                .wait_for(&resource, |view| view.allocatable() == devices)
                .await;
            if let Err(timeout) = listed {
                bail!(
                    "no {} of {devices} devices within {:?}",
                    timeout.awaited,
                    timeout.waited
                );
            }
        }
        Ok(())
    }
}

impl Started {
    /// Ends the program: with `KILL` nothing that it does at its end is measured.
    pub(crate) async fn end(mut self, signal: Signal) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid)?).context("no process id")?;
        rustix::process::kill_process(pid, signal).context("it has ended by itself")?;
        self.child.wait().await?;
        self.kubelet.stop().await;
        Ok(())
    }
}
