"""What Next.js and Astro draw by lot at each build: replaced by what was built, so that the same app is the same bytes.

A browser with pages of another build loads them anew; it knows by the build's identity (nextjs.org/docs, "generateBuildId").
One made of the files changes when they do. The keys of Next's preview mode come from the key that is kept for the next build.
Astro names its server's list of pages by the time of the build.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from nodejs.layers import build_key
from pybuild.libcnb import output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What nanoid draws for it; an identity that next.config names is nearly never one of these.
_DRAWN = re.compile(rb"[\w-]{21}")
_NAMED = re.compile(rb"generateBuildId|deploymentId")
# The letter a is left out: Next.js itself refuses identities with "ad", for blockers of advertisements.
_LETTERS = str.maketrans("a", "x")
_PREVIEW = ("previewModeId", "previewModeSigningKey", "previewModeEncryptionKey")
# Times of this build, which no server reads.
_NOTES = ("trace", "trace-build", "diagnostics")
_LEFT_OUT = ("node_modules", ".git")
_ASTRO = f"manifest_{'[A-Za-z0-9_-]' * 8}.mjs"
_SQUEEZED = (".gz", ".br", ".zst")


def settle(app: Path, keys: Mapping[str, str]) -> None:
    """Give what Next.js has built an identity of its files. `keys`: the variables of `build_key`."""
    done: list[Path] = []
    for file in sorted(file for depth in ("*", "*/*", "*/*/*") for file in app.glob(f"{depth}/BUILD_ID")):
        folder = file.parent
        # Its standalone server has a copy, which is changed with the rest.
        if any(folder.is_relative_to(other) for other in done) or folder.is_symlink():
            continue
        if not {*_LEFT_OUT} & {*folder.relative_to(app).parts}:
            done.append(folder)
            _settle_next(folder, keys[build_key.NEXT].encode())
    for file in sorted(file for depth in ("", "*/*/") for file in app.glob(f"{depth}dist/server/{_ASTRO}")):
        if (file.parent / "entry.mjs").is_file() and b"@astrojs-manifest" in file.read_bytes():
            name = file.stem.encode()
            found = {entry: data for entry in _files(file.parent) if name in (data := entry.read_bytes())}
            _replace(file.parent, file.parent, found, name, b"manifest_%s")


def _settle_next(folder: Path, key: bytes) -> None:
    drawn = (folder / "BUILD_ID").read_bytes()
    preview = _preview(folder / "prerender-manifest.json")
    if preview is None or not _DRAWN.fullmatch(drawn) or _is_named(folder.parent):
        return
    for name in _NOTES:
        _remove(folder / name)
    words = {old: build_key.derived(key, name).hex()[: len(old)].encode() for name, old in preview.items()}
    found = {file: data for file in _files(folder.parent) if _has(data := file.read_bytes(), drawn, *words)}
    if any(file.with_name(file.name + end).exists() for file in found for end in _SQUEEZED):
        output.step("Some files are compressed already, so the build keeps the identity that was drawn")
        return
    for old, new in words.items():
        found = {file: data.replace(old, new) for file, data in found.items()}
    identity = _replace(folder, folder.parent, found, drawn, b"%s")
    output.step(f"Identity of the build: {identity.decode()}, made of its files")


def _replace(built: Path, around: Path, found: Mapping[Path, bytes], drawn: bytes, form: bytes) -> bytes:
    """Write `found`, and rename files, with a word of the files in `built` for the one that was drawn; return it."""
    length = len(drawn) - len(form % b"")
    word = form % _of_files(built, found, drawn)[:length].translate(_LETTERS).encode()
    for file, data in found.items():
        file.write_bytes(data.replace(drawn, word))
    for parent, folders, names in os.walk(around, topdown=False):
        for name in (*folders, *names):
            if drawn.decode() in name:
                (Path(parent) / name).rename(Path(parent) / name.replace(drawn.decode(), word.decode()))
    return word


def _preview(file: Path) -> dict[str, bytes] | None:
    """The keys of the preview mode, by name; None where Next.js has not built this."""
    try:
        keys = json.loads(file.read_bytes())["preview"]
        return {name: keys[name].encode() for name in _PREVIEW}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _is_named(app: Path) -> bool:
    return any(_NAMED.search(file.read_bytes()) for file in app.glob("next.config.*") if file.is_file())


def _files(folder: Path) -> Iterator[Path]:
    """The folder's own files, without packages."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for name in sorted(names):
            file = Path(parent) / name
            if file.is_file() and not file.is_symlink():
                yield file


def _has(data: bytes, *words: bytes) -> bool:
    return any(word in data for word in words)


def _of_files(folder: Path, found: Mapping[Path, bytes], drawn: bytes) -> str:
    """A digest of the files with a blank where `drawn` is."""
    blank = b"-" * len(drawn)
    sums = {}
    for file in _files(folder):
        data = found[file] if file in found else file.read_bytes()
        name = bytes(file.relative_to(folder)).replace(drawn, blank)
        sums[name] = sha256(data.replace(drawn, blank)).digest()
    return sha256(b"".join(sha256(name).digest() + sums[name] for name in sorted(sums))).hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
