"""What a scenario works with: the node, the plugin as it is deployed, and pods with devices."""

import base64
import json
import re
from pathlib import Path

from node import KUBECONFIG, KUBELET, Node
from tree import Tree
from waiting import Failure, expect, until, until_equal

PROJECT = Path(__file__).resolve().parent.parent
NAMESPACE = "kube-system"
SYS = Path("/run/tree")
OVERLAY = Path("/run/overlay-of-deployments")
RENDERED = Path("/run/rendered-chart")
DEVICE_INFO = Path("/var/run/k8s.cni.cncf.io/devinfo/dp")
CDI = Path("/var/run/cdi")

VFIO = "intel.com/vfio"
KERNEL = "intel.com/kernel"
# On the written node: one virtual function of the first, and four of the second.
POOLS = [
    {"resourceName": "vfio", "selectors": {"vendors": ["8086"], "drivers": ["vfio-pci"]}},
    {"resourceName": "kernel", "selectors": {"vendors": ["8086"], "drivers": ["igbvf"]}},
]
VFIO_DEVICE = "0000:41:10.2"
VFIO_GROUP = "/dev/vfio/19"
VFIO_CDEV = "/dev/vfio/devices/vfio0"
VFIO_NODES = sorted([VFIO_GROUP, VFIO_CDEV, "/dev/vfio/vfio"])
# The physical function of the first pool's device, and of two devices of the second one.
PF = "/sys/bus/pci/devices/0000:41:00.0"
OTHER_PF = "/sys/bus/pci/devices/0000:81:00.0"


