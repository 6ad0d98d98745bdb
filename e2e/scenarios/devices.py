"""What containers get: variables and device nodes, and no others."""

import json

from cluster import CDI, DEVICE_INFO, KERNEL, VFIO, VFIO_CDEV, VFIO_DEVICE, VFIO_GROUP, VFIO_NODES, Cluster
from scenarios import scenario
from waiting import expect


def vfio_nodes(cluster: Cluster, pod: str) -> list[str]:
    return sorted(cluster.kubectl("exec", pod, "--", "find", "/dev/vfio", "-type", "c").split())


@scenario
def vfio(cluster: Cluster) -> None:
    """A pod has exactly the device nodes and variables of its devices, from two pools in one container."""
    cluster.deploy()
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)
    cluster.start_pod("both", {VFIO: 1, KERNEL: 2})
    cluster.start_pod("none", {KERNEL: 1})

    expect("devices of the pool vfio", cluster.devices("both", VFIO), [VFIO_DEVICE])
    expect("count of devices of the pool kernel", len(cluster.devices("both", KERNEL)), 2)
    variables = [
        "PCIDEVICE_INTEL_COM_KERNEL",
        "PCIDEVICE_INTEL_COM_KERNEL_INFO",
        "PCIDEVICE_INTEL_COM_VFIO",
        "PCIDEVICE_INTEL_COM_VFIO_INFO",
    ]
    expect("variables", sorted(cluster.environment("both")), variables)
    info = json.loads(cluster.environment("both")["PCIDEVICE_INTEL_COM_VFIO_INFO"])
    expect(
        "information",
        info[VFIO_DEVICE]["vfio"],
        {"mount": "/dev/vfio/vfio", "dev-mount": VFIO_GROUP, "cdev": VFIO_CDEV},
    )

    expect("device nodes", vfio_nodes(cluster, "both"), VFIO_NODES)
    for device in VFIO_NODES:
        expect(f"opening {device}", cluster.opening("both", device), "allowed")
        expect(f"opening {device} in another pod", cluster.opening("none", device), "missing")
    # The same numbers under another name: the device cgroup decides, not the name.
    number = cluster.tree.devices["/dev/vfio/24"]
    cluster.kubectl("exec", "both", "--", "mknod", "/other", "c", "240", str(number))
    expect("opening the device of another pod", cluster.opening("both", "/other"), "refused")

    files = sorted(file.name for file in DEVICE_INFO.iterdir())
    given = [(VFIO, VFIO_DEVICE)] + [
        (KERNEL, device) for pod in ("both", "none") for device in cluster.devices(pod, KERNEL)
    ]
    expect(
        "device-info files",
        files,
        sorted(f"{resource.replace('/', '-')}-{device}-device.json" for resource, device in given),
    )
    cluster.expect_devices_once("both", "none")


@scenario
def cdi(cluster: Cluster) -> None:
    """With the component `cdi`, the container runtime adds the same device nodes."""
    cluster.deploy(components=("cdi",))
    cluster.until_offered(VFIO, 1)
    expect("specifications are written", any(CDI.glob("*")), True)
    cluster.start_pod("one", {VFIO: 1})
    expect("devices of the pool", cluster.devices("one", VFIO), [VFIO_DEVICE])
    expect("device nodes", vfio_nodes(cluster, "one"), VFIO_NODES)
    expect("opening the device", cluster.opening("one", VFIO_GROUP), "allowed")
    expect("allocations", len(cluster.logged("allocated")), 1)


@scenario
def init_container(cluster: Cluster) -> None:
    """An init container and the container after it get the same device."""
    cluster.deploy()
    cluster.until_offered(VFIO, 1)
    # The pool has one device, so the pod runs only if both get the same.
    cluster.start_pod("one", {VFIO: 1}, init_resources={VFIO: 1})
    log = cluster.kubectl("logs", "one", "--container=init")
    expect("variable in the init container", f"PCIDEVICE_INTEL_COM_VFIO={VFIO_DEVICE}" in log.splitlines(), True)
    nodes = sorted(line for line in log.splitlines() if line.startswith("/dev/"))
    expect("device nodes in the init container", nodes, VFIO_NODES)
    expect("devices of the container", cluster.devices("one", VFIO), [VFIO_DEVICE])


@scenario
def numa(cluster: Cluster) -> None:
    """Under `single-numa-node`, a pod has devices of one NUMA node, and one that needs two nodes is refused."""
    cluster.node.stop_kubelet()
    cluster.node.start_kubelet(topologyManagerPolicy="single-numa-node")
    try:
        cluster.deploy()
        # Two of them are on each NUMA node.
        cluster.until_offered(KERNEL, 4)
        for name in ("one", "two"):
            cluster.start_pod(name, {KERNEL: 2})
            buses = {device.split(":")[1] for device in cluster.devices(name, KERNEL)}
            expect(f"buses of the devices of pod {name}", len(buses), 1)
        cluster.expect_devices_once("one", "two")
        cluster.delete_pod("one")
        cluster.delete_pod("two")
        cluster.run_pod("three", {KERNEL: 3})
        cluster.until_refused("three", "TopologyAffinityError")
    finally:
        cluster.node.stop_kubelet()
        cluster.node.start_kubelet()
