"""Metrics and reports of the plugin in its pod."""

import io
import json
import re
import tarfile
import urllib.request

from cluster import KERNEL, PF, POOLS, PROJECT, VFIO, VFIO_DEVICE, Cluster, append
from node import ADDRESS
from scenarios import scenario
from waiting import expect, until_equal

METRICS = f"http://{ADDRESS}:9810/metrics"


def samples() -> dict[str, float]:
    with urllib.request.urlopen(METRICS, timeout=10) as response:
        lines = response.read().decode().splitlines()
    return {
        series: float(value) for series, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


@scenario
def metrics(cluster: Cluster) -> None:
    """Metrics are served on the node's address, and the alerts' expressions are true when they have to be."""
    # The objects of the component `monitoring` need the Prometheus operator; the argument is the same.
    node_ip = {"name": "NODE_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}}
    patches = (
        append("containers/0/args", "--metrics-listen=$(NODE_IP):9810"),
        {"op": "add", "path": "/spec/template/spec/containers/0/env", "value": [node_ip]},
    )
    cluster.deploy(patches=patches)
    cluster.until_offered(KERNEL, 4)
    cluster.start_pod("one", {KERNEL: 2})
    total = f'sriov_device_plugin_total_devices{{resource="{KERNEL}"}}'
    allocated = f'sriov_device_plugin_allocated_devices{{resource="{KERNEL}"}}'
    unhealthy = f'sriov_device_plugin_unhealthy_devices{{resource="{KERNEL}"}}'
    registered = f'sriovdp_resource_registered{{resource="{VFIO}"}}'
    until_equal("allocated devices", lambda: samples().get(allocated), 2)
    found = samples()
    expect(
        "devices, unhealthy ones, and the registration", [found[total], found[unhealthy], found[registered]], [4, 0, 1]
    )
    ok = f'sriovdp_allocations_total{{resource="{KERNEL}",result="ok"}}'
    expect("allocations", found[ok], 1)
    expect("the memory is below the limit of the pod", found["process_resident_memory_bytes"] < 64 << 20, True)

    def until_firing(*names: str) -> None:
        until_equal("alerts whose expression is true", lambda: firing(samples()), sorted(names))

    until_firing()
    cluster.tree.set(f"{PF}/net/eth2/carrier", "0")
    cluster.tree.set(f"{PF}/net/eth2/operstate", "down")
    cluster.rescan()
    until_firing("SriovDevicesUnhealthy")
    expect("unhealthy devices", samples()[unhealthy], 2)

    cluster.configure_text("{")
    until_firing("SriovConfigurationRejected", "SriovDevicesUnhealthy")
    refused = {"resourceName": "refused", "selectors": {"vendorss": ["8086"]}}
    cluster.configure([*POOLS, refused])
    until_firing("SriovDevicesUnhealthy", "SriovResourceRefused")

    cluster.node.stop_kubelet()
    until_firing("SriovDevicesUnhealthy", "SriovRegistrationLost", "SriovResourceRefused")
    cluster.node.start_kubelet()
    until_firing("SriovDevicesUnhealthy", "SriovResourceRefused")


RULES = PROJECT / "deployments/monitoring/prometheusrule.yaml"
# Those that compare a metric with a number, as of now; `make monitoring` has the tests of the others.
ALERT = re.compile(r"- alert: (\w+)\s+(?:#.*\s+)*expr: (max|min) by \([\w, ]+\) \(([^()]+)\) (>|==) (\d+)\n")


def firing(metrics: dict[str, float]) -> list[str]:
    """The alerts whose expression is true for the samples of the plugin."""
    found = []
    for alert, _, selector, operator, number in ALERT.findall(RULES.read_text()):
        name, _, label = selector.rstrip("}").partition("{")
        values = [value for series, value in metrics.items() if series.split("{")[0] == name and label in series]
        if any(value > float(number) if operator == ">" else value == float(number) for value in values):
            found.append(alert)
    return sorted(found)


@scenario
def report(cluster: Cluster) -> None:
    """`sriovdp report` in the pod writes an archive with the node and the daemon, and without names and addresses."""
    cluster.deploy()
    cluster.until_offered(VFIO, 1)
    cluster.start_pod("name-of-a-customer", {VFIO: 1})
    address = cluster.tree.path(f"{PF}/net/eth2/address").read_bytes().strip()
    archive = cluster.in_plugin("/usr/bin/sriovdp", "report", "-")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {entry.name.split("/")[-1]: tar.extractfile(entry).read() for entry in tar if entry.isfile()}
    for name in ("report.json", "config.json", "list.json", "status.json", "events.jsonl", "report.html", "node.tree"):
        expect(f"{name} has content", len(files.get(name, b"")) > 0, True)
    expect("the configuration", len(json.loads(files["config.json"])["resourceList"]), 2)
    expect("the device is in the list", VFIO_DEVICE.encode() in files["list.json"], True)
    expect("the allocation is among the events", b'"allocated"' in files["events.jsonl"], True)
    for what, private in (("the pod's name", b"name-of-a-customer"), ("the address of an interface", address)):
        found = [name for name, content in files.items() if private in content]
        expect(f"files with {what}", found, [])
