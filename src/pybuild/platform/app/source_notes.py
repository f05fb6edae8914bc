"""What in an app's sources its owner would be surprised to find in the image: secrets, a repository's history, heaps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pybuild.events import warn
from pybuild.platform.app.source_entry import shown_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pybuild.platform.app.source_entry import Found

HUGE_BYTES = 200 << 20
HUGE_FILES = 20_000

_SECRET = re.compile(
    rb"\.env(\.[^/]+)?|id_(rsa|dsa|ecdsa|ed25519)|\.netrc|\.pypirc|\.git-credentials|\.htpasswd|\.pgpass"
)
_EXAMPLE = re.compile(rb"\.(example|sample|dist|template|tpl|defaults?)$")
_MOST_SHOWN = 3
_HINT = "leave it out: exclude in project.toml, or --use-gitignore"


@dataclass(slots=True)
class SourceNotes:
    """Looks at every path that is to be sent. `confided`: paths of what is the build's secret already."""

    confided: Collection[bytes] = ()
    secrets: list[bytes] = field(default_factory=list)
    folders: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Files and bytes in each folder, those in folders below included."""
    repositories: set[bytes] = field(default_factory=set)

    def see(self, found: Found) -> None:
        """Take in one path."""
        folder, _, name = found.path.rpartition(b"/")
        if found.kind == "d":
            if name == b".git":
                self.repositories.add(found.path)
            return
        if found.path in self.confided or (_SECRET.fullmatch(name) and not _EXAMPLE.search(name)):
            self.secrets.append(found.path)
        while folder:
            files, size = self.folders.get(folder, (0, 0))
            self.folders[folder] = files + 1, size + found.size
            folder = folder.rpartition(b"/")[0]

    def tell(self) -> None:
        """Warn of what was found, in a sentence for each kind."""
        if self.secrets:
            warn(f"{_listed(self.secrets)} may hold secrets, and goes into the image", hint=_HINT)
        for path in sorted(self.repositories)[:_MOST_SHOWN]:
            size = self.folders.get(path, (0, 0))[1]
            warn(f"{shown_name(path)}, a repository's history ({_mb(size)}), goes into the image", hint=_HINT)
        for path, files, size in list(self.heaps())[:_MOST_SHOWN]:
            warn(f"{shown_name(path)} goes into the image with {files} files ({_mb(size)})", hint=_HINT)

    def heaps(self) -> Iterator[tuple[bytes, int, int]]:
        """Path, files and bytes of every huge folder: the innermost one that holds nine tenths of it."""
        huge = {
            path: counted
            for path, counted in self.folders.items()
            if (counted[0] >= HUGE_FILES or counted[1] >= HUGE_BYTES) and b".git" not in path.split(b"/")
        }
        for path in sorted(huge):
            if path.rpartition(b"/")[0] in huge:
                continue
            while inner := next((each for each in huge if _is_most_of(each, path, huge)), b""):
                path = inner
            yield path, *huge[path]


def _is_most_of(inner: bytes, outer: bytes, counted: Mapping[bytes, tuple[int, int]]) -> bool:
    if inner.rpartition(b"/")[0] != outer:
        return False
    (files, size), (all_files, all_size) = counted[inner], counted[outer]
    most_files = all_files < HUGE_FILES or files * 10 >= all_files * 9
    return most_files and (all_size < HUGE_BYTES or size * 10 >= all_size * 9)


def _listed(paths: list[bytes]) -> str:
    shown = ", ".join(map(shown_name, sorted(paths)[:_MOST_SHOWN]))
    more = len(paths) - _MOST_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"
