"""From the Go plugin to this one and back, and the Helm chart."""

import json
from pathlib import Path

from cluster import CDI, DEVICE_INFO, KERNEL, NAMESPACE, POOLS, PROJECT, SYS, VFIO, VFIO_DEVICE, Cluster
from node import KUBELET
from scenarios import scenario
from waiting import expect, until, until_equal

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
    """In the Go plugin's manifest only the image is changed, and back; then this project's manifest replaces it."""
    cluster.configure()
    DEVICE_INFO.mkdir(parents=True, exist_ok=True)
    sockets = ["intel.com_kernel.sock", "intel.com_vfio.sock"]
    pods = []
    # The stand-in does not remove its sockets. Each image starts a pod, which keeps its devices with the next ones.
    for image, resources in (
        ("localhost/go-plugin:e2e", {VFIO: 1, KERNEL: 1}),
        (cluster.image, {KERNEL: 1}),
        ("localhost/go-plugin:e2e", {KERNEL: 1}),
        (None, {KERNEL: 1}),
    ):
        before = {pod: cluster.environment(pod) for pod in pods}
        if image is None:
            cluster.kubectl("delete", "daemonset", GO_PLUGIN, f"--namespace={NAMESPACE}", "--wait=true")
            until_equal("processes of the Go plugin", cluster.node.plugin_processes, [])
            expect("sockets that the Go plugin has left", cluster.sockets(), sockets)
            cluster.deploy()
        else:
            cluster.apply_object(go_plugin(image, ["--resource-prefix=intel.com"]))
            cluster.rolled_out(GO_PLUGIN)
        cluster.until_registered(2)
        expect("sockets in plugins_registry", cluster.sockets(), sockets)
        cluster.until_offered(VFIO, 1)
        cluster.until_offered(KERNEL, 4)
        pods.append(f"pod{len(pods)}")
        cluster.start_pod(pods[-1], resources)
        cluster.expect_devices_once(*pods)
        for pod, variables in before.items():
            expect(f"variables of {pod}", cluster.environment(pod), variables)
            expect(f"restarts of {pod}", cluster.container_restarts(pod), 0)
        expect("device-info files", len(list(DEVICE_INFO.iterdir())), len(pods) + 1)


@scenario
def helm(cluster: Cluster) -> None:
    """`helm install`, `upgrade` and `uninstall`: pods keep their devices; only what the docs name is left."""
    values = Path("/run/values.json")
    before = objects(cluster) | files()

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
    expect("restarts of the pod", cluster.container_restarts("one"), 0)

    cluster.helm("uninstall", "sriovdp", f"--namespace={NAMESPACE}", "--wait")
    until_equal("no process of the plugin is left", cluster.node.plugin_processes, [])
    # docs/installing.md names these two, because a pod may need them.
    stay = [DEVICE_INFO / f"intel.com-vfio-{VFIO_DEVICE}-device.json", *CDI.glob("sriov-dp-*.yaml")]
    until_equal("what differs from before", lambda: (objects(cluster) | files()) ^ before, {*map(str, stay)})
    expect("variables of the pod", cluster.environment("one"), had)


def objects(cluster: Cluster) -> set[str]:
    """The objects of the cluster and of the plugin's namespace, without those that nodes and controllers renew."""
    renewed = ("events", "leases.", "pods")
    kinds = cluster.kubectl("api-resources", "--verbs=list", "--output=name").split()
    kinds = ",".join(kind for kind in kinds if not kind.startswith(renewed))
    return set(cluster.kubectl("get", kinds, f"--namespace={NAMESPACE}", "--output=name").split())


def files() -> set[str]:
    """The files in the directories to which the plugin writes."""
    directories = (KUBELET / "plugins_registry", KUBELET / "device-plugins", DEVICE_INFO, CDI)
    return {str(file) for directory in directories if directory.exists() for file in directory.iterdir()}
