"""COPY and ADD: which files of the build context go where, with which owner, and that they go there.

Format: https://docs.docker.com/reference/dockerfile/#copy, as far as image extensions need it.
"""

# Sources are looked up by name inside the context, whose owner must not lead us out of it.
# ruff: noqa: PTH101, PTH102, PTH108, PTH112, PTH114, PTH115, PTH118, PTH119, PTH120, PTH207, PTH208, PTH211

from __future__ import annotations

import glob
import hashlib
import os
import posixpath
import re
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.errors import ExtendError, InvalidFile
from pybuild.lifecycle import users
from pybuild.lifecycle.dockerignore import NAME as DOCKERIGNORE
from pybuild.lifecycle.dockerignore import Ignore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PIECE = 1 << 20
_ARCHIVE = re.compile(r"\.(tar|tar\.(gz|bz2|xz|zst)|tgz|tbz2|txz)$")
_URL = re.compile(r"(https?|ftp|git|ssh)://|git@")
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Copy:
    """One entry to copy: from `source`, absolute, to `target`, absolute."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that one instruction copies, folders before what is in them. `mode`: for all of them, None to keep theirs."""

    copies: tuple[Copy, ...]
    uid: int
    gid: int
    mode: int | None

    def identity(self) -> list[object]:
        """What tells whether the outcome would be another one."""
        return [
            self.uid,
            self.gid,
            self.mode,
            [[each.target, _identity(each.source)] for each in self.copies],
        ]

    def carry_out(self) -> None:
        """Copy. Raises `OSError`."""
        for each in self.copies:
            make_folders(posixpath.dirname(each.target))
            self._copy(each)

    def _copy(self, each: Copy) -> None:
        state = os.lstat(each.source)
        if stat.S_ISDIR(state.st_mode):
            if not os.path.isdir(each.target):
                os.mkdir(each.target)
        elif stat.S_ISLNK(state.st_mode):
            _make_way(each.target)
            os.symlink(os.readlink(each.source), each.target)
        elif stat.S_ISREG(state.st_mode):
            _make_way(each.target)
            with open(os.open(each.source, _OPEN), "rb") as source, open(each.target, "xb") as target:
                shutil.copyfileobj(source, target, _PIECE)
        else:
            raise ExtendError(f"{each.source} is no file, folder or symlink, so it cannot be copied")
        os.chown(each.target, self.uid, self.gid, follow_symlinks=False)
        if not stat.S_ISLNK(state.st_mode):
            os.chmod(each.target, stat.S_IMODE(state.st_mode) if self.mode is None else self.mode)


def plan(
    words: Sequence[str],
    flags: Mapping[str, str],
    *,
    context: str,
    folder: str,
    is_add: bool,
    where: str,
) -> Plan:
    """What COPY or ADD with these words and flags does. `folder`: that relative targets are in."""
    unknown = flags.keys() - {"chown", "chmod"}
    if unknown:
        raise ExtendError(f"{where}: --{min(unknown)} is not supported by this extender")
    if len(words) < 2:
        raise ExtendError(f"{where}: expected one or more sources and a target")
    *sources, last = words
    target = posixpath.normpath(posixpath.join(folder, last))
    into = last.endswith("/") or last in (".", "..") or os.path.isdir(target)
    root = os.path.realpath(context)
    ignore = _ignore(root)
    found = [(word, path) for word in sources for path in _matches(word, root, ignore, is_add, where)]
    if len(found) > 1 and not into:
        raise ExtendError(f"{where}: {last!r} must end with / to take {len(found)} sources")
    copies: list[Copy] = []
    for _, path in found:
        if os.path.isdir(path) and not os.path.islink(path):
            copies += [Copy(path, target), *_below(path, target, root, ignore)]
        else:
            name = posixpath.join(target, posixpath.basename(path)) if into else target
            copies.append(Copy(path, name))
    owner, _, group = flags.get("chown", "0:0").partition(":")
    user = users.resolve(owner, where=where)
    # Without a group, the group of the same number as the user.
    gid = users.resolve_group(group, where=where) if group else user.gid if not owner.isdigit() else user.uid
    return Plan(copies=tuple(copies), uid=user.uid, gid=gid, mode=_mode(flags.get("chmod", ""), where))


def make_folders(path: str) -> None:
    """Make a folder and those above it, root's, with the usual mode."""
    if not os.path.isdir(path):
        make_folders(posixpath.dirname(path))
        os.mkdir(path, 0o755)
        os.chmod(path, 0o755)


def _matches(word: str, root: str, ignore: Ignore, is_add: bool, where: str) -> list[str]:
    """The paths that a source names, inside the context."""
    if is_add and (_URL.match(word) or _ARCHIVE.search(word)):
        raise ExtendError(
            f"{where}: ADD of {word!r} is not supported by this extender: it takes files and folders only",
            hint="COPY it, or fetch it, and unpack it with RUN",
        )
    pattern = posixpath.normpath(posixpath.join("/", word)).lstrip("/")
    paths = glob.glob(os.path.join(glob.escape(root), pattern), include_hidden=True)
    found = []
    for path in sorted(paths, key=os.fsencode):
        # A link on the way may lead out; the last part of it may be one, which is copied as such.
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        real = os.path.normpath(real)
        if real != root and not real.startswith(f"{root}/"):
            raise ExtendError(f"{where}: {word!r} leads out of the build context")
        if real == root or not ignore.leaves_out(os.path.relpath(real, root)):
            found.append(real)
    if not found:
        raise ExtendError(
            f"{where}: {word!r} names nothing in the build context",
            hint="the context is the extension's folder context or context.<kind>, else the app",
        )
    return found


def _below(path: str, target: str, root: str, ignore: Ignore) -> list[Copy]:
    """Everything in a folder, folders first."""
    copies = []
    for name in sorted(os.listdir(path), key=os.fsencode):
        source, place = os.path.join(path, name), os.path.join(target, name)
        is_folder = stat.S_ISDIR(os.lstat(source).st_mode)
        below = _below(source, place, root, ignore) if is_folder else []
        left_out = bool(ignore) and ignore.leaves_out(os.path.relpath(source, root))
        # A folder that is left out stays for what of it is taken back in.
        if not left_out or below:
            copies += [Copy(source, place), *below]
    return copies


def _ignore(root: str) -> Ignore:
    path = os.path.join(root, DOCKERIGNORE)
    try:
        with open(os.open(path, _OPEN), "rb") as file:
            content = file.read(1 << 20) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except OSError:
        return Ignore()
    try:
        return Ignore.read(content, where=path)
    except InvalidFile as exc:
        raise ExtendError(str(exc), hint=exc.hint) from exc


def _identity(path: str) -> list[object]:
    state = os.lstat(path)
    if stat.S_ISLNK(state.st_mode):
        return ["l", os.readlink(path)]
    if not stat.S_ISREG(state.st_mode):
        return [stat.S_IFMT(state.st_mode), stat.S_IMODE(state.st_mode)]
    with open(os.open(path, _OPEN), "rb") as file:
        return [stat.S_IMODE(state.st_mode), hashlib.file_digest(file, "sha256").hexdigest()]


def _make_way(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        raise IsADirectoryError(21, "is a folder, where a file is to be", path)
    if os.path.lexists(path):
        os.unlink(path)


def _mode(text: str, where: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-7]{3,4}", text):
        raise ExtendError(f"{where}: --chmod={text[:40]}: expected an octal number such as 0755")
    return int(text, 8)
