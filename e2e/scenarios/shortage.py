"""More requests than devices, and devices that do not work."""

import contextlib
import os
from collections.abc import Iterator

from cluster import KERNEL, PF, VFIO, VFIO_DEVICE, VFIO_GROUP, Cluster
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
    with vfio_device_unhealthy(cluster):
        for file, value in (("carrier", "0"), ("operstate", "down")):
            cluster.tree.set(f"{PF}/net/eth2/{file}", value)
        cluster.rescan()
        # Two are on this physical function, and two on the other one.
        cluster.until_offered(KERNEL, 2, capacity=4)
    for file, value in (("carrier", "1"), ("operstate", "up")):
        cluster.tree.set(f"{PF}/net/eth2/{file}", value)
    expect_given_again(cluster)


@scenario
def driver_removed(cluster: Cluster) -> None:
    """A device that loses its driver stays with its pod and goes to no other, also over a restart of the plugin."""
    driver = cluster.tree.path(f"/sys/bus/pci/devices/{VFIO_DEVICE}/driver")
    target = os.readlink(driver)
    with vfio_device_unhealthy(cluster):
        driver.unlink()
        cluster.rescan()
    driver.symlink_to(target)
    expect_given_again(cluster)


@contextlib.contextmanager
def vfio_device_unhealthy(cluster: Cluster) -> Iterator[None]:
    """Around a change that makes the device of a running pod unhealthy: no other pod gets it, and the pod keeps it,
    also over a restart of the plugin. Pod `after` waits for it."""
    cluster.deploy()
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)
    cluster.start_pod("before", {VFIO: 1, KERNEL: 1})
    had = cluster.environment("before")
    yield
    cluster.until_offered(VFIO, 0, capacity=1)
    if cluster.kubelet_minor() >= 36:
        until_equal(
            "health in the status of the pod", lambda: cluster.pod_health("before", VFIO), {VFIO_DEVICE: "Unhealthy"}
        )
    cluster.delete_plugin_pod(cluster.plugin_pod()["metadata"]["name"])
    until("the new pod of the plugin is registered", lambda: cluster.logged("registered", resource=VFIO))
    # What the kubelet knows may still be from the pod before.
    unhealthy = cluster.logged("device_unhealthy", resource=VFIO, devices=f'"{VFIO_DEVICE}"')
    expect("events about the device", len(unhealthy), 1)
    cluster.until_offered(VFIO, 0, capacity=1)
    cluster.run_pod("after", {VFIO: 1})
    until("pod after is not scheduled", lambda: f"Insufficient {VFIO}" in cluster.reason("after"))
    expect("restarts of the pod", cluster.container_restarts("before"), 0)
    expect("variables of the pod", cluster.environment("before"), had)
    expect("opening the device of the pod", cluster.opening("before", VFIO_GROUP), "allowed")


def expect_given_again(cluster: Cluster) -> None:
    """The device is healthy again, and pod `after` gets it from pod `before`."""
    cluster.rescan()
    cluster.until_offered(VFIO, 1)
    cluster.delete_pod("before")
    cluster.until_running("after")
    expect("devices of pod after", cluster.devices("after", VFIO), [VFIO_DEVICE])
