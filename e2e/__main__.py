"""`make e2e`: the image of this project as a pod, under a real kubelet, container runtime and scheduler.

This half prepares the programs and the image, and starts the other half (`inside.py`) in the namespaces of a node.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import images
import namespaces
import programs
import requirements
import scenarios

PROGRAMS = [programs.KUBERNETES, programs.CONTAINERD, programs.HELM]
PROJECT = Path(__file__).resolve().parent.parent


def main() -> int:
    options = arguments()
    unknown = sorted(set(options.scenario) - set(scenarios.all_of_them()))
    if unknown:
        print(f"error: no scenario has the name {' or '.join(unknown)}", file=sys.stderr)
    if options.list or unknown:
        for name, scenario in scenarios.all_of_them().items():
            print(f"{name:24} {scenario.title}")
        return 1 if unknown else 0
    missing = requirements.missing()
    if options.would_run:
        return would_run(missing)
    if missing:
        for sentence in missing:
            print(f"error: {sentence}", file=sys.stderr)
        return 1
    kubelet = programs.kubelet(options.kubelet)

    began = time.monotonic()
    programs.CACHE.mkdir(parents=True, exist_ok=True)
    debian = programs.debian_root()
    for each in [*PROGRAMS, kubelet]:
        each.build()
    archive = options.image or build_image()
    others = programs.CACHE / "images"
    others.mkdir(exist_ok=True)
    images.write_busybox(debian / "bin/busybox", others)

    logs = PROJECT / "target/e2e"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    # The kubelet that is tested is found before that of the control plane's version.
    path = [kubelet.directory(), *(found.directory() for found in PROGRAMS), debian / "usr/sbin", debian / "usr/bin"]
    environment = os.environ | {"PATH": ":".join([*map(str, path), "/usr/sbin:/usr/bin:/sbin:/bin"])}
    print(f"prepared in {time.monotonic() - began:.1f} s; kubelet {options.kubelet}", flush=True)
    files = [
        str(file)
        for file in (
            debian,
            logs,
            build_vendor_provider(),
            archive.resolve(),
            others / "shell.tar",
            others / "pause.tar",
        )
    ]
    inside = [sys.executable, str(Path(__file__).with_name("inside.py")), *files]
    return namespaces.run([*inside, "--", *options.scenario], environment)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make e2e", description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="*", help="the scenarios to run; all by default")
    parser.add_argument(
        "--kubelet", default=programs.KUBERNETES.version, metavar="VERSION", help="the kubelet's version"
    )
    parser.add_argument("--image", type=Path, help="the archive of the image; `make image` by default")
    parser.add_argument("--list", action="store_true", help="list the scenarios")
    parser.add_argument(
        "--would-run", action="store_true", help="exit with 0 if it would run without a long build, else print why not"
    )
    return parser.parse_args()


def would_run(missing: list[str]) -> int:
    if not missing and not all(program.is_built() for program in PROGRAMS):
        missing = [
            f"its programs are not in {programs.CACHE}, and SRIOVDP_E2E is not `always`: `make e2e` builds them"
        ]
    for sentence in missing:
        print(f"skipped: make e2e, because {sentence}")
    return 1 if missing else 0


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
