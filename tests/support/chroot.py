"""A root directory of our own to build in: `LocalBuildEnv` with the very paths and owners that a container has."""

from __future__ import annotations

import base64
import io
import os
import shutil
import stat
import struct
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support import phase
from support.engine import gnu_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@pytest.fixture(scope="session")
def root_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with sh and the GNU programs, to change the root directory to; skips who may not do that."""
    if os.geteuid() != 0:
        pytest.skip("only root can change the root directory")
    root = tmp_path_factory.mktemp("root")
    root.chmod(0o755)
    for name, source in gnu_files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(0o755)
        if isinstance(source, str):
            path.symlink_to(source)
        else:
            shutil.copy(source, path)
    (root / "dev").mkdir()
    try:
        os.mknod(root / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        (root / "dev/null").chmod(0o666)
    except PermissionError:
        pytest.skip("no right to make devices")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    return root


@pytest.fixture
def own_root(root_folder: Path, tmp_path: Path) -> Path:
    """A folder like `root_folder`, for one test alone to change; root and cnb (1000:1000) are its users."""
    mine = tmp_path / "root"
    mine.mkdir(0o755)
    # The programs, and nothing that other tests have left beside them.
    for name in sorted({path.split("/")[0] for path in gnu_files()}):
        shutil.copytree(root_folder / name, mine / name, symlinks=True)
    (mine / "dev").mkdir()
    os.mknod(mine / "dev/null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (mine / "dev/null").chmod(0o666)
    (mine / "tmp").mkdir()
    (mine / "tmp").chmod(0o1777)
    (mine / "etc").mkdir(exist_ok=True)
    (mine / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\ncnb:x:1000:1000::/home/cnb:/bin/sh\n")
    (mine / "etc/group").write_text("root:x:0:\ncnb:x:1000:\n")
    return mine


def inside(root: Path, body: Callable[[], Any]) -> Any:
    """What `body` returns when `root` is the root directory, in a child process that ends with it."""

    def changed() -> Any:
        os.chroot(root)
        os.chdir("/")
        os.umask(0o022)
        return body()

    return phase.in_child(changed)


def plant(tree: Sequence[Mapping[str, Any]], below: Path | None = None) -> None:
    """Make a recorded tree (tests/golden/images/README.md) below the root directory that we have now.

    `below`: another folder, where everything is ours whoever we are.
    """
    folders = []
    for item in tree:
        path = Path(f"{below or ''}{text(item, 'path')}")
        match item["type"]:
            case "dir":
                path.mkdir(exist_ok=True)
                folders.append(item)
            case "symlink":
                path.symlink_to(text(item, "target"))
            case "fifo":
                os.mkfifo(path)
            case "hardlink":
                path.hardlink_to(f"{below or ''}{text(item, 'target')}")
                continue
            case _:
                path.write_bytes(content_of(item))
        if below is None:
            os.chown(path, item.get("uid", 0), item.get("gid", 0), follow_symlinks=False)
        if item["type"] != "symlink":
            path.chmod(int(item["mode"], 8))


def content_of(item: Mapping[str, Any]) -> bytes:
    """The content of a recorded file."""
    if "content_b64" in item:
        return base64.b64decode(item["content_b64"])
    content = item.get("content", "")
    if isinstance(content, dict) and "tar_entries" in content:
        layer = base_layer(content["tar_entries"])
        return stored(layer) if content["gzip"] else layer
    if isinstance(content, dict):
        content = content["repeat"] * content["times"]
    return str(content).encode()


def stored(data: bytes) -> bytes:
    """`data`, 64 KiB at most, as a gzip member of one block that is not compressed: the same bytes everywhere."""
    sizes = struct.pack("<HH", len(data), len(data) ^ 0xFFFF)
    check = struct.pack("<II", zlib.crc32(data), len(data))
    return b"\x1f\x8b\x08" + bytes(6) + b"\xff\x01" + sizes + data + check


def text(item: Mapping[str, Any], key: str) -> str:
    """A path or link, which stands in base 64 when it is no UTF-8."""
    return os.fsdecode(base64.b64decode(item[f"{key}_b64"])) if f"{key}_b64" in item else str(item[key])


def base_layer(entries: Sequence[Mapping[str, Any]]) -> bytes:
    """The tar of a recorded base image's layer."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for entry in entries:
            member = tarfile.TarInfo(entry["name"])
            member.type = {"dir": tarfile.DIRTYPE, "file": tarfile.REGTYPE, "symlink": tarfile.SYMTYPE}.get(
                entry.get("type", "file"), tarfile.REGTYPE
            )
            member.mode = int(entry["mode"], 8)
            content = content_of(entry)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()
