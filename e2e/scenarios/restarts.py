"""Ends and restarts of the plugin, of the kubelet, of the container runtime and of the node."""

import contextlib
import os
import signal
from collections.abc import Iterator

from cluster import CDI, DEVICE_INFO, KERNEL, VFIO, VFIO_DEVICE, VFIO_GROUP, Cluster
from scenarios import scenario
from waiting import expect, until, until_equal


@contextlib.contextmanager
def devices_in_use(cluster: Cluster) -> Iterator[None]:
    """Around a restart: a running pod keeps its devices and is not restarted, the node offers what it did, and a pod
    that is created afterwards gets a device that is free."""
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)
    cluster.start_pod("before", {VFIO: 1, KERNEL: 1})
    had = cluster.environment("before")
    yield
    until("the plugin is ready", cluster.plugin_is_ready)
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)
    expect("restarts of the pod", cluster.container_restarts("before"), 0)
    expect("variables of the pod", cluster.environment("before"), had)
    cluster.start_pod("after", {KERNEL: 3})
    cluster.expect_devices_once("before", "after")
    expect("device-info files", len(list(DEVICE_INFO.iterdir())), 5)
    cluster.delete_pod("before")
    cluster.delete_pod("after")


def new_pod(cluster: Cluster, old: dict) -> None:
    """Waits until another pod of the plugin than the old one serves. The node's status lags, and is no proof."""
    until("a new pod of the plugin alone", lambda: cluster.plugin_pod()["metadata"]["uid"] != old["metadata"]["uid"])
    until("it is ready", cluster.plugin_is_ready)
    cluster.until_registered(2)


@scenario
def plugin_restarts(cluster: Cluster) -> None:
    """The plugin's pod is deleted, evicted, and its process killed: pods keep their devices."""
    cluster.deploy()
    for way in (cluster.delete_plugin_pod, cluster.evict_plugin_pod):
        with devices_in_use(cluster):
            old = cluster.plugin_pod()
            way(old["metadata"]["name"])
            new_pod(cluster, old)
    with devices_in_use(cluster):
        [process] = cluster.node.plugin_processes()
        os.kill(process, signal.SIGKILL)
        until_equal("restarts of the container", cluster.plugin_container_restarts, 1)
        until("it is ready", cluster.plugin_is_ready)
        cluster.until_registered(2)


SURGE = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
ON_DELETE = {"type": "OnDelete"}


@scenario
def rolling_update(cluster: Cluster) -> None:
    """A new version is rolled out by a rolling update, with surge, and by `OnDelete`: pods keep their devices."""
    cluster.deploy()
    for number, strategy in enumerate([None, SURGE, ON_DELETE]):
        patches = [{"op": "add", "path": "/spec/template/metadata/annotations", "value": {"update": str(number)}}]
        if strategy:
            patches.append({"op": "replace", "path": "/spec/updateStrategy", "value": strategy})
        with devices_in_use(cluster):
            old = cluster.plugin_pod()
            cluster.apply(patches=tuple(patches))
            if strategy == SURGE:
                # The new pod is not ready while the old one serves.
                until("a pod of the plugin waits for the other one", lambda: a_pod_waits(cluster))
            if strategy:
                cluster.delete_plugin_pod(old["metadata"]["name"])
            new_pod(cluster, old)


def a_pod_waits(cluster: Cluster) -> bool:
    return any(cluster.logged("peer_wait", pod) for pod in cluster.plugin_pods())


@scenario
def kubelet_restarts(cluster: Cluster) -> None:
    """The kubelet is stopped and killed: the plugin registers again, and running pods keep their devices."""
    cluster.deploy()
    for with_signal in (signal.SIGTERM, signal.SIGKILL):
        with devices_in_use(cluster):
            before = len(cluster.logged("registered"))
            cluster.node.stop_kubelet(with_signal)
            cluster.node.start_kubelet()
            cluster.until_registered(before + 2)


@scenario
def runtime_restarts(cluster: Cluster) -> None:
    """The container runtime restarts: containers run on, new ones start."""
    cluster.deploy()
    with devices_in_use(cluster):
        cluster.node.stop_containerd()
        cluster.node.start_containerd()
        until("the kubelet has connected to the runtime", lambda: execs(cluster, "before"))


def execs(cluster: Cluster, pod: str) -> bool:
    """Whether a command runs in a pod. The kubelet connects to a new runtime with backoff, and refuses until then."""
    try:
        cluster.in_pod(pod, "env")
    except RuntimeError:
        return False
    return True


@scenario
def reboot(cluster: Cluster) -> None:
    """After a reboot with other group numbers, pods get the new device nodes, and no device is given away twice."""
    cluster.deploy(components=("cdi",))
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)
    cluster.start_pod("before", {VFIO: 1, KERNEL: 1})

    cluster.node.stop_kubelet(signal.SIGKILL)
    cluster.node.end_containers()
    # /run is in memory, and the directories of the kubelet are not.
    for directory in (CDI, DEVICE_INFO):
        for file in directory.iterdir():
            file.unlink()
    new_group = "/dev/vfio/77"
    cluster.tree.link(f"/sys/bus/pci/devices/{VFIO_DEVICE}/iommu_group", "../../../../kernel/iommu_groups/77")
    cluster.tree.path("/sys/kernel/iommu_groups/77/devices").mkdir(parents=True)
    cluster.tree.remove_device(VFIO_GROUP)
    cluster.tree.add_device(new_group)
    cluster.node.start_containerd()
    cluster.node.start_kubelet()

    until("the plugin is ready", cluster.plugin_is_ready)
    cluster.until_registered(2)
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)
    # The kubelet admits the pod again. Before the plugin has registered it refuses it, which is final.
    phase = until("the pod is admitted or refused", lambda: cluster.phase_after_reboot("before"))
    if phase == "Failed":
        cluster.delete_pod("before")
        cluster.start_pod("before", {VFIO: 1, KERNEL: 1})
    # All devices are given now, each to one container.
    cluster.start_pod("after", {KERNEL: 3})
    cluster.expect_devices_once("before", "after")
    expect("devices of the pod", cluster.devices("before", VFIO), [VFIO_DEVICE])
    expect("opening the device", cluster.opening("before", new_group), "allowed")
    expect("the old device node", cluster.opening("before", VFIO_GROUP), "missing")
    specifications = "".join(file.read_text() for file in CDI.glob("sriov-dp-*"))
    named = [device for device in (new_group, VFIO_GROUP) if device in specifications]
    expect("groups in the CDI specifications", named, [new_group])
    files = [file.name for file in DEVICE_INFO.glob(f"*{VFIO_DEVICE}*")]
    expect("device-info files of the device", len(files), 1)
