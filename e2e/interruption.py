"""Ends runs as people and machines do, and compares the machine with what it was before."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import namespaces
from inside import report
from waiting import Failure, expect, until, until_equal

NAME = "interruption"
TITLE = "After Ctrl-C, SIGTERM and `kill -9`, the machine is as before the run"
# In the environment of each process of a run, apart from containers.
MARK = "SRIOVDP_E2E_RUN"
SYSCTLS = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "net/ipv4/ip_forward"]
FILES = ["/run/containerd", "/run/netns", "/var/lib/kubelet", "/var/lib/containerd", "/etc/cni", "/etc/cdi", "/opt/cni"]
FILES += [str(Path.home() / ".kube"), str(Path.home() / ".cache/helm")]


def passes(command: list[str], environment: dict[str, str]) -> bool:
    """Ends runs of a command, which has to start containers, and reports the verdict."""
    began = time.monotonic()
    before = machine()
    try:
        for end in (interrupt, terminate, kill, kill_with_janitor):
            with_mark = environment | {MARK: f"{os.getpid()}-{end.__name__}"}
            run = subprocess.Popen(
                [sys.executable, "-B", namespaces.__file__, "run", *command],
                env=with_mark,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=namespaces.end_with_parent,
            )
            groups = namespaces.groups(run.pid)
            try:
                if end in (interrupt, kill):
                    until("a container runs", lambda: any(map(processes_of_containers, groups)), seconds=300)
                else:
                    until("the node starts", lambda: any("containerd" in line for line in marked(with_mark[MARK])))
            finally:
                end(run)
            until(f"the run ends after `{end.__name__}`", lambda: run.poll() is not None)
            expect(f"the run passes in spite of `{end.__name__}`", run.returncode == 0, False)
            until_equal(f"processes after `{end.__name__}`", lambda: marked(with_mark[MARK]), [])
            if end is kill_with_janitor:
                # The next run does it.
                namespaces.remove_abandoned()
            until_equal("control groups", lambda: [group for group in groups if group.exists()], [])
            expect(f"the machine after `{end.__name__}`", machine(), before)
        expect("a node with control groups of version 2", version_2(), "")
    except Failure as failure:
        report(NAME, began, f"FAILED  {TITLE}\n{failure}")
        return False
    report(NAME, began, f"ok      {TITLE}")
    return True


# The mount is for this process alone.
VERSION_2 = """
mount -t cgroup2 cgroup2 /sys/fs/cgroup
before=$(cat /sys/fs/cgroup/cgroup.subtree_control)
"$@" sh -ec '
    test $(stat -f -c %T /sys/fs/cgroup) = cgroup2fs
    test "$(cat /sys/fs/cgroup/cgroup.subtree_control)" = "$(cat /sys/fs/cgroup/cgroup.controllers)"
    mkdir /sys/fs/cgroup/kubepods
    sleep 1000 &
    echo $! >/sys/fs/cgroup/kubepods/cgroup.procs' &
wait $!
test ! -e /sys/fs/cgroup/NAME$!
test "$(cat /sys/fs/cgroup/cgroup.subtree_control)" = "$before"
"""


def version_2() -> str:
    """What fails with control groups of version 2, if anything. No kubelet starts there on a machine that has the
    controllers in version 1, so this is the node without it."""
    script = VERSION_2.replace("NAME", namespaces.NAME)
    run = [sys.executable, "-B", namespaces.__file__, "run"]
    done = subprocess.run(["unshare", "--mount", "sh", "-exc", script, "sh", *run], capture_output=True, text=True)
    return done.stderr if done.returncode else ""


def interrupt(run: subprocess.Popen) -> None:
    """As Ctrl-C: the terminal sends it to the whole group of processes."""
    os.killpg(run.pid, signal.SIGINT)


def terminate(run: subprocess.Popen) -> None:
    """As the time limit of a CI job does."""
    run.terminate()


def kill(run: subprocess.Popen) -> None:
    run.kill()


def kill_with_janitor(run: subprocess.Popen) -> None:
    for child in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split():
        if b"clean" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
            os.kill(int(child), signal.SIGKILL)
    run.kill()


def processes_of_containers(group: Path) -> bool:
    return any(file.read_text() for file in group.glob("**/kubepods/**/cgroup.procs"))


def marked(mark: str) -> list[str]:
    """The command lines of the processes of a run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            # It has ended.
            continue
    return found


def machine() -> dict[str, object]:
    """What a node would change if it were not in namespaces of its own."""
    return {
        "mounts": Path("/proc/self/mounts").read_text().splitlines(),
        "interfaces": sorted(os.listdir("/sys/class/net")),
        "sysctls": {name: Path("/proc/sys", name).read_text() for name in SYSCTLS},
        "files": [path for path in FILES if os.path.exists(path)],
        "devices": sorted(os.listdir("/dev")),
    }
