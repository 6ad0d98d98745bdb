"""The half of `make e2e` that runs on the node: starts the cluster, runs the scenarios, prints name, time and verdict.

inside.py DEBIAN LOGS PROVIDER IMAGE... -- SCENARIO...
"""

import re
import signal
import sys
import time
import traceback
from pathlib import Path

import scenarios
from cluster import NAMESPACE, PROJECT, Cluster
from node import Node
from waiting import Failure


def main() -> int:
    separator = sys.argv.index("--")
    debian, logs, provider, *archives = map(Path, sys.argv[1:separator])
    chosen = scenarios.all_of_them()
    if sys.argv[separator + 1 :]:
        chosen = {name: chosen[name] for name in sys.argv[separator + 1 :]}
    # A shell starts it in the background, and so with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    began = time.monotonic()
    node = Node(debian, archives, logs)
    cluster = Cluster(node, image_name(), provider)
    cluster.tree.write()
    try:
        node.start()
    except Exception as error:
        report("cluster", began, f"FAILED: {error}")
        print(f"logs: {logs}")
        return 1
    report("cluster", began, "ready")
    failed = []
    for name, scenario in chosen.items():
        began = time.monotonic()
        verdict = outcome(cluster, scenario)
        if verdict is None:
            report(name, began, f"ok      {scenario.title}")
            continue
        failed.append(name)
        report(name, began, f"FAILED  {scenario.title}\n{indented(verdict)}")
        keep_logs(cluster, logs / name)
    if failed:
        print(f"{len(failed)} of {len(chosen)} scenarios failed: {' '.join(failed)}\nlogs: {logs}")
    else:
        print(f"all {len(chosen)} scenarios passed")
    return 1 if failed else 0


def image_name() -> str:
    """As the manifests name it: without a host, and with the version."""
    kustomization = (PROJECT / "deployments/kustomization.yaml").read_text()
    [tag] = re.findall(r"newTag: (\S+)", kustomization)
    return f"sriovdp:{tag}"


def outcome(cluster: Cluster, scenario: scenarios.Scenario) -> str | None:
    """What is wrong, if anything."""
    try:
        cluster.reset()
        scenario.run(cluster)
        return None
    except Failure as failure:
        return str(failure)
    except Exception:
        return traceback.format_exc()


def report(name: str, began: float, verdict: str) -> None:
    print(f"{time.monotonic() - began:6.1f} s  {name:24} {verdict}", flush=True)


def indented(text: str) -> str:
    return "\n".join(f"          {line}" for line in text.splitlines())


def keep_logs(cluster: Cluster, directory: Path) -> None:
    """What an administrator would collect: objects, events, and the logs of the plugin."""
    directory.mkdir(parents=True, exist_ok=True)
    queries = {
        "objects.yaml": ["get", "pods,daemonsets,configmaps,nodes", "--all-namespaces", "--output=yaml"],
        "events.txt": ["get", "events", "--all-namespaces", "--sort-by=.metadata.creationTimestamp"],
    }
    for pod in cluster.plugin_pods():
        name = pod["metadata"]["name"]
        queries[f"{name}.log"] = ["logs", f"--namespace={NAMESPACE}", name]
        queries[f"{name}.previous.log"] = ["logs", f"--namespace={NAMESPACE}", name, "--previous"]
    for file, query in queries.items():
        try:
            (directory / file).write_text(cluster.kubectl(*query))
        except Exception as error:
            (directory / file).write_text(f"{error}\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
