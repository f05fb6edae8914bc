"""What an app's own `.gitignore` and `.dockerignore` leave out of a build, where the user asks for it.

`.gitignore` counts in every folder, and in those above the app up to its repository's root; `.git` stays out with it.
`.dockerignore` counts in the app's root. Semantics: git's documentation, "gitignore"; Docker's, ".dockerignore file".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, get_args

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.events import detail
from pybuild.platform.app.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pybuild.lifecycle.dockerignore import Ignore

IgnoreFile = Literal[".gitignore", ".dockerignore"]
IGNORE_FILES: tuple[IgnoreFile, ...] = get_args(IgnoreFile)
MAX_FILE = 1 << 20
_MOST_PARENTS = 100


def checked_ignore_file(word: str, where: str) -> IgnoreFile:
    """`word` if it is the name of such a file; else `InvalidInput`."""
    for name in IGNORE_FILES:
        if word == name:
            return name
    raise InvalidInput(f"{where}: {word!r:.80} is none of {', '.join(IGNORE_FILES)}")


class Ignored:
    """What is left out of one app. `read`: gives the content of a file of the app by its path, None without one.

    `above`: the `.gitignore` files of folders above the app, the outermost first, each with the path from its folder to
    the app. Files are read when the first path in their folder is asked for.
    """

    def __init__(
        self,
        files: Iterable[IgnoreFile],
        read: Callable[[bytes], bytes | None],
        above: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        wanted = frozenset(files)
        self._git = ".gitignore" in wanted
        self._read = read
        self._above = [(prefix, _git_rules(text)) for prefix, text in above]
        self._scopes: dict[bytes, Selection] = {}
        self._ignored: dict[bytes, bool] = {}
        self._docker = self._read_docker() if ".dockerignore" in wanted else None

    def leaves_out(self, path: bytes, *, folder: bool) -> bool:
        """Whether `path`, relative to the app, is no part of the build."""
        if self._git and self._git_ignores(path, folder=folder):
            return True
        return bool(self._docker) and self._docker is not None and self._docker.leaves_out(os.fsdecode(path))

    def hides(self, path: bytes) -> bool:
        """Whether nothing in the folder `path`, which is left out, can be part of the build either."""
        if self._git and self._git_ignores(path, folder=True):
            return True
        return self._docker is not None and not any(back_in for _, back_in in self._docker.patterns)

    def _read_docker(self) -> Ignore:
        from pybuild.lifecycle.dockerignore import Ignore

        return Ignore.read(self._read(b".dockerignore") or b"", where=".dockerignore")

    def _git_ignores(self, path: bytes, *, folder: bool) -> bool:
        """What lies in an ignored folder is ignored: git does not look into it."""
        known = self._ignored.get(path)
        if known is None:
            parent = path.rpartition(b"/")[0]
            known = bool(parent) and self._git_ignores(parent, folder=True)
            known = known or path.rpartition(b"/")[2] == b".git" or self._decide(path, folder=folder)
            self._ignored[path] = known
        return known

    def _decide(self, path: bytes, *, folder: bool) -> bool:
        """The nearest file that says anything of this path decides."""
        place = path.rpartition(b"/")[0]
        while True:
            inside = path[len(place) + 1 :] if place else path
            verdict = self._scope(place).verdict(inside, folder=folder)
            if verdict is not None or not place:
                break
            place = place.rpartition(b"/")[0]
        for prefix, rules in reversed(self._above):
            if verdict is not None:
                break
            verdict = rules.verdict(prefix + b"/" + path, folder=folder)
        return bool(verdict)

    def _scope(self, folder: bytes) -> Selection:
        found = self._scopes.get(folder)
        if found is None:
            text = self._read(folder + b"/.gitignore" if folder else b".gitignore")
            found = self._scopes[folder] = _git_rules(text) if text else Selection()
        return found


def gitignores_above(app: Path) -> list[tuple[bytes, bytes]]:
    """The `.gitignore` files above the app in its repository, for `Ignored`; none if it is in none, or its root."""
    inner = app.resolve()
    found: list[tuple[bytes, bytes]] = []
    for number, folder in enumerate((inner, *inner.parents)):
        if number > _MOST_PARENTS:
            break
        text = _small_file(folder / ".gitignore") if number else None
        if text:
            found.append((os.fsencode(inner.relative_to(folder)), text))
        if (folder / ".git").exists():
            return found[::-1]
    return []


def read_inside(root: Path, path: bytes) -> bytes | None:
    """The content of a small regular file in the app, without following any link; None if there is none."""
    handles = []
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handles.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        *folders, name = path.split(b"/")
        for folder in folders:
            handles.append(os.open(folder, flags | os.O_DIRECTORY, dir_fd=handles[-1]))
        with os.fdopen(os.open(name, flags, dir_fd=handles[-1]), "rb") as file:
            return file.read(MAX_FILE)
    except OSError:
        return None
    finally:
        for handle in handles:
            os.close(handle)


def _small_file(path: Path) -> bytes | None:
    return read_inside(path.parent, os.fsencode(path.name))


def _git_rules(text: bytes) -> Selection:
    """The rules of one file. A line that is no pattern is passed over, as git does."""
    rules = Selection()
    for line in os.fsdecode(text.removeprefix(b"\xef\xbb\xbf")).split("\n"):
        try:
            rules = rules.with_line(line.removesuffix("\r"))
        except InvalidFile as exc:
            detail(f"passed over: {exc}")
    return rules