class Cluster:
    def __init__(self, node: Node, image: str, vendor_provider: Path):
        self.node = node
        # The name of the plugin's image.
        self.image = image
        # The file of an example provider.
        self.vendor_provider = vendor_provider
        self.api = node.api
        self.tree = Tree(PROJECT / "examples/nodes/igb-guest.tree", SYS)

    def kubectl(self, *arguments: str) -> str:
        return self.node.kubectl(*arguments).decode()

    def reset(self) -> None:
        """Removes what a scenario has made, so that the next one begins with a node without a plugin."""
        self.kubectl("delete", "pods", "--all", "--namespace=default", "--grace-period=0", "--force")
        for kind in ("daemonset", "configmap"):
            selector = "--selector=app.kubernetes.io/name=sriovdp"
            self.kubectl("delete", kind, selector, f"--namespace={NAMESPACE}", "--ignore-not-found")
        until_equal("no pod of the plugin is left", lambda: len(self.plugin_pods()) + len(self.pods()), 0)
        until_equal("no process of the plugin is left", self.node.plugin_processes, [])
        for directory in (DEVICE_INFO, CDI):
            for file in directory.glob("*"):
                file.unlink()
        self.tree.write()
        # The captured node has this physical function without a link.
        self.tree.set(f"{OTHER_PF}/net/eth3/carrier", "1")

    # The plugin.

    def deploy(
        self, pools: list[dict] = POOLS, components: tuple[str, ...] = (), patches: tuple[dict, ...] = ()
    ) -> None:
        """Applies `deployments/`, and waits until the plugin is ready."""
        self.apply(pools, components, patches)
        self.rolled_out()

    def apply(
        self, pools: list[dict] = POOLS, components: tuple[str, ...] = (), patches: tuple[dict, ...] = ()
    ) -> None:
        """Applies `deployments/` with kustomize. Only the pools and `/sys` are the test's; `patches` are JSON patches
        of the DaemonSet."""
        OVERLAY.mkdir(exist_ok=True)
        deployments = OVERLAY / "deployments"
        if not deployments.exists():
            # kustomize takes nothing by an absolute path.
            self.node.run("cp", "-r", str(PROJECT / "deployments"), str(deployments))
        (OVERLAY / "kustomization.yaml").write_text(json.dumps(kustomization(pools, components, patches)))
        self.kubectl("apply", "--kustomize", str(OVERLAY))

    def configure(self, pools: list[dict] = POOLS) -> None:
        """Changes the configuration by `kubectl apply`, as an administrator does."""
        self.configure_text(json.dumps({"resourceList": pools}))

    def configure_text(self, config: str) -> None:
        labels = {"app.kubernetes.io/name": "sriovdp"}
        metadata = {"name": "sriovdp-config", "namespace": NAMESPACE, "labels": labels}
        data = {"config.json": config}
        self.apply_object({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    def apply_object(self, what: dict) -> None:
        self.kubectl("apply", "--filename", write_object(what["metadata"]["name"], what))

    def helm(self, *arguments: str) -> None:
        """Runs Helm. The written `/sys` is added to what it renders."""
        RENDERED.mkdir(exist_ok=True)
        (RENDERED / "kustomization.yaml").write_text(
            json.dumps(
                {
                    "resources": ["all.yaml"],
                    "patches": [{"target": {"kind": "DaemonSet"}, "patch": json.dumps(written_sys())}],
                }
            )
        )
        renderer = RENDERED / "renderer"
        renderer.write_text(f"#!/bin/sh\ncat >{RENDERED}/all.yaml\nexec kubectl kustomize {RENDERED}\n")
        renderer.chmod(0o755)
        renders = arguments[0] in ("install", "upgrade")
        options = [f"--post-renderer={renderer}"] if renders else []
        self.node.run("helm", "--kubeconfig", str(KUBECONFIG), *arguments, *options)

    def sockets(self) -> list[str]:
        return sorted(file.name for file in (KUBELET / "plugins_registry").iterdir())

    def rolled_out(self, name: str = "sriovdp") -> None:
        try:
            self.kubectl("rollout", "status", f"daemonset/{name}", f"--namespace={NAMESPACE}", "--timeout=120s")
        except RuntimeError as error:
            raise Failure(f"the DaemonSet does not become ready: {error}") from None

    def plugin_pods(self) -> list[dict]:
        return self.api.items(f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io/name=sriovdp")

    def plugin_pod(self) -> dict:
        """The pod of the plugin, where there is one alone."""
        pods = [pod for pod in self.plugin_pods() if "deletionTimestamp" not in pod["metadata"]]
        if len(pods) != 1:
            raise LookupError(f"{len(pods)} pods of the plugin")
        return pods[0]

    def delete_plugin_pod(self, name: str) -> None:
        self.kubectl("delete", "pod", name, f"--namespace={NAMESPACE}", "--wait=true")

    def evict_plugin_pod(self, name: str) -> None:
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": NAMESPACE}}
        file = write_object("eviction", eviction)
        self.kubectl("create", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/eviction", "--filename", file)

    def plugin_container_restarts(self) -> int:
        return self.plugin_pod()["status"]["containerStatuses"][0]["restartCount"]

    def plugin_is_ready(self) -> bool:
        return is_ready(self.plugin_pod())

    def plugin_log(self, pod: dict | None = None) -> str:
        name = (pod or self.plugin_pod())["metadata"]["name"]
        return self.api.text(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/log")

    def in_plugin(self, *command: str) -> bytes:
        name = self.plugin_pod()["metadata"]["name"]
        return self.node.kubectl("exec", f"--namespace={NAMESPACE}", name, "--", *command)

    def logged(self, event: str, pod: dict | None = None, **fields: str) -> list[str]:
        """The lines of the plugin's log with an event and fields."""
        found = [line for line in self.plugin_log(pod).splitlines() if f'event="{event}"' in line]
        return [line for line in found if all(f"{name}={value}" in line for name, value in fields.items())]

    def until_registered(self, count: int) -> None:
        """Waits until a pod of the plugin has registered so often. It has two resources."""
        until_equal("registrations", lambda: len(self.logged("registered")), count)

    def rescan(self) -> None:
        """Reads the node again, because a written node causes no events of the kernel."""
        self.in_plugin("/usr/bin/sriovdp", "rescan")

    def until_offered(self, resource: str, allocatable: int, capacity: int | None = None) -> None:
        expected = (allocatable, allocatable if capacity is None else capacity)
        until_equal(
            f"the node offers {resource} (allocatable, capacity)",
            lambda: (self.node.allocatable(resource), self.node.capacity(resource)),
            expected,
        )

    # Pods with devices.

    def run_pod(
        self,
        name: str,
        resources: dict[str, int],
        sibling: dict[str, int] | None = None,
        init: dict[str, int] | None = None,
    ) -> None:
        """Creates a pod whose container `main` sleeps, and does not wait for it. `sibling` and `init` are the resources
        of further containers with these names."""
        spec = {"terminationGracePeriodSeconds": 0, "containers": [container("main", resources, SLEEP)]}
        if sibling is not None:
            spec["containers"].append(container("sibling", sibling, SLEEP))
        if init is not None:
            spec["initContainers"] = [container("init", init, "env; find /dev/vfio -type c")]
        self.apply_object({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})

    def start_pod(self, name: str, resources: dict[str, int], **options: dict[str, int]) -> None:
        self.run_pod(name, resources, **options)
        self.until_running(name)

    def until_running(self, name: str) -> None:
        try:
            until(f"pod {name} runs", lambda: is_ready(self.pod(name)))
        except Failure as failure:
            raise Failure(f"{failure}; {self.reason(name)}") from None

    def until_refused(self, name: str, reason: str) -> None:
        """Waits until the kubelet refuses a pod, which is final."""
        until_equal(f"reason of pod {name}", lambda: self.pod(name)["status"].get("reason"), reason)

    def delete_pod(self, name: str) -> None:
        self.kubectl("delete", "pod", name, "--wait=true")

    def pod(self, name: str) -> dict:
        return self.api.get(f"/api/v1/namespaces/default/pods/{name}") or {}

    def kubelet_minor(self) -> int:
        """The kubelet's minor version."""
        return int(self.api.get("/api/v1/nodes/node1")["status"]["nodeInfo"]["kubeletVersion"].split(".")[1])

    def container_restarts(self, name: str) -> int:
        return self.pod(name)["status"]["containerStatuses"][0]["restartCount"]

    def pod_health(self, name: str, resource: str) -> dict[str, str]:
        """Health of devices in the status of a pod. Kubelets report it from 1.36 on."""
        [status] = self.pod(name)["status"]["containerStatuses"]
        found = [entry for entry in status.get("allocatedResourcesStatus", []) if entry["name"] == resource]
        return {device["resourceID"]: device["health"] for entry in found for device in entry["resources"]}

    def phase_after_reboot(self, name: str) -> str | None:
        """`Running` when the container runs again, `Failed` when the kubelet has refused the pod."""
        status = self.pod(name)["status"]
        restarted = status.get("containerStatuses", [{}])[0].get("restartCount", 0) > 0
        return status["phase"] if status["phase"] == "Failed" or restarted and is_ready(self.pod(name)) else None

    def pods(self) -> list[dict]:
        return self.api.items("/api/v1/namespaces/default/pods")

    def reason(self, name: str) -> str:
        """Why a pod does not run: the scheduler's message, or the kubelet's."""
        status = self.pod(name).get("status", {})
        messages = [condition.get("message", "") for condition in status.get("conditions", [])]
        return "; ".join(filter(None, [status.get("message", ""), *messages]))

    def in_pod(self, pod: str, *command: str, container: str = "main") -> str:
        return self.kubectl("exec", pod, f"--container={container}", "--", *command)

    def environment(self, pod: str, container: str = "main") -> dict[str, str]:
        lines = self.in_pod(pod, "env", container=container).splitlines()
        return dict(line.split("=", 1) for line in lines if line.startswith("PCIDEVICE_"))

    def devices(self, pod: str, resource: str, container: str = "main") -> list[str]:
        """The devices that a container has, by the variable of a resource."""
        name = "PCIDEVICE_" + re.sub(r"[./-]", "_", resource).upper()
        return sorted(self.environment(pod, container)[name].split(","))

    def opening(self, pod: str, device: str, container: str = "main") -> str:
        """How opening a device node ends in a container. No driver has the device, so it never succeeds."""
        try:
            self.in_pod(pod, "cat", device, container=container)
        except RuntimeError as error:
            for outcome, message in OPENING.items():
                if message in str(error):
                    return outcome
            raise
        raise Failure(f"{device} in pod {pod} has a driver")

    def allocate_responses(self, resource: str) -> list[bytes]:
        """The responses of the plugin to Allocate, from the kubelet's checkpoint."""
        checkpoint = json.loads((KUBELET / "device-plugins/kubelet_internal_checkpoint").read_text())
        entries = checkpoint["Data"]["PodDeviceEntries"]
        return [base64.b64decode(entry["AllocResp"]) for entry in entries if entry["ResourceName"] == resource]

    def expect_devices_once(self, *pods: str) -> None:
        """No device is given to two pods, by the variables of the pods."""
        variables = [variable for pod in pods for variable in self.environment(pod).items()]
        given = [device for name, value in variables if not name.endswith("_INFO") for device in value.split(",")]
        expect("devices that pods have twice", sorted(device for device in given if given.count(device) > 1), [])


SLEEP = "sleep 100000"
OPENING = {"allowed": "No such device or address", "refused": "Operation not permitted", "missing": "No such file"}


def container(name: str, resources: dict[str, int], command: str) -> dict:
    limits = {resource: str(count) for resource, count in resources.items()}
    return {
        "name": name,
        "image": "localhost/shell:e2e",
        "imagePullPolicy": "Never",
        "command": ["sh", "-c", command],
        "resources": {"limits": limits},
    }


def write_object(name: str, what: dict) -> str:
    file = Path(f"/run/{name}.object.json")
    file.write_text(json.dumps(what))
    return str(file)


def is_ready(pod: dict) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def append(path: str, value: object) -> dict:
    return {"op": "add", "path": f"/spec/template/spec/{path}/-", "value": value}


def written_sys() -> list[dict]:
    """The written node's `/sys` in the container, in place of the kernel's."""
    volume = {"name": "written-sys", "hostPath": {"path": str(SYS / "sys"), "type": "Directory"}}
    mount = {"name": "written-sys", "mountPath": "/sys", "readOnly": True}
    return [append("volumes", volume), append("containers/0/volumeMounts", mount)]


def kustomization(pools: list[dict], components: tuple[str, ...], patches: tuple[dict, ...]) -> dict:
    config = {"op": "replace", "path": "/data/config.json", "value": json.dumps({"resourceList": pools})}
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["deployments"],
        "components": [f"deployments/{name}" for name in components],
        "patches": [
            {"target": {"kind": "DaemonSet"}, "patch": json.dumps([*written_sys(), *patches])},
            {"target": {"kind": "ConfigMap"}, "patch": json.dumps([config])},
        ],
    }
