"""The plugin as it is deployed: its pod, its rights, what the node offers."""

import os
import signal
from pathlib import Path

from cluster import KERNEL, VFIO, Cluster
from scenarios import scenario
from waiting import expect, until_equal


@scenario
def daemonset(cluster: Cluster) -> None:
    """The DaemonSet becomes ready with its own security context, and the node offers its pools."""
    cluster.deploy()
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)

    expect("restarts of the container", cluster.plugin_container_restarts(), 0)
    [process] = cluster.node.plugin_processes()
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    none = "0000000000000000"
    wanted = {
        **{f"Cap{which}": none for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")},
        "NoNewPrivs": "1",
        # A filter, which is that of the runtime.
        "Seccomp": "2",
    }
    expect("rights of the process", {key: status[key].strip() for key in wanted}, wanted)
    mounts = [line.split() for line in Path(f"/proc/{process}/mounts").read_text().splitlines()]
    root = next(options for _, path, _, options, *_ in mounts if path == "/")
    expect("the root is read only", "ro" in root.split(","), True)
    tokens = [path for _, path, *_ in mounts if "serviceaccount" in path]
    expect("mounts with a token of the API server", tokens, [])

    for check in ("liveness", "registered", "readiness"):
        cluster.in_plugin("/usr/bin/sriovdp", "health", check)
    errors = [line for line in cluster.plugin_log().splitlines() if " ERROR " in line or " WARN " in line]
    expect("warnings and errors in the log of the plugin", errors, [])
    kubelet = (cluster.node.logs / "kubelet.log").read_text(errors="replace").splitlines()
    errors = [line for line in kubelet if line.startswith("E") and "plugins_registry" in line]
    expect("errors about sockets in the log of the kubelet", errors, [])


def changes(probe: str, values: dict[str, int]) -> list[dict]:
    path = f"/spec/template/spec/containers/0/{probe}"
    return [{"op": "add", "path": f"{path}/{key}", "value": value} for key, value in values.items()]


@scenario
def probes(cluster: Cluster) -> None:
    """A plugin that hangs is not ready, and its container is restarted."""
    # The kubelet waits as little as it can, before it restarts the container and until it kills it.
    quick = {"periodSeconds": 1, "timeoutSeconds": 1}
    liveness = quick | {"terminationGracePeriodSeconds": 1}
    cluster.deploy(patches=(*changes("livenessProbe", liveness), *changes("readinessProbe", quick)))
    [process] = cluster.node.plugin_processes()
    # It hangs: no probe gets an answer.
    os.kill(process, signal.SIGSTOP)
    until_equal("the pod is ready", cluster.plugin_is_ready, False)
    until_equal("restarts of the container", cluster.plugin_container_restarts, 1)
    until_equal("the pod is ready", cluster.plugin_is_ready, True)
    cluster.until_offered(KERNEL, 4)
