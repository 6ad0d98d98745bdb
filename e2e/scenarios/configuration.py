"""Changes of the configuration and of the providers, without a restart."""

import shutil
from pathlib import Path

from cluster import KERNEL, POOLS, VFIO, VFIO_DEVICE, Cluster, append
from scenarios import scenario
from tree import MAJOR
from waiting import expect, until

VENDOR_DIRECTORY = Path("/opt/acme/sriovdp")


@scenario
def configuration(cluster: Cluster) -> None:
    """A configuration that `kubectl apply` changes takes effect without a restart; pods keep their devices."""
    cluster.deploy()
    cluster.until_offered(VFIO, 1)
    cluster.start_pod("one", {VFIO: 1})
    had = cluster.environment("one")
    plugin = cluster.plugin_pod()["metadata"]["uid"]

    vfio, kernel = POOLS
    cluster.configure([vfio, kernel | {"resourceName": "renamed"}])
    cluster.until_offered("intel.com/renamed", 4)
    # The kubelet counts the capacity of a resource that ended for five minutes.
    cluster.until_offered(KERNEL, 0, capacity=4)
    cluster.until_offered(VFIO, 1)

    cluster.configure([kernel])
    cluster.until_offered(KERNEL, 4)
    cluster.until_offered("intel.com/renamed", 0, capacity=4)
    cluster.configure(POOLS)
    cluster.until_offered(VFIO, 1)
    expect("variables of the pod", cluster.environment("one"), had)
    cluster.run_pod("two", {VFIO: 1})
    until("pod two is not scheduled", lambda: f"Insufficient {VFIO}" in cluster.reason("two"))
    cluster.delete_pod("one")
    cluster.until_running("two")
    expect("devices of pod two", cluster.devices("two", VFIO), [VFIO_DEVICE])

    cluster.configure([{"resourceName": "vfio", "selectors": {"vendorss": ["8086"]}}, kernel])
    until("the mistake is in the log", lambda: cluster.logged("resource_refused"))
    cluster.until_offered(KERNEL, 4)
    expect("the pod of the plugin is the same", cluster.plugin_pod()["metadata"]["uid"], plugin)
    expect("restarts of the plugin", cluster.plugin_container_restarts(), 0)


@scenario
def vendor_provider(cluster: Cluster) -> None:
    """A vendor's provider file in a second directory of the running plugin becomes a resource of the node."""
    card = "/sys/bus/pci/devices/0000:02:10.0"
    cluster.tree.set(f"{card}/vendor", "0xac3e")
    cluster.tree.set(f"{card}/acme/acme7/dev", f"{MAJOR}:7")
    cluster.tree.add_device("/dev/acme7")
    VENDOR_DIRECTORY.mkdir(parents=True, exist_ok=True)
    for file in VENDOR_DIRECTORY.iterdir():
        file.unlink()

    volume = {"name": "acme", "hostPath": {"path": str(VENDOR_DIRECTORY), "type": "Directory"}}
    mount = {"name": "acme", "mountPath": "/opt/sriovdp/vendor/acme", "readOnly": True}
    patches = [append("volumes", volume), append("containers/0/volumeMounts", mount)]
    for directory in ("/opt/sriovdp/providers", "/opt/sriovdp/vendor/acme"):
        patches.append(append("containers/0/args", f"--provider-dir={directory}"))
    acme = {"resourceName": "acme", "deviceType": "acmeFpga"}
    cluster.deploy(pools=[*POOLS, acme], patches=tuple(patches))
    cluster.until_offered(KERNEL, 4)
    expect("the device type is missing", cluster.node.capacity("intel.com/acme"), 0)

    # A rename, so that no half of it is found.
    unfinished = VENDOR_DIRECTORY / "unfinished"
    shutil.copy(cluster.vendor_provider, unfinished)
    unfinished.chmod(0o644)
    unfinished.rename(VENDOR_DIRECTORY / "acme.so")
    cluster.until_offered("intel.com/acme", 1)
    cluster.start_pod("one", {"intel.com/acme": 1})
    expect("opening the card", cluster.opening("one", "/dev/acme7"), "allowed")
