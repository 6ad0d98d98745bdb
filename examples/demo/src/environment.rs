//! A node in a directory that stays, with the programs that this build made.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anyhow::Context;
use rustix::process::{Pid, Signal};
use sriovdp_fake_kubelet::{Config, FakeKubelet};
use sriovdp_sdk_testing::Tree;
use tokio::process::{Child, Command};
use tokio::time::Instant;

/// The captured node. One of its physical functions had no link then, and has one here.
const NODE: &str = concat!(
    include_str!("../../nodes/igb-guest.tree"),
    "\nfile @0000:81:00.0/net/eth3/carrier 1\n"
);
/// How long a process that has begun to end may take.
const DYING: Duration = Duration::from_millis(500);
const CONFIG_DIRECTORY: &str = "etc/pcidp";
/// A library that the build made, and what it is installed as.
type Library = (&'static str, &'static str);
/// Those that are there from the start.
const PROVIDERS: [Library; 3] = [
    ("libsriovdp_net_device.so", "net-device.so"),
    ("libsriovdp_aux_net_device.so", "aux-net-device.so"),
    ("libsriovdp_intel_ddp.so", "intel-ddp.so"),
];
/// Those that come later.
pub(crate) const ACCELERATOR: Library = ("libsriovdp_accelerator.so", "accelerator.so");
pub(crate) const RDMA: Library = ("libsriovdp_mellanox_rdma.so", "mellanox-rdma.so");

/// The directory has these.
const ROOT: &str = "node";
const PROVIDER_DIR: &str = "providers";
const LOG: &str = "daemon.log";
const WRAPPER: &str = "sriovdp";

pub(crate) struct Environment {
    directory: PathBuf,
    /// Where the build put the programs: this one is among them.
    built: PathBuf,
}

/// The running daemon.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) started: Instant,
    log: PathBuf,
}

/// The directory of the demo, empty: `named`, or one in the directory for temporary files. Its path is short enough for
/// sockets, and no other user can replace a provider in it, neither of which holds for every place of a checkout.
pub(crate) fn directory(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let directory = match named {
        // What is in there is not of this demo.
        Some(named) => named,
        None => {
            let directory = std::env::temp_dir().join("sriovdp-demo");
            match std::fs::remove_dir_all(&directory) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let message = format!(
                        "cannot replace `{}`, where the last demo left its node; name another directory",
                        directory.display()
                    );
                    return Err(anyhow::Error::new(error).context(message));
                }
                _ => directory,
            }
        }
    };
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .with_context(|| format!("cannot create `{}`", directory.display()))?;
    Ok(std::path::absolute(directory)?)
}

impl Environment {
    /// The captured node with a configuration and the provider files, as they are installed.
    pub(crate) fn set(directory: PathBuf, config: &str) -> anyhow::Result<Self> {
        let this = std::env::current_exe()?;
        let environment = Self {
            directory,
            built: this
                .parent()
                .context("this program is in no directory")?
                .to_owned(),
        };
        for name in [ROOT, PROVIDER_DIR] {
            std::fs::create_dir(environment.directory.join(name))?;
        }
        Tree::parse(NODE)?.write(&environment.root())?;
        environment.write_wrapper()?;
        for library in PROVIDERS {
            environment.provide(library)?;
        }
        std::fs::create_dir_all(environment.root().join(CONFIG_DIRECTORY))?;
        environment.configure(config)?;
        // What the daemon chooses its way to register by.
        std::fs::create_dir_all(environment.root().join("var/lib/kubelet/plugins_registry"))?;
        Ok(environment)
    }

    /// Runs a command of the program and returns what it prints. Its exit code may be that of a failed check.
    pub(crate) async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let has_colors = AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
        let color = if has_colors { "always" } else { "never" };
        let command = &mut self.program()?;
        let output = command
            .args(arguments)
            .args(["--color", color])
            .output()
            .await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(crate) async fn kubelet(&self) -> anyhow::Result<FakeKubelet> {
        Ok(FakeKubelet::start(Config::new(self.root())).await?)
    }

