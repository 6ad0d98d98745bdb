//! A written node with its kubelet and the pod of a DaemonSet.

use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use sriovdp_fake_kubelet::{Config, FakeKubelet, Timing};
use sriovdp_sdk_testing::Tree;
use tempfile::TempDir;

use crate::archive::{Archive, run};
use crate::pod::{Access, Mount, Pod, Probe, Volumes};
use crate::runtime::{Running, Runtime, Specification, obstacle};

/// A captured node, and two cards that a provider of a vendor has a device type for.
const NODE: &str = concat!(
    include_str!("../../../examples/nodes/igb-guest.tree"),
    "
pci 0000:17:00.{0-1} ac3e:000{0-1} class=120000 driver=acme
file @0000:17:00.1/acme/acme7/dev 240:7
dev /dev/acme7
dev /dev/null
"
);

/// Never waited for when all is well.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The image and the runtime of this machine; nothing where it can run no container.
pub(crate) fn runtime() -> Option<Runtime> {
    static REPORTED: OnceLock<Option<Runtime>> = OnceLock::new();
    let reported = REPORTED.get_or_init(|| {
        let runtime = Runtime::installed();
        // Past the capture of the test's output, so that it is in every log.
        let mut log = std::io::stderr();
        let (message, usable) = match (obstacle(&runtime), &runtime) {
            (Some(reason), _) => (format!("SKIPPED: containers do not run here: {reason}"), None),
            (None, Runtime::Oci(program)) => {
                let message = format!("containers run by {}, with a seccomp profile", program.display());
                (message, Some(runtime))
            }
            (None, Runtime::Namespaces) => {
                let message = "containers run by `unshare`, without a seccomp profile: neither crun nor runc is \
                               installed (Debian: 'apt-get install crun'), or this user is not root";
                (message.to_owned(), Some(runtime))
            }
        };
        let _ = writeln!(log, "{message}");
        usable
    });
    reported.clone()
}

/// The archive that `make image-test` names.
pub(crate) fn archive() -> Archive {
    let path = std::env::var_os("SRIOVDP_IMAGE").expect("`make image-test` runs these tests");
    Archive::open(Path::new(&path))
}

/// A pod on a node.
pub(crate) struct World {
    pub(crate) pod: Pod,
    pub(crate) running: Running,
    pub(crate) volumes: Volumes,
    pub(crate) kubelet: FakeKubelet,
    directory: TempDir,
}

/// A node on which the objects are applied.
pub(crate) struct Node {
    directory: TempDir,
    objects: Vec<Value>,
}

impl Node {
    pub(crate) fn new(objects: Vec<Value>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let node = directory.path().join("node");
        Tree::parse(NODE).unwrap().write(&node).unwrap();
        Self { directory, objects }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("node")
    }

    /// The directory that stands for the image of a vendor.
    pub(crate) fn vendors_image(&self) -> PathBuf {
        self.directory.path().join("vendor")
    }

    /// Unpacks the image, and starts the kubelet and then the containers of the pod, in their order.
    pub(crate) async fn start(self, runtime: &Runtime) -> World {
        let node = self.root();
        let pod = Pod::of(&self.objects);
        let container = pod.container();
        let arguments = container.args.iter();
        let mut kubelet_directory = arguments.filter_map(|one| one.strip_prefix("--kubelet-dir="));
        let kubelet_directory = kubelet_directory.next_back().expect("--kubelet-dir");
        // The fake kubelet has its files where most nodes have them.
        let usual = node.join("var/lib/kubelet");
        let configured = node.join(kubelet_directory.strip_prefix('/').unwrap());
        std::fs::create_dir_all(&configured).unwrap();
        if configured != usual {
            symlink(&configured, usual).unwrap();
        }
        let mut config = Config::new(&node);
        config.timing = Timing {
            watcher_tick: Duration::from_millis(50),
            wait_timeout: TIMEOUT,
            ..Timing::default()
        };
        let kubelet = FakeKubelet::start(config).await.unwrap();

        let volumes = pod.volumes(&self.objects, &node, &self.vendors_image());
        for (number, init) in pod.init_containers().iter().enumerate() {
            init.assert_least_privilege();
            let mut mounts = init.mounts(&volumes);
            // An image with the programs of this machine.
            let usr = PathBuf::from("/usr");
            mounts.push(read_only(usr.clone(), usr));
            let directory = self.directory.path().join(format!("init-{number}"));
            let specification = Specification {
                root: &self.vendors_image(),
                process: &init.command,
                environment: &["PATH=/usr/bin".to_owned()],
                mounts: &mounts,
            };
            let (status, log) = runtime.start(&directory, &specification).ended();
            assert!(status.success(), "{status}: {log}");
        }

        container.assert_least_privilege();
        assert!(container.command.is_empty());
        let archive = archive();
        let root = self.directory.path().join("image");
        std::fs::create_dir(&root).unwrap();
        archive.unpack(&root);
        let image: Vec<String> =
            serde_json::from_value(archive.config["config"]["Entrypoint"].clone()).unwrap();
        let environment: Vec<String> =
            serde_json::from_value(archive.config["config"]["Env"].clone()).unwrap();
        let process = [image, container.args.clone()].concat();
        let mut mounts = container.mounts(&volumes);
        // The runtime mounts the sysfs of the node.
        mounts.insert(0, read_only(node.join("sys"), "/sys".into()));
        mounts.push(read_only("/dev/null".into(), "/dev/null".into()));
        let specification = Specification {
            root: &root,
            process: &process,
            environment: &environment,
            mounts: &mounts,
        };
        let running = runtime.start(&self.directory.path().join("container"), &specification);
        World {
            pod,
            running,
            volumes,
            kubelet,
            directory: self.directory,
        }
    }
}

