"""What Nitro, the server of Nuxt, notes beside what it has built: kept from the last build where all else is the same.

It draws an identity and writes times of the build into its list of public files, whose order is one of chance. A server that is asked whether a file has
changed goes by that time, so an older one for another file would be wrong: only the very same output gets the same notes.
"""

from __future__ import annotations

import json
import re
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING

from pybuild.libcnb import output
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext

FOLDER = ".output"
_KEPT = "nitro"
_DIGEST = "digest"
# What is drawn; an app may name its own.
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TIME = rb"""["']\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z["']"""
_DATE = re.compile(rb"""("date"\s*:\s*)""" + _TIME)
# An entry of the list of public files. Their order is drawn, too; all else that it says is in the digest, as the files.
_TEXT = rb"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_ENTRY = re.compile(
    rb"""%(text)s\s*:\s*\{\s*
    (?:"?type"?\s*:\s*%(text)s\s*,\s*)?
    (?:"?encoding"?\s*:\s*(?:%(text)s|null)\s*,\s*)?
    "?etag"?\s*:\s*%(text)s\s*,\s*
    "?mtime"?\s*:\s*%(time)s\s*,\s*
    "?size"?\s*:\s*\d+\s*,\s*
    "?path"?\s*:\s*%(text)s\s*\}\s*,?"""
    % {b"text": _TEXT, b"time": _TIME},
    re.VERBOSE,
)


def settle(context: BuildContext) -> None:
    """Put the notes of the last build in the place of this one's, where they are the only difference."""
    folder = context.app / FOLDER
    if not (folder / "nitro.json").is_file():
        return
    digest, noted = _examined(folder)
    kept = context.layers.kept_layer("build-cache", Types(cache=True)).path / _KEPT
    mark = kept / _DIGEST
    if mark.is_file() and mark.read_text() == digest:
        for name in noted:
            (folder / name).unlink()
        shutil.copytree(kept / FOLDER, folder, dirs_exist_ok=True)
        output.step(f"{FOLDER} is what the last build made, so its times and its identity are kept")
        return
    if kept.is_dir():
        shutil.rmtree(kept)
    for name in noted:
        (kept / FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(folder / name, kept / FOLDER / name)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(digest)


def _examined(folder: Path) -> tuple[str, tuple[str, ...]]:
    """A digest of the output without the notes, and the files that have some, relative to it."""
    drawn = _drawn(folder)
    sums, noted = [], []
    for file in sorted(folder.rglob("*")):
        if "node_modules" in file.relative_to(folder).parts or not file.is_file() or file.is_symlink():
            continue
        name, data = str(file.relative_to(folder)), file.read_bytes()
        blank, shown = _without_times(name, data), name
        for word in drawn:
            blank, shown = blank.replace(word.encode(), b""), shown.replace(word, "")
        if (blank, shown) != (data, name):
            noted.append(name)
        sums.append(sha256(shown.encode()).digest() + sha256(blank).digest())
    return sha256(b"".join(sorted(sums))).hexdigest(), tuple(noted)


def _without_times(name: str, data: bytes) -> bytes:
    if name == "nitro.json":
        return _DATE.sub(rb"\1", data)
    if name.startswith("server/") and name.endswith((".mjs", ".js")):
        return _ENTRY.sub(b"", data)
    return data


def _drawn(folder: Path) -> tuple[str, ...]:
    """The identity and the time that Nuxt gives the build, as texts; none where the app names its own or has none."""
    file = next(iter(sorted(folder.glob("public/**/builds/latest.json"))), None)
    try:
        entry = json.loads(file.read_bytes()) if file else {}
        found = str(entry["id"]), str(entry["timestamp"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()
    return found if _UUID.fullmatch(found[0]) and len(found[1]) >= 13 else ()
