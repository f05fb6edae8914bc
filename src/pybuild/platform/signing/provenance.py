"""How an image came to be, as SLSA provenance: what was asked for, of what it was made, by whom and when (pure).

Specification: SLSA v1, "Provenance": https://slsa.dev/spec/v1.0/provenance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pybuild import __version__
from pybuild.stores.state import read_state

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://github.com/pybuild/pybuild/docs/reference/provenance.md#build"
BUILDER_ID = "https://github.com/pybuild/pybuild"
_COMMIT = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Something that went into the image. `digest`: "sha256:…" or a git commit's "sha1:…"."""

    name: str
    uri: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """One build. Times are seconds since 1970. `variables`: names only, since values may be secret."""

    builder: str
    run_image: str
    default_process: str
    variables: tuple[str, ...]
    materials: tuple[Material, ...]
    started: float
    finished: float

    def predicate(self) -> dict[str, Any]:
        """The predicate of an in-toto statement."""
        return {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "builder": self.builder,
                    "runImage": self.run_image,
                    "defaultProcess": self.default_process,
                    "variables": list(self.variables),
                },
                "internalParameters": {},
                "resolvedDependencies": [_described(each) for each in self.materials],
            },
            "runDetails": {
                "builder": {"id": BUILDER_ID, "version": {"pybuild": __version__}},
                "metadata": {"startedOn": _time(self.started), "finishedOn": _time(self.finished)},
            },
        }


def _described(material: Material) -> dict[str, Any]:
    algorithm, _, value = material.digest.partition(":")
    return {"name": material.name, "uri": material.uri, "digest": {algorithm: value}}


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"


def source_material(folder: Path) -> Sequence[Material]:
    """The git commit that is checked out in the app's folder, or above it; nothing where there is none.

    The files are read and no git is run: an app's own configuration could make it start programs.
    """
    for place in (folder.resolve(), *folder.resolve().parents):
        if (place / ".git").is_dir():
            commit = _commit(place / ".git")
            if not commit:
                return ()
            return (Material(name="source", uri="git+file:.", digest=f"sha1:{commit}"),)
    return ()


def _commit(git: Path) -> str:
    head = read_state(git / "HEAD", limit=1 << 12) or b""
    if not head.startswith(b"ref: refs/"):
        return _checked(head)
    name = head[5:].strip().decode(errors="replace")
    if ".." in name:
        return ""
    found = _checked(read_state(git / name, limit=1 << 12) or b"")
    if found:
        return found
    packed = read_state(git / "packed-refs", limit=16 << 20) or b""
    lines = (line.split(b" ", 1) for line in packed.splitlines() if b" " in line)
    return next((_checked(commit) for commit, ref in lines if ref.decode(errors="replace") == name), "")


def _checked(text: bytes) -> str:
    found = _COMMIT.fullmatch(text.strip())
    return found[0].decode() if found else ""
