"""Images of the test: OCI archives of a few files, made without a container engine."""

import gzip
import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
SHELL_COMMANDS = ["sh", "cat", "env", "find", "install", "ls", "mknod", "sleep", "wget"]


def write_all(busybox: Path, go_plugin: Path, directory: Path) -> list[Path]:
    """A shell for pods, what keeps a pod's namespaces, and the stand-in for the Go plugin."""
    directory.mkdir(exist_ok=True)
    shell, pause, plugin = (directory / f"{name}.tar" for name in ("shell", "pause", "go-plugin"))
    links = {f"bin/{name}": "busybox" for name in SHELL_COMMANDS}
    write(shell, "localhost/shell:e2e", {"bin/busybox": busybox}, links, ["/bin/sh"])
    # A container's first process ignores signals that it has not requested, and SIGTERM has to end it.
    sleep = ["/bin/sh", "-c", "trap exit TERM; while :; do sleep 3600 & wait $!; done"]
    write(pause, "localhost/pause:e2e", {"bin/busybox": busybox}, links, sleep)
    write(plugin, "localhost/go-plugin:e2e", {"usr/bin/sriovdp": go_plugin}, {}, ["/usr/bin/sriovdp"])
    return [shell, pause, plugin]


def write(archive: Path, name: str, files: dict[str, Path], links: dict[str, str], entrypoint: list[str]) -> None:
    """Writes an archive with one layer. `links` are symbolic."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for path, source in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = source.stat().st_size
            entry.mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
            with source.open("rb") as data:
                tar.addfile(entry, data)
        for path, target in links.items():
            entry = tarfile.TarInfo(path)
            entry.type = tarfile.SYMTYPE
            entry.linkname = target
            tar.addfile(entry)
    blobs = {}

    def blob(kind: str, content: bytes) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    target = {"architecture": ARCHITECTURE, "os": "linux"}
    config = target | {
        "config": {"Env": ["PATH=/bin"], "Entrypoint": entrypoint},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config.v1+json", json.dumps(config).encode()),
        "layers": [blob("layer.v1.tar+gzip", gzip.compress(layer.getvalue(), 1))],
    }
    entry = blob("manifest.v1+json", json.dumps(manifest).encode())
    # containerd names an imported image by this annotation.
    entry |= {"platform": target, "annotations": {"io.containerd.image.name": name}}
    index = {"schemaVersion": 2, "manifests": [entry]}
    blobs |= {"index.json": json.dumps(index).encode(), "oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
    with tarfile.open(archive, "w") as tar:
        for path, content in blobs.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