impl World {
    /// A path of the node.
    pub(crate) fn on_node(&self, path: &str) -> PathBuf {
        self.directory.path().join("node").join(path)
    }

    /// Waits until the probe succeeds, and returns what it prints.
    #[track_caller]
    pub(crate) fn probe(&self, probe: Option<&Probe>) -> String {
        self.succeeds(&probe.expect("a probe").exec.command)
    }

    /// Repeats a command in the container until it succeeds, and returns what it prints. On a loaded machine, one attempt
    /// may reach its timeout.
    #[track_caller]
    pub(crate) fn succeeds(&self, command: &[String]) -> String {
        let start = Instant::now();
        let mut error = String::new();
        loop {
            if self.running.id().is_some() {
                let output = self.running.exec(command);
                if output.status.success() {
                    return String::from_utf8_lossy(&output.stdout).into_owned();
                }
                error = String::from_utf8_lossy(&output.stderr).into_owned();
            }
            assert!(
                start.elapsed() < TIMEOUT,
                "{command:?} fails: {error}\n{}",
                self.running.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a line of the log with all of these parts.
    #[track_caller]
    pub(crate) fn logs(&self, parts: &[&str]) {
        let start = Instant::now();
        loop {
            let log = self.running.log();
            if log
                .lines()
                .any(|line| parts.iter().all(|part| line.contains(part)))
            {
                return;
            }
            assert!(
                start.elapsed() < TIMEOUT,
                "{parts:?} is not in the log:\n{log}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for devices of the resource.
    pub(crate) async fn registered(&self, resource: &str) {
        let view = self
            .kubelet
            .wait_for(resource, |view| view.allocatable() > 0)
            .await;
        assert!(view.is_ok(), "{view:?}\n{}", self.running.log());
    }
}

/// What kustomize makes of a directory, or its only DaemonSet and ConfigMap where kubectl is not installed: the
/// kustomization changes the tag of the image only.
pub(crate) fn kustomized(directory: &str) -> Vec<Value> {
    let path = crate::repository::path(directory);
    if Command::new("kubectl")
        .arg("version")
        .arg("--client")
        .output()
        .is_ok()
    {
        let text = run(Command::new("kubectl").arg("kustomize").arg(path));
        return serde_saphyr::from_multiple(&text).unwrap();
    }
    let files = ["configmap", "daemonset"].map(|name| format!("{directory}/{name}.yaml"));
    let documents = files.iter().map(|file| crate::repository::documents(file));
    documents.flatten().collect()
}

/// A rendering of the chart.
pub(crate) fn rendered(name: &str) -> Vec<Value> {
    crate::repository::documents(&format!("deployments/helm/golden/{name}.yaml"))
}

/// Replaces what a ConfigMap contains.
pub(crate) fn set_data(objects: &mut [Value], map: &str, key: &str, text: &str) {
    let mut maps = objects.iter_mut();
    let map = maps.find(|one| one["kind"] == "ConfigMap" && one["metadata"]["name"] == map);
    map.expect("a ConfigMap")["data"][key] = Value::String(text.to_owned());
}

fn read_only(source: PathBuf, target: PathBuf) -> Mount {
    Mount {
        source,
        target,
        access: Access::ReadOnly,
    }
}
