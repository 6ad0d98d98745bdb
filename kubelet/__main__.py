"""`make kubelet`: the tests of the fake kubelet and of the plugin with the device manager of real kubelets.

Each version's device manager, plugin manager and pod resources server are built as a program, which takes the place of
the fake ones in the same tests.
"""

import sys

# Before the other imports: their annotations need it.
if sys.version_info < (3, 10):
    print("skipped: make kubelet, because Python 3.10 is needed")
    sys.exit(3)

import argparse
import os
import shutil
import subprocess
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.append(str(PROJECT / "e2e"))

import device_managers  # noqa: E402
import programs  # noqa: E402
import requirements  # noqa: E402
import tests  # noqa: E402

# On two cores, for each version.
RUN_MINUTES = 3
BUILD_MINUTES = 8


def main() -> int:
    options = arguments()
    missing = what_is_missing()
    managers = [device_managers.of(version) for version in options.kubelets]
    if options.would_run_within is not None:
        return would_run(missing, managers, options.would_run_within / 60)
    if missing:
        for sentence in missing:
            print(f"error: {sentence}", file=sys.stderr)
        return 1
    programs.CACHE.mkdir(parents=True, exist_ok=True)
    for manager in managers:
        manager.build()
    subprocess.run(["cargo", "build", "--locked", "--workspace"], cwd=PROJECT, check=True)
    print(tests.omitted(), flush=True)
    failed = []
    for manager in managers:
        began = time.monotonic()
        environment = os.environ | {"SRIOVDP_DEVICE_MANAGER": str(manager.program())}
        for command in tests.commands(manager.version, options.filter):
            if subprocess.run(command, cwd=PROJECT, env=environment).returncode != 0:
                failed.append(f"{manager.version}: {' '.join(command[:6])}")
        print(f"kubelet {manager.version}: {time.monotonic() - began:.0f} s", flush=True)
    for each in failed:
        print(f"error: failed with the device manager of {each}", file=sys.stderr)
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make kubelet", description=__doc__.splitlines()[0])
    parser.add_argument("kubelets", nargs="*", help="versions; by default those that the project pins")
    parser.add_argument("--filter", default="", help="what the names of the tests begin with")
    parser.add_argument(
        "--would-run-within",
        type=int,
        metavar="SECONDS",
        help="only exit with 0 if it would run, else print why not and exit with 3",
    )
    options = parser.parse_args()
    options.kubelets = options.kubelets or list(device_managers.pinned())
    return options


def what_is_missing() -> list[str]:
    """One sentence for each thing that is missing. Root is not needed where users may make namespaces."""
    if sys.platform != "linux":
        return ["Linux is needed, because the kubelet's device manager runs on it alone"]
    if not shutil.which("cargo"):
        return ["cargo is missing: install Rust, for example from https://rustup.rs"]
    found = [requirements.go_problem()]
    mount = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if not shutil.which("unshare"):
        found.append("unshare is missing: `apt-get install util-linux`")
    elif subprocess.run([*mount, "mount", "-t", "tmpfs", "tmpfs", "/tmp"], capture_output=True).returncode != 0:
        found.append("mounts in a namespace are not permitted: run it as root, in a container with CAP_SYS_ADMIN")
    return [sentence for sentence in found if sentence]


def would_run(missing: list[str], managers: list[device_managers.DeviceManager], minutes: float) -> int:
    builds = sum(not manager.is_built() for manager in managers)
    needed = RUN_MINUTES * len(managers) + BUILD_MINUTES * builds
    if not missing and minutes < needed:
        missing = [f"it takes {needed} minutes, {builds} builds among them, and {minutes:.0f} are left"]
    for sentence in missing:
        print(f"skipped: make kubelet, because {sentence}")
    return requirements.SKIPPED if missing else 0


if __name__ == "__main__":
    sys.exit(main())
