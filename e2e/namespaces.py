"""The namespaces of the node, as the machine sees them: its cgroups, its first process, and their end."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
NAME = "sriovdp-e2e-"
# Those that the kubelet uses, of version 2.
CONTROLLERS = ("cpu", "cpuset", "memory", "pids", "hugetlb")
CLONE_NEWCGROUP = 0x02000000
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def run(command: list[str], environment: dict[str, str]) -> int:
    """Runs a command as the node, and returns its exit code. Nothing of the node is left afterwards."""
    remove_abandoned()
    own = groups(os.getpid())
    controllers = enable_controllers() if is_unified() else []
    for group in own:
        make(group)
    # It waits for the end of this process, however it comes, and then removes what is left of the node.
    clean = [sys.executable, __file__, "clean", " ".join(controllers), *map(str, own)]
    janitor = subprocess.Popen(clean, stdin=subprocess.PIPE, start_new_session=True)
    try:
        node = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--net", "--uts", "--ipc"),
                *("--fork", "--kill-child", "--propagation", "private", "--"),
                *(str(Path(__file__).with_name("namespaces.sh")), *command),
            ],
            env=environment,
            preexec_fn=lambda: become_node(own),
        )
        # Ctrl-C reaches the node as well, which then ends by itself.
        interrupted = signal.signal(signal.SIGINT, signal.SIG_IGN)
        terminated = signal.signal(signal.SIGTERM, lambda *_: node.kill())
        status = node.wait()
        signal.signal(signal.SIGINT, interrupted)
        signal.signal(signal.SIGTERM, terminated)
        return status
    finally:
        janitor.stdin.close()
        janitor.wait()


def is_unified() -> bool:
    """Whether the machine has version 2 of control groups alone."""
    return (CGROUPS / "cgroup.controllers").exists()


def parents() -> list[Path]:
    """The groups below which a node has its own: those of this process, so that no other group changes."""
    if is_unified():
        # Here only a group without processes can pass controllers on, and the root.
        return [CGROUPS]
    lines = (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines())
    return [CGROUPS / name.removeprefix("name=") / path.strip("/") for _, name, path in lines if name]


def groups(run: int) -> list[Path]:
    """The groups of the node that the process with an id runs."""
    return [parent / f"{NAME}{run}" for parent in parents()]


def enable_controllers() -> list[str]:
    """Makes the controllers of the kubelet available in groups below the root, and returns those that were not."""
    control = CGROUPS / "cgroup.subtree_control"
    available = (CGROUPS / "cgroup.controllers").read_text().split()
    enabled = control.read_text().split()
    changed = [name for name in CONTROLLERS if name in available and name not in enabled]
    control.write_text(" ".join(f"+{name}" for name in changed))
    return changed


def make(group: Path) -> None:
    group.mkdir()
    if is_unified():
        (group / "init").mkdir()
    # A new group of this controller has none, and no process can enter it.
    for file in ("cpuset.cpus", "cpuset.mems"):
        if not is_unified() and (group / file).exists():
            (group / file).write_text((group.parent / file).read_text())


def become_node(groups: list[Path]) -> None:
    """Prepares the process that makes the namespaces."""
    # A shell that starts this in the background lets it ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The node ends with this process.
    end_with_parent()
    enter(groups)


def end_with_parent() -> None:
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def enter(groups: list[Path]) -> None:
    """Moves this process into the groups, which become the roots of its cgroup namespace."""
    for group in groups:
        (group / "cgroup.procs").write_text("0")
    if libc.unshare(CLONE_NEWCGROUP) != 0:
        raise OSError(ctypes.get_errno(), "cannot make a cgroup namespace")
    if is_unified():
        # The kubelet's groups get controllers only from a group without processes.
        (groups[0] / "init" / "cgroup.procs").write_text("0")
        controllers = (groups[0] / "cgroup.controllers").read_text().split()
        (groups[0] / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in controllers))


def remove_abandoned() -> None:
    """Removes the groups of runs that are over, and whose janitor was killed as well."""
    found = [path for parent in parents() for path in parent.glob(f"{NAME}*")]
    remove([path for path in found if not Path("/proc", path.name.removeprefix(NAME)).exists()])


def remove(groups: list[Path]) -> None:
    """Ends the processes of the groups, and removes these with all below them."""
    deadline = time.monotonic() + 20
    while any(group.exists() for group in groups):
        if time.monotonic() > deadline:
            sys.exit(f"e2e: cannot remove the control groups {' '.join(map(str, groups))}")
        for group in groups:
            # The lowest first.
            for directory, _, _ in os.walk(group, topdown=False):
                for pid in Path(directory, "cgroup.procs").read_text().split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                with contextlib.suppress(OSError):
                    os.rmdir(directory)
        time.sleep(0.05)


if __name__ == "__main__":
    if sys.argv[1] == "run":
        sys.exit(run(sys.argv[2:], dict(os.environ)))
    _, _, controllers, *paths = sys.argv
    sys.stdin.read()
    remove([Path(path) for path in paths])
    if controllers:
        # Another program may use them by now.
        with contextlib.suppress(OSError):
            control = CGROUPS / "cgroup.subtree_control"
            control.write_text(" ".join(f"-{name}" for name in controllers.split()))
