"""`make e2e`: the image of this project as a pod, under a real kubelet, container runtime and scheduler.

This half prepares the programs and the image, and starts the other half (`inside.py`) in the namespaces of a node.
"""

import sys

# Before the other imports: their annotations need it.
if sys.version_info < (3, 10):
    print("skipped: make e2e, because Python 3.10 is needed")
    sys.exit(3)

import argparse
import os
import shutil
import subprocess
import time
from pathlib import Path

import images
import interruption
import namespaces
import programs
import requirements
import scenarios

PROGRAMS = [programs.KUBERNETES, programs.CONTAINERD, programs.HELM, programs.GO_PLUGIN]
PROJECT = Path(__file__).resolve().parent.parent


def main() -> int:
    options = arguments()
    titles = {name: scenario.title for name, scenario in scenarios.all_of_them().items()}
    titles[interruption.NAME] = interruption.TITLE
    unknown = sorted(set(options.scenario) - set(titles))
    if unknown:
        print(f"error: no scenario has the name {' or '.join(unknown)}", file=sys.stderr)
    if options.list or unknown:
        for name, title in titles.items():
            print(f"{name:24} {title}")
        return 1 if unknown else 0
    missing = requirements.missing()
    if options.would_run_within is not None:
        return would_run(missing, options.would_run_within / 60)
    if missing:
        for sentence in missing:
            print(f"error: {sentence}", file=sys.stderr)
        return 1
    return run(options, options.scenario or list(titles))


def run(options: argparse.Namespace, chosen: list[str]) -> int:
    began = time.monotonic()
    kubelet = programs.kubelet(options.kubelet)
    programs.CACHE.mkdir(parents=True, exist_ok=True)
    programs.unpack_debian_packages()
    for each in [*PROGRAMS, kubelet]:
        each.build()
    go_plugin = programs.GO_PLUGIN.directory() / "go-plugin"
    others = images.write_all(programs.DEBIAN / "bin/busybox", go_plugin, programs.CACHE / "images")
    image = options.image or build_image()
    provider = build_vendor_provider()
    logs = PROJECT / "target/e2e"
    shutil.rmtree(logs, ignore_errors=True)
    (logs / interruption.NAME).mkdir(parents=True)
    print(f"prepared in {time.monotonic() - began:.1f} s; kubelet {options.kubelet}", flush=True)

    # The kubelet that is tested is found before that of the control plane's version.
    path = [kubelet.directory(), *(found.directory() for found in PROGRAMS)]
    path += [programs.DEBIAN / "usr/sbin", programs.DEBIAN / "usr/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    environment = os.environ | {"PATH": ":".join(map(str, path))}

    def inside(logs: Path, *names: str) -> list[str]:
        command = [sys.executable, Path(__file__).with_name("inside.py"), programs.DEBIAN, logs, provider]
        return [*map(str, [*command, image.resolve(), *others]), "--", *names]

    passed = True
    if on_node := [name for name in chosen if name != interruption.NAME]:
        passed = namespaces.run(inside(logs, *on_node), environment) == 0
    if passed and interruption.NAME in chosen:
        passed = interruption.passes(inside(logs / interruption.NAME, "vfio"), environment)
    return 0 if passed else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make e2e", description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="*", help="the scenarios to run; all by default")
    parser.add_argument(
        "--kubelet", default=programs.KUBERNETES.version, metavar="VERSION", help="the kubelet's version"
    )
    parser.add_argument("--image", type=Path, help="the archive of the image; `make image` by default")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument(
        "--would-run-within",
        type=int,
        metavar="SECONDS",
        help="only exit with 0 if it would run, else print why not and exit with 3",
    )
    return parser.parse_args()


def would_run(missing: list[str], minutes: float) -> int:
    # On two cores.
    needed, where = (7, "in") if all(program.is_built() for program in PROGRAMS) else (20, "not in")
    if not missing and minutes < needed:
        missing = [f"it takes {needed} minutes with programs that are {where} {programs.CACHE}; {minutes:.0f} are left"]
    for sentence in missing:
        print(f"skipped: make e2e, because {sentence}")
    return requirements.SKIPPED if missing else 0


def build_image() -> Path:
    print("make image", flush=True)
    log = programs.CACHE / "image.log"
    with log.open("w") as output:
        built = subprocess.run(["make", "-C", PROJECT, "image"], stdout=output, stderr=output)
    if built.returncode != 0:
        raise SystemExit(f"error: `make image` failed\n{log.read_text()[-2000:]}")
    return max(PROJECT.glob("dist/*.oci.tar"), key=lambda file: file.stat().st_mtime)


def build_vendor_provider() -> Path:
    """The example provider of a vendor, where `make test` builds it too."""
    target = PROJECT / "target/tmp/crates"
    manifest = PROJECT / "examples/providers/vendor-provider/Cargo.toml"
    command = ["cargo", "build", "--locked", "--quiet", "--manifest-path", manifest, "--target-dir", target]
    subprocess.run(command, check=True)
    return target / "debug/libacme_fpga.so"


if __name__ == "__main__":
    sys.exit(main())
