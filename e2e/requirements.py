"""What the machine has to have. Nothing is installed: each thing that is missing is named with its command."""

import os
import platform
import re
import shutil
import subprocess

import namespaces
import programs
import tree

# Programs and the Debian packages that have them.
PROGRAMS = {
    "apt-get": "apt",
    "cargo": "",
    "cc": "gcc libc6-dev",
    "dpkg-deb": "dpkg",
    "ip": "iproute2",
    "make": "make",
    "mount": "mount",
    "openssl": "openssl",
    "unshare": "util-linux",
}
GO = (1, 26)
# The exit code where something is missing. That of an exception is 1.
SKIPPED = 3


def missing() -> list[str]:
    """One sentence for each thing that is missing."""
    found = []
    if platform.system() != "Linux":
        return ["Linux is needed, because the kubelet and the container runtime run on it alone"]
    if os.geteuid() != 0:
        found.append("root is needed for namespaces, mounts and control groups")
    packages = {package for program, package in PROGRAMS.items() if package and not shutil.which(program)}
    if packages:
        found.append(f"programs are missing: `apt-get install {' '.join(sorted(packages))}`")
    if not shutil.which("cargo"):
        found.append("cargo is missing: install Rust, for example from https://rustup.rs")
    if tree.MAJOR is None:
        found.append("a major number from 240 to 254 is needed, and drivers have all of them (/proc/devices)")
    found += filter(None, [go_problem(), namespaces_problem(), packages_problem()])
    return found


def namespaces_problem() -> str | None:
    """Root in a container may lack the capabilities."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return None
    node = ["unshare", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork"]
    tried = subprocess.run([*node, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True)
    if tried.returncode != 0:
        return f"namespaces and mounts are needed: {tried.stderr.decode().strip()}"
    if read_only := [str(group) for group in namespaces.parents() if not os.access(group, os.W_OK)]:
        return f"control groups are needed, and {read_only[0]} is read only"
    return None


def packages_problem() -> str | None:
    """Debian's packages are downloaded once."""
    if programs.DEBIAN.exists() or not shutil.which("apt-cache"):
        return None
    for package in programs.DEBIAN_PACKAGES:
        if subprocess.run(["apt-cache", "show", package], capture_output=True).returncode != 0:
            return f"the package {package} is in no list of apt: `apt-get update`"
    return None


def go_problem() -> str | None:
    """Go builds Kubernetes, and its version is that of Kubernetes' go.mod."""
    add_go_to_path()
    wanted = ".".join(map(str, GO))
    if not shutil.which("go"):
        return f"go is missing: install Go {wanted} or newer from https://go.dev/dl into /usr/local/go"
    version = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True).stdout
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if not numbers or tuple(map(int, numbers.groups())) < GO:
        return f"{version.strip() or 'go'} is too old: install Go {wanted} or newer from https://go.dev/dl"
    return None


def add_go_to_path() -> None:
    """The usual place of Go is mostly in the PATH of login shells only."""
    if not shutil.which("go") and os.path.exists("/usr/local/go/bin/go"):
        os.environ["PATH"] += ":/usr/local/go/bin"
