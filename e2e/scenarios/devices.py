"""What containers get: variables and device nodes, and no others."""

import json

from cluster import DEVICE_INFO, KERNEL, OPENING, VFIO, VFIO_CDEV, VFIO_DEVICE, VFIO_GROUP, VFIO_NODES, Cluster
from scenarios import scenario
from tree import MAJOR
from waiting import expect


def expect_vfio_alone(cluster: Cluster, pod: str) -> None:
    """Of the node's devices, the pod has the nodes of the VFIO device, and may open no others."""
    nodes = cluster.in_pod(pod, "find", "/dev", "-type", "c").split()
    expect("device nodes", sorted(node for node in nodes if node in cluster.tree.devices), VFIO_NODES)
    for device in VFIO_NODES:
        expect(f"opening {device}", cluster.opening(pod, device), "allowed")
    # The other devices of the node under another name: the device cgroup decides, not the name.
    others = [str(minor) for path, minor in cluster.tree.devices.items() if path not in VFIO_NODES]
    script = f"for n in {' '.join(others)}; do mknod /other$n c {MAJOR} $n; cat /other$n; done 2>&1; true"
    outcomes = [line.rsplit(": ")[-1] for line in cluster.in_pod(pod, "sh", "-c", script).splitlines()]
    expect("opening the other devices of the node", outcomes, [OPENING["refused"]] * len(others))


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

    expect_vfio_alone(cluster, "both")
    for device in VFIO_NODES:
        expect(f"opening {device} in another pod", cluster.opening("none", device), "missing")

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
    cluster.start_pod("one", {VFIO: 1})
    expect("devices of the pool", cluster.devices("one", VFIO), [VFIO_DEVICE])
    expect_vfio_alone(cluster, "one")
    [response] = cluster.allocate_responses(VFIO)
    expect("the kubelet has the name of a CDI device", f"intel.com/net-pci={VFIO_DEVICE}".encode() in response, True)
    # The variable with information names them, and so the search is for the field: a path with its length.
    field = bytes([len(VFIO_GROUP)]) + VFIO_GROUP.encode()
    expect("the kubelet has the device node itself", field in response, False)


@scenario
def containers_of_a_pod(cluster: Cluster) -> None:
    """An init container and the container after it get the same device; a container beside it gets another one."""
    cluster.deploy()
    cluster.until_offered(VFIO, 1)
    cluster.until_offered(KERNEL, 4)
    # The pool `vfio` has one device, so the pod runs only if both get the same.
    cluster.start_pod("one", {VFIO: 1, KERNEL: 1}, sibling={KERNEL: 1}, init={VFIO: 1})
    log = cluster.kubectl("logs", "one", "--container=init").splitlines()
    expect("variable in the init container", f"PCIDEVICE_INTEL_COM_VFIO={VFIO_DEVICE}" in log, True)
    expect("device nodes in the init container", sorted(line for line in log if line.startswith("/dev/")), VFIO_NODES)
    expect("devices of the container", cluster.devices("one", VFIO), [VFIO_DEVICE])
    expect("variables of the sibling", [name for name in cluster.environment("one", "sibling") if "VFIO" in name], [])
    expect("opening the device in the sibling", cluster.opening("one", VFIO_GROUP, "sibling"), "missing")
    both = cluster.devices("one", KERNEL) + cluster.devices("one", KERNEL, "sibling")
    expect("count of devices of the two containers", len(set(both)), 2)


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
