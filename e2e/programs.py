"""The programs of a cluster: Debian's are unpacked, the others are built from Go modules, both into a cache."""

import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

MODULES = Path(__file__).with_name("modules")
CACHE = Path(os.environ.get("SRIOVDP_E2E_CACHE") or Path.home() / ".cache/sriovdp-e2e")

DEBIAN = CACHE / "debian"
DEBIAN_PACKAGES = ["runc", "busybox-static", "containernetworking-plugins", "etcd-server"]


@dataclass
class GoPrograms:
    """Programs of one Go module, which `modules/NAME` pins with everything that it depends on."""

    name: str
    module: str
    version: str
    packages: list[str]
    tags: str = ""
    # Values of variables of the program.
    values: dict[str, str] = field(default_factory=dict)
    # Further arguments of `go build`.
    flags: list[str] = field(default_factory=list)

    def pins(self) -> Path:
        return MODULES / self.name

    def directory(self) -> Path:
        """Where they are in the cache. Other pins or values give another directory."""
        pins = b"".join(file.read_bytes() for file in sorted(self.pins().iterdir()))
        key = hashlib.sha256(pins + repr((self.packages, self.tags, self.values)).encode()).hexdigest()[:12]
        return CACHE / f"{self.name}-{self.version}-{key}"

    def is_built(self) -> bool:
        return self.directory().exists()

    def build(self) -> None:
        if self.is_built():
            return
        print(f"building {self.name} {self.version} (log: {self.log()})", flush=True)
        began = time.monotonic()
        # Renamed when it is complete, so an interrupted build is not taken for a whole one.
        unfinished = self.directory().with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        values = " ".join(f"-X {name}={value}" for name, value in self.values.items())
        command = ["go", "build", "-C", self.pins(), "-trimpath", "-tags", self.tags, "-ldflags", f"-s -w {values}"]
        command += self.flags
        environment = os.environ | {
            "CGO_ENABLED": "0",
            "GOTOOLCHAIN": "local",
            "GOFLAGS": "-mod=readonly -buildvcs=false",
        }
        with self.log().open("w") as log:
            built = subprocess.run([*command, "-o", f"{unfinished}/", *self.packages], env=environment, stderr=log)
        if built.returncode != 0:
            raise SystemExit(f"error: {self.name} {self.version} cannot be built\n{self.log().read_text()[-2000:]}")
        unfinished.rename(self.directory())
        print(f"built {self.name} {self.version} in {time.monotonic() - began:.0f} s", flush=True)

    def log(self) -> Path:
        return CACHE / f"{self.name}-{self.version}.log"


def kubernetes(version: str, programs: list[str], name: str, kind: type[GoPrograms] = GoPrograms) -> GoPrograms:
    _, minor, _ = version.split(".")
    values = {
        "k8s.io/component-base/version.gitVersion": f"v{version}",
        "k8s.io/component-base/version.gitMajor": "1",
        "k8s.io/component-base/version.gitMinor": minor,
        "k8s.io/client-go/pkg/version.gitVersion": f"v{version}",
    }
    packages = [f"k8s.io/kubernetes/cmd/{program}" for program in programs]
    return kind(name, "k8s.io/kubernetes", version, packages, values=values)


CONTROL_PLANE = ["kube-apiserver", "kube-scheduler", "kube-controller-manager", "kubectl"]
KUBERNETES = kubernetes("1.37.2", ["kubelet", *CONTROL_PLANE], "kubernetes")
CONTAINERD_MODULE = "github.com/containerd/containerd/v2"
CONTAINERD = GoPrograms(
    "containerd",
    CONTAINERD_MODULE,
    "2.4.2",
    [f"{CONTAINERD_MODULE}/cmd/{program}" for program in ("containerd", "containerd-shim-runc-v2", "ctr")],
    tags="no_btrfs no_devmapper no_zfs no_tracing",
    values={f"{CONTAINERD_MODULE}/version.Version": "2.4.2"},
)
HELM = GoPrograms("helm", "helm.sh/helm/v3", "3.22.0", ["helm.sh/helm/v3/cmd/helm"])
# A program of this project, with the version that it stands in for.
GO_PLUGIN = GoPrograms("go-plugin", "sriovdp-e2e/go-plugin", "3.11.0", ["."])


class OtherKubelet(GoPrograms):
    """A kubelet of another version than the control plane. Its module is written, and not pinned in the project."""

    def pins(self) -> Path:
        return CACHE / "modules" / f"kubelet-{self.version}"

    def build(self) -> None:
        if not (self.pins() / "go.sum").exists():
            write_kubernetes_module(self.version, self.pins())
        super().build()

    def is_built(self) -> bool:
        return (self.pins() / "go.sum").exists() and super().is_built()


def kubelet(version: str) -> GoPrograms:
    if version == KUBERNETES.version:
        return KUBERNETES
    return kubernetes(version, ["kubelet"], "kubelet", OtherKubelet)


def write_kubernetes_module(version: str, directory: Path) -> None:
    """Writes a module that requires Kubernetes."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "go.mod").write_text(kubernetes_module(version, "sriovdp-e2e/kubernetes"))
    # Completes the requirements and go.sum, which a later build only reads.
    packages = [f"k8s.io/kubernetes/cmd/{program}" for program in ["kubelet", *CONTROL_PLANE]]
    go("list", "-mod=mod", "-deps", *packages, cwd=directory)


def kubernetes_module(version: str, name: str) -> str:
    """The go.mod of a module that requires Kubernetes. Kubernetes' own names its staging modules as directories, and so
    no other module can require it without naming the published version of each."""
    download = go("mod", "download", "-json", f"k8s.io/kubernetes@v{version}", cwd="/")
    upstream = json.loads(go("mod", "edit", "-json", json.loads(download)["GoMod"], cwd="/"))
    staging = version.replace("1.", "0.", 1)
    lines = [f"module {name}", "", f"go {upstream['Go']}"]
    lines += [
        f"godebug default={entry['Value']}" for entry in upstream.get("Godebug") or [] if entry["Key"] == "default"
    ]
    lines += ["", f"require k8s.io/kubernetes v{version}", ""]
    for replaced in upstream["Replace"]:
        if replaced["New"]["Path"].startswith("./staging/"):
            path = replaced["Old"]["Path"]
            lines.append(f"replace {path} => {path} v{staging}")
    return "\n".join(lines) + "\n"


def go(*arguments: str, cwd: str | Path) -> str:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    done = subprocess.run(["go", *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"error: `go {' '.join(arguments[:3])}` failed\n{done.stderr[-2000:]}")
    return done.stdout


def unpack_debian_packages() -> None:
    """Unpacks Debian's packages, which are not installed."""
    if not DEBIAN.exists():
        print(f"downloading {', '.join(DEBIAN_PACKAGES)}", flush=True)
        unfinished = DEBIAN.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        (unfinished / "packages").mkdir(parents=True)
        download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *DEBIAN_PACKAGES]
        if subprocess.run(download, cwd=unfinished / "packages").returncode != 0:
            raise SystemExit("error: Debian's packages cannot be downloaded\nhint: run `apt-get update` first")
        for package in (unfinished / "packages").glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, unfinished], check=True)
        unfinished.rename(DEBIAN)
