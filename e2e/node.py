"""The processes of the node: container runtime, control plane, kubelet. This runs inside of the node's namespaces."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import namespaces
from api import Api
from waiting import until

ADDRESS = "10.200.0.2"
NAME = "node1"
KUBELET = Path("/var/lib/kubelet")
PLANE = Path("/run/plane")
KUBECONFIG = PLANE / "admin.kubeconfig"

CONTAINERD = """
version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/pause:e2e"
[plugins.'io.containerd.cri.v1.runtime']
  # The kubelet requests scores below its own, for which root in a container lacks CAP_SYS_RESOURCE.
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = "%s"
  SystemdCgroup = false
"""

NETWORK = {
    "cniVersion": "1.0.0",
    "name": "e2e",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.201.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}

KUBELET_CONFIGURATION = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
    "cgroupDriver": "cgroupfs",
    "failCgroupV1": False,
    "failSwapOn": False,
    # The status of the node has the devices of the plugin: the default is ten seconds.
    "nodeStatusUpdateFrequency": "1s",
    "nodeStatusReportFrequency": "1s",
    # A changed ConfigMap appears in a pod with its next synchronization: the default is one minute.
    "syncFrequency": "1s",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "enforceNodeAllocatable": ["pods"],
    "evictionHard": {
        "imagefs.available": "0%",
        "nodefs.available": "0%",
        "nodefs.inodesFree": "0%",
        "memory.available": "1Ki",
    },
    "imageGCHighThresholdPercent": 100,
    "resolvConf": "",
    "shutdownGracePeriod": "0s",
}

# Name and group of each token: with them, no certificate is needed.
USERS = {
    "admin": ("admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", ""),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NAME}", "system:nodes"),
}


class Node:
    def __init__(self, debian: Path, images: list[Path], logs: Path):
        self.debian = debian
        self.images = images
        self.logs = logs
        self.processes = {}
        self.api = Api(f"https://{ADDRESS}:6443", "admin")

    def start(self) -> None:
        self.start_containerd()
        for image in self.images:
            self.run("ctr", "--namespace", "k8s.io", "images", "import", str(image))
        self.start_control_plane()
        self.start_kubelet()
        until("the node is ready", self.is_ready)

    def is_ready(self) -> bool:
        conditions = self.api.get(f"/api/v1/nodes/{NAME}")["status"]["conditions"]
        return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)

    def spawn(self, name: str, *command: str) -> None:
        # One log for all processes of a name: a restart appends.
        log = (self.logs / f"{name}.log").open("ab")
        self.processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self, name: str, with_signal: int = signal.SIGTERM) -> None:
        process = self.processes.pop(name)
        process.send_signal(with_signal)
        process.wait(timeout=30)

    def run(self, *command: str) -> bytes:
        done = subprocess.run(command, capture_output=True, timeout=150)
        if done.returncode != 0:
            raise RuntimeError(f"`{' '.join(command)}` failed: {done.stderr.decode().strip()}")
        return done.stdout

    def kubectl(self, *arguments: str) -> bytes:
        return self.run("kubectl", "--kubeconfig", str(KUBECONFIG), *arguments)

    def start_containerd(self) -> None:
        configuration = Path("/etc/containerd/e2e.toml")
        configuration.parent.mkdir(parents=True, exist_ok=True)
        configuration.write_text(CONTAINERD % (self.debian / "usr/sbin/runc"))
        network = Path("/etc/cni/net.d/e2e.conflist")
        network.parent.mkdir(parents=True, exist_ok=True)
        network.write_text(json.dumps(NETWORK))
        binaries = Path("/opt/cni/bin")
        if not any(binaries.iterdir()):
            binaries.rmdir()
            binaries.symlink_to(self.debian / "usr/lib/cni")
        self.spawn("containerd", "containerd", "--config", str(configuration))
        until("containerd answers", lambda: subprocess.run(["ctr", "version"], capture_output=True).returncode == 0)

    def stop_containerd(self) -> None:
        self.stop("containerd")

    def end_containers(self) -> None:
        """Ends the container runtime with all containers, as a reboot does."""
        self.stop_containerd()
        for pid in processes():
            if b"containerd-shim" in command_line(pid)[0]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        namespaces.remove([namespaces.CGROUPS / "kubepods", *namespaces.CGROUPS.glob("*/kubepods")])
        for mount in reversed(Path("/proc/mounts").read_text().splitlines()):
            path = mount.split()[1]
            if path.startswith(("/run/containerd/", "/run/netns/", str(KUBELET / "pods"))):
                self.run("umount", "--lazy", path)
        shutil.rmtree("/run/containerd", ignore_errors=True)
        shutil.rmtree("/run/netns", ignore_errors=True)

    def start_control_plane(self) -> None:
        PLANE.mkdir(exist_ok=True)
        self.run("openssl", "genrsa", "-out", str(PLANE / "key"), "2048")
        self.run("openssl", "rsa", "-in", str(PLANE / "key"), "-pubout", "-out", str(PLANE / "public-key"))
        tokens = [f'{user},{name},{user},"{group}"' for user, (name, group) in USERS.items()]
        (PLANE / "tokens").write_text("\n".join(tokens) + "\n")
        for user in USERS:
            (PLANE / f"{user}.kubeconfig").write_text(json.dumps(kubeconfig(user)))
        self.spawn(
            "etcd",
            "etcd",
            f"--data-dir={PLANE}/etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--unsafe-no-fsync",
        )
        self.spawn(
            "kube-apiserver",
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            f"--advertise-address={ADDRESS}",
            f"--cert-dir={PLANE}/certificates",
            f"--token-auth-file={PLANE}/tokens",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={PLANE}/public-key",
            f"--service-account-signing-key-file={PLANE}/key",
            "--service-cluster-ip-range=10.96.0.0/24",
            "--allow-privileged=true",
            "--endpoint-reconciler-type=none",
        )
        until("the API server is ready", lambda: self.api.text("/readyz") == "ok")
        common = ["--leader-elect=false", "--bind-address=127.0.0.1"]
        self.spawn("kube-scheduler", "kube-scheduler", f"--kubeconfig={PLANE}/scheduler.kubeconfig", *common)
        self.spawn(
            "kube-controller-manager",
            "kube-controller-manager",
            f"--kubeconfig={PLANE}/controllers.kubeconfig",
            # Without it, the controllers do not have the rights that they need.
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={PLANE}/key",
            f"--root-ca-file={PLANE}/certificates/apiserver.crt",
            *common,
        )

    def start_kubelet(self, **settings: object) -> None:
        """Starts the kubelet. `settings` are further keys of its configuration."""
        configuration = PLANE / "kubelet.json"
        configuration.write_text(json.dumps(KUBELET_CONFIGURATION | settings))
        self.spawn(
            "kubelet",
            "kubelet",
            f"--config={configuration}",
            f"--kubeconfig={PLANE}/kubelet.kubeconfig",
            f"--hostname-override={NAME}",
            "--v=2",
        )

    def stop_kubelet(self, with_signal: int = signal.SIGTERM) -> None:
        self.stop("kubelet", with_signal)

    def allocatable(self, resource: str) -> int:
        return self.offered("allocatable", resource)

    def capacity(self, resource: str) -> int:
        return self.offered("capacity", resource)

    def offered(self, which: str, resource: str) -> int:
        return int(self.api.get(f"/api/v1/nodes/{NAME}")["status"][which].get(resource, "0"))

    def plugin_processes(self) -> list[int]:
        """The first processes of the plugin's containers, and not those of probes."""
        found = [pid for pid in processes() if command_line(pid)[0] == b"/usr/bin/sriovdp"]
        return [pid for pid in found if is_first(pid)]


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def command_line(pid: int) -> list[bytes]:
    """Empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return [b""]


def is_first(pid: int) -> bool:
    """Whether a process is the first of its container."""
    try:
        [ids] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("NSpid:")]
    except OSError:
        return False
    return ids.split()[-1] == "1"


def kubeconfig(user: str) -> dict:
    cluster = {"server": f"https://{ADDRESS}:6443", "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": cluster}],
        "users": [{"name": user, "user": {"token": user}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": user}}],
        "current-context": "e2e",
    }
