"""From the Go plugin to this one and back, and the Helm chart."""

import json
from pathlib import Path

from cluster import CDI, DEVICE_INFO, KERNEL, NAMESPACE, POOLS, PROJECT, SYS, VFIO, Cluster
from node import KUBELET
from scenarios import scenario
from waiting import expect, until

GO_PLUGIN = "go-plugin"


def go_plugin(image: str, arguments: list[str]) -> dict:
    """The DaemonSet of the Go plugin: its arguments, mounts and privileges, and the written `/sys`."""
    paths = {
        "devicesock": "/var/lib/kubelet/device-plugins",
        "plugins-registry": "/var/lib/kubelet/plugins_registry",
        "log": "/var/log",
        "device-info": "/var/run/k8s.cni.cncf.io/devinfo/dp",
        "written-sys": "/sys",
    }
    sources = paths | {"written-sys": str(SYS / "sys")}
    labels = {"name": GO_PLUGIN, "app.kubernetes.io/name": "sriovdp"}
    container = {
        "name": "kube-sriovdp",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--log-dir=sriovdp", "--log-level=10", *arguments],
        "securityContext": {"privileged": True},
        "resources": {"requests": {"cpu": "250m", "memory": "40Mi"}, "limits": {"memory": "200Mi"}},
        "volumeMounts": [
            *({"name": name, "mountPath": path} for name, path in paths.items()),
            {"name": "config-volume", "mountPath": "/etc/pcidp"},
        ],
    }
    config = {"name": "sriovdp-config", "items": [{"key": "config.json", "path": "config.json"}]}
    volumes = [
        *({"name": name, "hostPath": {"path": path}} for name, path in sources.items()),
        {"name": "config-volume", "configMap": config},
    ]
    pod = {
        "hostNetwork": True,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "containers": [container],
        "volumes": volumes,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": GO_PLUGIN, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {"name": GO_PLUGIN}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


@scenario
def go_plugin_manifest(cluster: Cluster) -> None:
    """The Go plugin's manifest serves with this image in place of its own, and is replaced by this project's."""
    cluster.configure()
    # What a Go plugin leaves when it is killed: sockets without a listener, and files of devices.
    sockets = [KUBELET / "plugins_registry" / f"intel.com_{name}.sock" for name in ("vfio", "kernel")]
    for socket in sockets:
        cluster.leave_dead_socket(socket)
    DEVICE_INFO.mkdir(parents=True, exist_ok=True)
    (DEVICE_INFO / "intel.com-vfio-0000:41:10.2-device.json").write_text("{}")

    file = Path("/run/go-plugin.json")
    for number in range(2):
        # The second time as an administrator goes back and comes again: the pods stay.
        file.write_text(json.dumps(go_plugin(cluster.image, ["--resource-prefix=intel.com"])))
        cluster.kubectl("apply", "--filename", str(file))
        cluster.rolled_out(GO_PLUGIN)
        cluster.until_offered(VFIO, 1)
        cluster.until_offered(KERNEL, 4)
        if number == 0:
            cluster.start_pod("before", {VFIO: 1, KERNEL: 2})
            had = cluster.environment("before")
        expect("sockets in plugins_registry", sorted(cluster.sockets()), sorted(socket.name for socket in sockets))
        cluster.kubectl("delete", "--filename", str(file), "--wait=true")
        until("its process has ended", lambda: not cluster.node.plugin_processes())
        expect("sockets after it has ended", cluster.sockets(), [])

    cluster.deploy()
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)
    expect("variables of the pod", cluster.environment("before"), had)
    expect("restarts of the pod", cluster.container_restarts("before"), 0)
    cluster.start_pod("after", {KERNEL: 2})
    cluster.expect_devices_once("before", "after")


@scenario
def helm(cluster: Cluster) -> None:
    """`helm install`, `upgrade` and `uninstall`: pods keep their devices, and no file is left unexpectedly."""
    values = Path("/run/values.json")

    def run(*command: str, **changes: object) -> None:
        values.write_text(json.dumps({"config": {"resourceList": POOLS}} | changes))
        chart = str(PROJECT / "deployments/helm/sriovdp")
        cluster.helm(*command, "sriovdp", chart, f"--namespace={NAMESPACE}", f"--values={values}")
        cluster.rolled_out()

    run("install")
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)
    cluster.start_pod("one", {VFIO: 1})
    had = cluster.environment("one")

    run("upgrade", cdi={"enabled": True}, logFormat="json")
    until("it writes CDI specifications", lambda: any(CDI.glob("*")))
    cluster.until_offered(VFIO, 1)
    expect("variables of the pod", cluster.environment("one"), had)
    cluster.delete_pod("one")

    cluster.helm("uninstall", "sriovdp", f"--namespace={NAMESPACE}", "--wait")
    until("no process of the plugin is left", lambda: not cluster.node.plugin_processes())
    expect("sockets in plugins_registry", cluster.sockets(), [])
    devices = [file.name for file in (KUBELET / "device-plugins").iterdir()]
    expect("files in device-plugins", sorted(devices), ["kubelet.sock", "kubelet_internal_checkpoint"])
    for kind in ("daemonsets", "configmaps"):
        left = cluster.kubectl(
            "get", kind, f"--namespace={NAMESPACE}", "--selector=app.kubernetes.io/instance=sriovdp", "--output=name"
        )
        expect(f"{kind} of the release", left, "")
    # docs/installing.md names both: pods may need them.
    expect(
        "CDI specifications stay", [file.name for file in CDI.iterdir() if not file.name.startswith("sriov-dp-")], []
    )
