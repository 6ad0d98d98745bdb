"""More requests than devices, and devices that do not work."""

import os

from cluster import KERNEL, PF, VFIO, VFIO_DEVICE, Cluster
from scenarios import scenario
from waiting import expect, until, until_equal


@scenario
def more_pods_than_devices(cluster: Cluster) -> None:
    """The last of more pods than devices is pending, and starts when another one ends."""
    cluster.deploy()
    cluster.until_offered(KERNEL, 4)
    for name in ("one", "two"):
        cluster.start_pod(name, {KERNEL: 2})
    cluster.expect_devices_once("one", "two")
    cluster.run_pod("three", {KERNEL: 1})
    until("pod three is not scheduled", lambda: f"Insufficient {KERNEL}" in cluster.reason("three"))
    freed = cluster.devices("one", KERNEL)
    cluster.delete_pod("one")
    cluster.until_running("three")
    [device] = cluster.devices("three", KERNEL)
    expect("pod three has a device that was free", device in freed, True)
    cluster.expect_devices_once("two", "three")


@scenario
def link_down(cluster: Cluster) -> None:
    """A device whose link is down stays with its pod and goes to no other, also over a restart of the plugin."""
    cluster.deploy()
    cluster.until_offered(KERNEL, 4)
    cluster.until_offered(VFIO, 1)
    cluster.start_pod("before", {VFIO: 1, KERNEL: 1})
    had = cluster.environment("before")

    cluster.tree.set(f"{PF}/net/eth2/carrier", "0")
    cluster.tree.set(f"{PF}/net/eth2/operstate", "down")
    cluster.rescan()
    cluster.until_offered(VFIO, 0, capacity=1)
    # Two are on this physical function, and two on the other one.
    cluster.until_offered(KERNEL, 2, capacity=4)
    if cluster.kubelet_minor() >= 36:
        until_equal(
            "health in the status of the pod", lambda: cluster.pod_health("before", VFIO), {VFIO_DEVICE: "Unhealthy"}
        )

    [pod] = cluster.plugin_pods()
    cluster.kubectl("delete", "pod", pod["metadata"]["name"], "--namespace=kube-system", "--wait=true")
    cluster.rolled_out()
    until("the new pod of the plugin is registered", lambda: cluster.logged("registered", resource=VFIO))
    cluster.until_offered(VFIO, 0, capacity=1)
    expect("restarts of the pod", cluster.container_restarts("before"), 0)
    expect("variables of the pod", cluster.environment("before"), had)
    cluster.run_pod("after", {VFIO: 1})
    until("pod after is not scheduled", lambda: f"Insufficient {VFIO}" in cluster.reason("after"))

    cluster.delete_pod("before")
    cluster.tree.set(f"{PF}/net/eth2/carrier", "1")
    cluster.tree.set(f"{PF}/net/eth2/operstate", "up")
    cluster.rescan()
    cluster.until_running("after")
    expect("devices of pod after", cluster.devices("after", VFIO), [VFIO_DEVICE])


@scenario
def driver_removed(cluster: Cluster) -> None:
    """A device that loses its driver stays with its pod and goes to no other."""
    cluster.deploy()
    cluster.until_offered(VFIO, 1)
    cluster.start_pod("before", {VFIO: 1})
    driver = cluster.tree.path(f"/sys/bus/pci/devices/{VFIO_DEVICE}/driver")
    target = os.readlink(driver)
    driver.unlink()
    cluster.rescan()
    cluster.until_offered(VFIO, 0, capacity=1)
    expect("devices of the pod", cluster.devices("before", VFIO), [VFIO_DEVICE])
    driver.symlink_to(target)
    cluster.rescan()
    cluster.until_offered(VFIO, 1)
