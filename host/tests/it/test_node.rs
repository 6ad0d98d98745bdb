//! A node, its kubelet and the daemon, for one test.

#[path = "log_records.rs"]
mod log;

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use sriovdp_fake_kubelet::{Config, FakeKubelet, Timing};
pub(crate) use sriovdp_kubelet::RegistrationMode;
use sriovdp_sdk_testing::Tree;
use tokio::process::{Child, Command};

/// The captured node of a real kernel. One of its physical functions had no link then, and has one here.
pub(crate) const CAPTURED: &str = concat!(
    include_str!("../../../examples/nodes/igb-guest.tree"),
    "\nfile @0000:81:00.0/net/eth3/carrier 1\n"
);

/// Long enough for a loaded machine, and never waited for when all is well.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The variables that set what the providers of these tests do, and that of an emulator.
const PROVIDER_ENVIRONMENT: &str =
    "FAULTY_PROVIDER,FAULTY_GATE,FROZEN_NEEDS,RAW_PROVIDER,QEMU_LD_PREFIX";

/// A daemon has two seconds to end; the rest is for a loaded machine.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// A node without a kubelet and without a daemon.
pub(crate) struct TestNode {
    node: sriovdp_sdk_testing::TempTree,
    providers: tempfile::TempDir,
    mode: RegistrationMode,
    environment: Vec<(String, String)>,
}

/// A running daemon. It is killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl TestNode {
    /// The node that `tree` describes, with the built-in providers.
    pub(crate) fn new(tree: &str, mode: RegistrationMode) -> Self {
        let node = Self::without_providers(tree, mode);
        node.provide("net-device", &built("sriovdp_net_device"));
        node.provide("accelerator", &built("sriovdp_accelerator"));
        node.provide("aux-net-device", &built("sriovdp_aux_net_device"));
        node
    }

    /// The same with no provider, each of which a daemon needs some time to load.
    pub(crate) fn without_providers(tree: &str, mode: RegistrationMode) -> Self {
        let node = Self {
            node: Tree::parse(tree).expect("a tree").temp(),
            providers: tempfile::tempdir().expect("a directory"),
            mode,
            environment: Vec::new(),
        };
        // Before the daemon starts, this is what it chooses its way by.
        let directory = match mode {
            RegistrationMode::Watcher => "plugins_registry",
            RegistrationMode::Register => "device-plugins",
        };
        std::fs::create_dir_all(node.root().join("var/lib/kubelet").join(directory))
            .expect("a directory");
        node
    }

    /// The same, with a configuration.
    pub(crate) fn with_config(tree: &str, mode: RegistrationMode, config: &str) -> Self {
        let node = Self::new(tree, mode);
        node.configure(config);
        node
    }

    pub(crate) fn root(&self) -> &Path {
        self.node.path()
    }

    pub(crate) fn provider_dir(&self) -> &Path {
        self.providers.path()
    }

    /// Replaces the configuration in one step, as a ConfigMap does.
    pub(crate) fn configure(&self, config: &str) {
        let directory = self.root().join("etc/pcidp");
        std::fs::create_dir_all(&directory).expect("a directory");
        let next = directory.join(".next");
        std::fs::write(&next, config).expect("a file");
        std::fs::rename(next, directory.join("config.json")).expect("a renamed file");
    }

    /// Further lines of the tree language, on the living node.
    pub(crate) fn change(&self, lines: &str) {
        Tree::apply(self.root(), lines).expect("a change of the node");
    }

    /// Puts a library into the provider directory, with the rights that it must have, in one step.
    pub(crate) fn provide(&self, name: &str, library: &Path) {
        let bytes = std::fs::read(library).unwrap_or_else(|error| {
            panic!(
                "cannot read `{}` ({error}); build it with `cargo build --workspace`",
                library.display()
            )
        });
        self.provide_bytes(&format!("{name}.so"), &bytes);
    }

    /// Puts a provider into the provider directory that returns these answers by method, and for the other methods those
    /// of `host/tests/raw-provider`.
    pub(crate) fn provide_scripted(&self, name: &str, answers: &[(&str, serde_json::Value)]) {
        const MARK: &[u8] = b"raw-provider-script";
        let library = built("sriovdp_raw_provider");
        let mut bytes = std::fs::read(&library).expect("`cargo build --workspace` builds it");
        let lines = answers
            .iter()
            .map(|(of, answer)| format!("{of}={answer}\n"));
        let script: String = lines.collect();
        let is_place = |at: &usize| bytes[*at..].starts_with(b"raw-provider-script        ");
        let place = (0..bytes.len()).find(is_place).expect("a script");
        let script = script.as_bytes();
        assert!(script.len() < 8192, "the script is too long");
        bytes[place..place + MARK.len()].fill(b' ');
        bytes[place..place + script.len()].copy_from_slice(script);
        self.provide_bytes(&format!("{name}.so"), &bytes);
    }

    /// Puts any bytes into the provider directory.
    pub(crate) fn provide_bytes(&self, file: &str, bytes: &[u8]) {
        use std::os::unix::fs::PermissionsExt;
        let next = self.provider_dir().join(".next");
        std::fs::write(&next, bytes).expect("a file");
        std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o644)).expect("a mode");
        std::fs::rename(next, self.provider_dir().join(file)).expect("a renamed file");
    }

    /// The libraries that extend the built-in device types, beside those that own them.
    pub(crate) fn provide_extensions(&self) {
        self.provide("mellanox-rdma", &built("sriovdp_mellanox_rdma"));
        self.provide("intel-ddp", &built("sriovdp_intel_ddp"));
    }

    /// Sets a variable for the daemons that are started from now on.
    pub(crate) fn environment(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// A kubelet on this node, with a quick plugin watcher.
    pub(crate) async fn kubelet(&self) -> FakeKubelet {
        self.kubelet_with(|_| {}).await
    }

    pub(crate) async fn kubelet_with(&self, change: impl FnOnce(&mut Config)) -> FakeKubelet {
        let mut config = Config::new(self.root());
        config.watcher = self.mode == RegistrationMode::Watcher;
        config.timing = Timing {
            watcher_tick: Duration::from_millis(20),
            first_backoff: Duration::from_millis(50),
            wait_timeout: TIMEOUT,
            ..Timing::default()
        };
        change(&mut config);
        FakeKubelet::start(config).await.expect("a kubelet")
    }

    /// The daemon, serving.
    pub(crate) fn daemon(&self) -> Daemon {
        self.daemon_with(&[])
    }

    pub(crate) fn daemon_with(&self, more: &[&str]) -> Daemon {
        self.daemon_of(self.command(more))
    }

    /// The same, started by a command that ends in the program's own. It logs records, see [`Daemon::logs`].
    pub(crate) fn daemon_of(&self, command: Command) -> Daemon {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .expect("a log");
        self.daemon_with_stderr(command, file)
    }

    /// The same, with a log of its own.
    pub(crate) fn daemon_with_stderr(
        &self,
        mut command: Command,
        stderr: impl Into<Stdio>,
    ) -> Daemon {
        let child = command
            .args(["--log-format", "json"])
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn();
        Daemon {
            child: child.expect("a daemon"),
            log: self.log_file(),
        }
    }

    fn log_file(&self) -> PathBuf {
        self.root().join("daemon.log")
    }

    /// Runs a command of the program to its end: exit code, standard output and standard error.
    pub(crate) async fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = self.command(arguments).output();
        let output = tokio::time::timeout(TIMEOUT, output)
            .await
            .expect("it ends")
            .expect("it starts");
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.replace(&*self.provider_dir().to_string_lossy(), "PROVIDERS")
        };
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// The program on this node, not started.
    pub(crate) fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(sriovdp_tests::program());
        // A replay is on the node of the report.
        if more.first() != Some(&"replay") {
            command.arg("--root").arg(self.root());
        }
        command
            .arg("--provider-dir")
            .arg(self.provider_dir())
            .args(more)
            .envs(self.environment.iter().cloned())
            .env("SRIOVDP_PROVIDER_ENV", PROVIDER_ENVIRONMENT)
            .stdin(Stdio::null());
        command
    }
}

