"""Every recorded layer of the Go lifecycle, from a fake file system, byte for byte (GEN-17, GO-20 to GO-26)."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import posixpath
from typing import Any

import pytest

from pybuild.buildenv.api import Entry
from pybuild.errors import ExportError
from pybuild.lifecycle import layers
from pybuild.oci import tar
from support import golden

Layers = list[tuple[str, list[layers.PlannedEntry]]]


def _text(item: dict[str, Any], key: str) -> str:
    """A path or link, which stands in base 64 when it is no UTF-8."""
    if f"{key}_b64" in item:
        return os.fsdecode(base64.b64decode(item[f"{key}_b64"]))
    return str(item.get(key, ""))


def _content(item: dict[str, Any]) -> bytes:
    if "content_b64" in item:
        return base64.b64decode(item["content_b64"])
    content = item.get("content", "")
    text: str = content["repeat"] * content["times"] if isinstance(content, dict) else content
    return text.encode()


class Disk:
    """The file system of one case: what lstat says, and contents; parents may be symlinks."""

    def __init__(self, tree: list[dict[str, Any]]) -> None:
        self.entries: dict[str, Entry] = {}
        self.contents: dict[str, bytes] = {}
        for number, item in enumerate(tree, start=1):
            path, target = _text(item, "path"), _text(item, "target")
            if item["type"] == "hardlink":
                self.contents[path] = self.contents[target]
                self.entries[path] = dataclasses.replace(self.entries[target], path=path)
                continue
            if item["type"] == "file":
                self.contents[path] = _content(item)
            self.entries[path] = Entry(
                path=path,
                kind={"dir": "d", "file": "f", "symlink": "l", "fifo": "p"}[item["type"]],
                mode=int(item.get("mode", "0777"), 8),
                uid=item.get("uid", 0),
                gid=item.get("gid", 0),
                size=len(self.contents.get(path, b"")),
                mtime=0,
                ctime=0,
                inode=number,
                links=1,
                target=target,
            )

    def real(self, path: str) -> str:
        if path == "/":
            return path
        path = posixpath.join(self.real(posixpath.dirname(path)), posixpath.basename(path))
        entry = self.entries[path]
        if entry.kind == "l":
            return self.real(posixpath.normpath(posixpath.join(posixpath.dirname(path), entry.target)))
        return path

    def parents(self, path: str) -> list[Entry]:
        found: list[Entry] = []
        while (path := posixpath.dirname(path)) != "/":
            found.insert(0, dataclasses.replace(self.entries[self.real(path)], path=path))
        return found

    def below(self, root: str) -> list[Entry]:
        real = posixpath.join(self.real(posixpath.dirname(root)), posixpath.basename(root))
        found = []
        for path, entry in list(self.entries.items()):
            if path == real or path.startswith(f"{real}/"):
                shown = root + path[len(real) :]
                found.append(dataclasses.replace(entry, path=shown))
                self.contents[shown] = self.contents.get(path, b"")
        return found


def _plan(case: dict[str, Any], disk: Disk) -> Layers:
    parameters = case["parameters"]
    owner = {"uid": parameters["uid"], "gid": parameters["gid"]}
    if case["kind"] == "process-types":
        return [("", layers.process_types_layer(parameters["types"]))]
    if case["kind"] == "launcher":
        content = disk.contents[disk.real(parameters["path"])]
        disk.contents = {layers.LAUNCHER: content}
        return [("", layers.launcher_layer(len(content)))]
    root = _text(parameters, "dir")
    entries, parents = disk.below(root), disk.parents(root)
    if case["kind"] == "app-layers":
        app = layers.app_layers(entries, parents, root, parameters["slices"], **owner)
        return [(layer.created_by, list(layer.entries)) for layer in app]
    return [("", layers.dir_layer(entries, parents, **owner))]


def _header(member: tar.Member) -> dict[str, object]:
    return {
        "name": member.name,
        "typeflag": member.kind.decode(),
        "mode": f"{member.mode:04o}",
        "uid": member.uid,
        "gid": member.gid,
        "size": member.size,
        "mtime": member.mtime,
        "linkname": member.linkname,
    }


def _recorded_header(header: dict[str, Any]) -> dict[str, object]:
    plain = {key: header[key] for key in ("typeflag", "mode", "uid", "gid", "size", "mtime")}
    return plain | {key: os.fsencode(_text(header, key)) for key in ("name", "linkname")}


@pytest.mark.golden
@pytest.mark.parametrize("case", golden.cases("layers"))
def test_a_layer_has_the_bytes_that_the_go_lifecycle_gives_it(case: dict[str, Any]) -> None:
    """GEN-17, GEN-22, GO-20 to GO-26."""
    disk = Disk(case["tree"])
    if "error" in case["expected"]:
        with pytest.raises(ExportError):
            _plan(case, disk)
        return

    made = _plan(case, disk)

    for (created_by, planned), expected in zip(made, case["expected"]["layers"], strict=True):
        data = b"".join(layers.write_layer(planned, disk.contents))
        # Headers first: when they differ, they say more than two digests.
        if "headers" in expected:
            read = [_header(member) for member, _ in tar.read([data])]
            assert read == [_recorded_header(header) for header in expected["headers"]]
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == expected["diff_id"]
        assert len(data) == layers.tar_size(planned) == expected["size"]
        assert created_by == expected.get("created_by", "")