    /// Its log goes into a file, because it would be in between the lines of the narration.
    pub(crate) fn daemon(&self) -> anyhow::Result<Daemon> {
        let log = self.log();
        let started = Instant::now();
        let child = self
            .program()?
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Daemon {
            child,
            started,
            log,
        })
    }

    /// The configuration is this from now on. A reader sees the file as it was or as it is, never a part of it.
    pub(crate) fn configure(&self, config: &str) -> anyhow::Result<()> {
        let file = self.config_file();
        let next = file.with_file_name(".next");
        std::fs::write(&next, config)?;
        Ok(std::fs::rename(next, file)?)
    }

    pub(crate) fn configuration(&self) -> anyhow::Result<String> {
        Ok(std::fs::read_to_string(self.config_file())?)
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.root().join(CONFIG_DIRECTORY).join("config.json")
    }

    /// The file appears whole and with its mode, as an installation that is renamed into its place.
    pub(crate) fn provide(&self, (library, name): Library) -> anyhow::Result<()> {
        let from = self.built.join(library);
        let next = self.provider_dir().join(".next");
        std::fs::copy(&from, &next)
            .with_context(|| format!("`{}` is missing; `make demo` builds it", from.display()))?;
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o644))?;
        std::fs::rename(next, self.provider_dir().join(name))?;
        Ok(())
    }

    /// Changes the node, by lines of the tree language.
    pub(crate) fn change(&self, lines: &str) -> anyhow::Result<()> {
        Ok(Tree::apply(&self.root(), lines)?)
    }

    pub(crate) fn device_info(&self, device: &str) -> anyhow::Result<String> {
        let directory = self.root().join("var/run/k8s.cni.cncf.io/devinfo/dp");
        Ok(std::fs::read_to_string(
            directory.join(format!("{device}-device.json")),
        )?)
    }

    /// Removes the sockets of the kubelet, which nothing serves any more.
    pub(crate) fn remove_kubelet(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_dir_all(
            self.root().join("var/lib/kubelet"),
        )?)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.join(ROOT)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join(LOG)
    }

    /// A script that runs the program on this node.
    pub(crate) fn wrapper(&self) -> PathBuf {
        self.directory.join(WRAPPER)
    }

    fn write_wrapper(&self) -> anyhow::Result<()> {
        let [program, root, providers] =
            [self.built.join("sriovdp"), self.root(), self.provider_dir()]
                .map(|path| quoted(&path));
        let script = format!(
            "#!/bin/sh\n# The program on the node of the demo.\n\
             exec {program} --root {root} --provider-dir {providers} \"$@\"\n"
        );
        std::fs::write(self.wrapper(), script)?;
        let mode = std::fs::Permissions::from_mode(0o755);
        Ok(std::fs::set_permissions(self.wrapper(), mode)?)
    }

    fn provider_dir(&self) -> PathBuf {
        self.directory.join(PROVIDER_DIR)
    }

    fn program(&self) -> anyhow::Result<Command> {
        let program = self.built.join("sriovdp");
        anyhow::ensure!(
            program.exists(),
            "`{}` is missing; `make demo` builds it",
            program.display()
        );
        let mut command = Command::new(program);
        command
            .arg("--root")
            .arg(self.root())
            .arg("--provider-dir")
            .arg(self.provider_dir());
        Ok(command)
    }
}

/// For a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

impl Daemon {
    pub(crate) fn reconcile(&self) -> anyhow::Result<()> {
        self.signal(Signal::HUP)
    }

    /// Terminates it, and returns its exit code.
    pub(crate) async fn end(&mut self) -> anyhow::Result<i32> {
        self.signal(Signal::TERM)?;
        self.child.wait().await?.code().context("it was killed")
    }

    /// Whether it runs, and its log, for the report of a failure.
    pub(crate) async fn report(&mut self) -> String {
        // Its connections end shortly before a process does.
        let state = match tokio::time::timeout(DYING, self.child.wait()).await {
            Err(_) => "runs".to_owned(),
            Ok(Ok(status)) => format!("ended with {status}"),
            Ok(Err(error)) => format!("has an unknown state: {error}"),
        };
        let log = std::fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string());
        format!("the daemon {state}; its log:\n{log}")
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = self.child.id().context("the daemon has ended")?;
        let id = Pid::from_raw(i32::try_from(id)?).context("no process id")?;
        Ok(rustix::process::kill_process(id, signal)?)
    }
}
