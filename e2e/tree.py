"""The node's devices: a written `/sys`, and device nodes in `/dev` that no driver has."""

import codecs
import os
import re
import shutil
import stat
from pathlib import Path


def unused_major() -> int | None:
    """A number for local use that no driver has."""
    file = Path("/proc/devices")
    devices = file.read_text().partition("Block devices:")[0] if file.exists() else ""
    used = {int(line.split()[0]) for line in devices.splitlines()[1:] if line}
    return next((number for number in range(240, 255) if number not in used), None)


# Opening such a device fails with ENXIO where the container may use it, with EPERM where it may not, and with ENOENT
# where it has no node. So a test can distinguish the three.
MAJOR = unused_major()
LINE = re.compile(r"(\S+?)(?: = ?(.*)| =()| -> (\S+)|(/))")


class Tree:
    """The devices of a `.tree` file, written below a directory; device nodes are written to `/dev`."""

    def __init__(self, file: Path, root: Path):
        self.file = file
        self.root = root
        self.devices = {}

    def write(self) -> None:
        """Writes all of it, in place of what a test has changed."""
        for path in self.devices:
            Path(path).unlink(missing_ok=True)
        self.devices = {}
        # The directory itself stays, since containers have it mounted.
        self.root.mkdir(parents=True, exist_ok=True)
        for entry in self.root.glob("sys/*"):
            shutil.rmtree(entry)
        directory = "/"
        for line in map(str.strip, self.file.read_text().splitlines()):
            if not line or line.startswith("#"):
                continue
            if line.startswith("/") and line.endswith("/"):
                directory = line
                self.path(directory).mkdir(parents=True, exist_ok=True)
                continue
            parsed = LINE.fullmatch(line)
            if not parsed:
                raise ValueError(f"{self.file}: a line that this parser does not have: {line}")
            name, text, _, target, is_directory = parsed.groups()
            path = name if name.startswith("/") else directory + name
            if is_directory:
                self.path(path).mkdir(parents=True, exist_ok=True)
            elif target:
                self.link(path, target)
            elif path.startswith("/dev/"):
                self.add_device(path)
            else:
                text = (text or "").split("   #")[0]
                content = codecs.decode(text.encode("latin-1", "backslashreplace"), "unicode_escape")
                self.set(path, content)

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def set(self, path: str, text: str) -> None:
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("latin-1") + b"\n")

    def link(self, path: str, target: str) -> None:
        link = self.path(path)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)

    def add_device(self, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).unlink(missing_ok=True)
        minor = max(self.devices.values(), default=0) + 1
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(MAJOR, minor))
        os.chmod(path, 0o666)
        self.devices[path] = minor

    def remove_device(self, path: str) -> None:
        Path(path).unlink()
        del self.devices[path]
