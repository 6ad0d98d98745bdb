"""The device manager of each kubelet version, built from Kubernetes' Go modules into the cache of `make e2e`."""

import re
from pathlib import Path

import programs

SOURCE = Path(__file__).with_name("device-manager")
NAME = "device-manager"
# The first minor version whose API `device-manager` has, and that of the first build tag.
OLDEST = 34


class DeviceManager(programs.GoPrograms):
    """The program. The source directory pins the modules of some versions; the others' are written into the cache."""

    def pins(self) -> Path:
        return SOURCE

    def build(self) -> None:
        if self.version not in pinned() and not self.modules().exists():
            self.modules().parent.mkdir(parents=True, exist_ok=True)
            self.modules().write_text(programs.kubernetes_module(f"{self.version}", f"sriovdp-kubelet/{NAME}"))
        super().build()

    def modules(self) -> Path:
        return pinned().get(self.version) or programs.CACHE / "modules" / f"{NAME}-{self.version}.mod"

    def program(self) -> Path:
        return self.directory() / NAME


def pinned() -> dict[str, Path]:
    """The module files of the source directory, by version of the kubelet; the newest first."""
    versions = {}
    for file in sorted(SOURCE.glob("*.mod")):
        required = re.search(r"k8s\.io/kubernetes v(\S+)", file.read_text())
        versions[required[1]] = file
    return dict(sorted(versions.items(), reverse=True))


def of(version: str) -> DeviceManager:
    numbers = re.fullmatch(r"1\.(\d+)\.\d+", version)
    if not numbers or int(numbers[1]) < OLDEST:
        raise SystemExit(f"error: `{version}` is no version of a kubelet from 1.{OLDEST}.0 on, as in 1.{OLDEST}.3")
    tags = ",".join(f"since1_{minor}" for minor in range(OLDEST, int(numbers[1]) + 1))
    manager = DeviceManager(NAME, "k8s.io/kubernetes", version, ["."], tags=tags)
    # A module that is not pinned is completed by the build.
    mode = "readonly" if version in pinned() else "mod"
    manager.flags = [f"-mod={mode}", f"-modfile={manager.modules()}"]
    return manager