impl Daemon {
    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.id();
        let id = Pid::from_raw(i32::try_from(id).expect("a process id")).expect("a process id");
        rustix::process::kill_process(id, signal).expect("a signal");
    }

    /// Its own processes, those that ended and were not waited for among them.
    pub(crate) fn children(&self) -> Vec<String> {
        children_of(&self.child.id().expect("it runs").to_string())
    }

    /// Sends SIGTERM; it has to end in time, with success and without children.
    pub(crate) async fn terminates_cleanly(&mut self) {
        assert_eq!(self.children(), [""; 0], "{}", self.log());
        self.signal(Signal::TERM);
        let ended = tokio::time::timeout(SHUTDOWN_TIMEOUT, self.child.wait()).await;
        let status = ended.expect("an end").expect("a status");
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        match tokio::time::timeout(TIMEOUT, self.child.wait()).await {
            Ok(status) => status.expect("a status"),
            Err(_) => panic!("the daemon goes on; its log:\n{}", self.log()),
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }

    /// The log as text: of each record its message and then its fields; anything else as it is.
    pub(crate) fn log(&self) -> String {
        log::text(&self.raw_log())
    }

    /// The records of an event so far, or a wait for them.
    pub(crate) fn logs<'a>(&'a self, event: &'a str) -> log::Query<'a> {
        log::Query::new(self, event)
    }

    fn raw_log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

/// A library of this workspace, as the same build made it.
pub(crate) fn built(name: &str) -> PathBuf {
    let binary = &sriovdp_tests::program();
    binary.with_file_name(format!("lib{name}.so"))
}

/// Tests of a scenario with both registration modes.
macro_rules! both_modes {
    ($($(#[$attribute:meta])* $name:ident),+ $(,)?) => {
        mod watcher {
            $(#[tokio::test]
            $(#[$attribute])*
            async fn $name() {
                super::$name(crate::test_node::RegistrationMode::Watcher).await;
            })+
        }

        mod register {
            $(#[tokio::test]
            $(#[$attribute])*
            async fn $name() {
                super::$name(crate::test_node::RegistrationMode::Register).await;
            })+
        }
    };
}

pub(crate) use both_modes;

/// The lines `/proc/PID/stat` of the processes whose parent is `id`.
pub(crate) fn children_of(id: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    // A process that ends meanwhile has no parent.
    let status =
        processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    // The name in brackets may contain anything; behind it come the state and the parent.
    let is_child = |stat: &String| {
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        behind_name.split_whitespace().nth(1) == Some(id)
    };
    status.filter(is_child).collect()
}
