"""What there is to export: one scan of the layers and the app, and the few small files that export reads.

Specification: platform.md, "exporter".
"""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from pybuild.buildenv.api import Entry, Listing
from pybuild.errors import ExportError
from pybuild.events import detail
from pybuild.lifecycle.scripts import run_lines
from pybuild.spec.names import escape_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pybuild.buildenv.api import BuildEnv, Refused
    from pybuild.lifecycle.build import Built, BuiltBuildpack

SBOM_ENDINGS = ("sbom.cdx.json", "sbom.spdx.json", "sbom.syft.json")
_SBOM_LIMIT = 64 << 20
_POSIX = "LC_ALL=C; export LC_ALL"
_LS = re.compile(rb"(?P<mode>[bcdlps-][rwxsStT-]{9})\S*\s+\d+\s+(?P<uid>\d+)\s+(?P<gid>\d+)\s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exportable:
    """`listings`: by root. `files`: contents of the launch SBOMs and of what the launcher is made from.

    `parents`: what stat says about every folder above a root, by path. `uid`, `gid`: whose the files in layers are.
    """

    layers_dir: str
    app_dir: str
    listings: Mapping[str, Listing]
    files: Mapping[str, bytes | Refused]
    parents: Mapping[str, Entry]
    uid: int
    gid: int

    def sbom_stamps(self, path: str) -> dict[str, str]:
        """Stamps of the SBOM files that lie beside a layer's folder `path`, by ending."""
        found = {ending: self.listings.get(f"{path}.{ending}") for ending in SBOM_ENDINGS}
        return {ending: listing.stamp for ending, listing in found.items() if listing and listing.entries}

    def above(self, path: str) -> list[Entry]:
        """The folders above `path`, top down, without the root."""
        return [self.parents[parent] for parent in parents_of(path)]

    def tar_terms(self, path: str) -> str:
        """What the tar of `path` depends on beside its files: the owner of entries, owners and modes of parents."""
        above = " ".join(f"{entry.path}:{entry.mode:o}:{entry.uid}:{entry.gid}" for entry in self.above(path))
        return f"{self.uid}:{self.gid} {above}"


def parents_of(path: str) -> list[str]:
    """`/layers` and `/layers/acme_go` for `/layers/acme_go/dist`."""
    found: list[str] = []
    while (path := posixpath.dirname(path)) not in {"/", ""}:
        found.insert(0, path)
    return found


def own_sboms(module: BuiltBuildpack, directory: str) -> list[str]:
    """Where the SBOM files of a buildpack are, or could be beside its layers."""
    beside = [
        f"{layer.path}.{ending}"
        for layer in module.layers
        if layer.toml.launch or layer.toml.cache
        for ending in SBOM_ENDINGS
    ]
    return list(dict.fromkeys([*beside, *(f"{directory}/{file.name}" for file in module.sboms)]))


def add_lifecycle_sboms(env: BuildEnv, layers_dir: str, lifecycle_dir: str) -> None:
    """Put what the builder's lifecycle says of itself beside the buildpacks' SBOMs; since Platform API 0.11 (EXP-08)."""
    lines = []
    for ending in SBOM_ENDINGS:
        for kind, source, folder in (("build", "lifecycle", ""), ("launch", "launcher", "/launcher")):
            target = f"{layers_dir}/sbom/{kind}/buildpacksio_lifecycle{folder}"
            lines.append(f"add {quote(f'{lifecycle_dir}/{source}.{ending}')} {quote(target)} {ending}")
    for line in run_lines(env, lines, first=_ADD).decode(errors="replace").splitlines():
        detail(line)


_ADD = """
add() {
    if [ -f "$1" ]; then mkdir -p -- "$2"; cat -- "$1" > "$2/$3"; echo "Copying SBOM ${1##*/} to $2/$3"; fi
}"""


def collect(env: BuildEnv, built: Built, *, layers_dir: str, app_dir: str) -> Exportable:
    """Look at everything that this build leaves; three round trips, however much it is."""
    roots = [app_dir, f"{layers_dir}/sbom/launch", f"{layers_dir}/config"]
    for module in built.buildpacks:
        for layer in module.layers:
            kept = layer.toml.launch or layer.toml.cache
            # Of one for the build only nothing is kept, but later buildpacks worked with it: is it what was made?
            if layer.has_directory and (kept or module is not built.buildpacks[-1]):
                roots.append(layer.path)
        roots += own_sboms(module, f"{layers_dir}/{escape_id(module.module.id)}")
    roots = list(dict.fromkeys(roots))
    listings = dict(zip(roots, env.scan(roots), strict=True))
    if not listings[app_dir].entries:
        raise ExportError(f"the app directory {app_dir} is gone: a buildpack removed it")
    from pybuild.launcher.inputs import patterns as launcher_patterns  # the restorer does not need it

    sboms = f"{layers_dir}/sbom/launch"
    patterns = [f"{sboms}/*.json", f"{sboms}/*/*.json", f"{sboms}/*/*/*.json"]
    files = env.read_files([*patterns, *launcher_patterns(layers_dir)], limit=_SBOM_LIMIT)
    return Exportable(
        layers_dir=layers_dir,
        app_dir=app_dir,
        listings=listings,
        files=files,
        parents=stat_folders(env, sorted({parent for root in roots for parent in parents_of(root)})),
        uid=env.uid,
        gid=env.gid,
    )


def stat_folders(env: BuildEnv, paths: Sequence[str]) -> dict[str, Entry]:
    """What stat says about folders; with POSIX `ls`, because no other tool is everywhere."""
    ordered = sorted(paths, key=os.fsencode)
    words = " ".join(map(quote, ordered))
    shown = run_lines(env, [f"ls -ldnL -- {words} 2>/dev/null || :"], first=_POSIX).splitlines()
    ended = all(line.endswith(b" " + os.fsencode(path)) for path, line in zip(ordered, shown, strict=False))
    if len(shown) != len(ordered) or not ended:
        # One of them is not there, or has a name that is no line of its own.
        lines = [f"ls -ldnL -- {quote(path)} 2>/dev/null || echo" for path in ordered]
        shown = run_lines(env, lines, first=_POSIX).splitlines()
    return {path: _entry(path, line) for path, line in zip(ordered, shown, strict=True) if line}


def _entry(path: str, line: bytes) -> Entry:
    found = _LS.match(line)
    if not found:
        raise ExportError(f"{path}: ls printed {line[:80]!r}, expected mode, links, owner and group")
    return Entry(
        path=path,
        kind="d",
        mode=_mode(found["mode"].decode()),
        uid=int(found["uid"]),
        gid=int(found["gid"]),
        size=0,
        mtime=0,
        ctime=0,
        inode=0,
        links=1,
    )


def _mode(text: str) -> int:
    """0o2755 for `drwxr-sr-x`."""
    mode = 0
    for position, char in enumerate(text[1:]):
        bit = 1 << (8 - position)
        if char not in "-ST":
            mode |= bit
        if char in "sStT":
            mode |= (0o4000, 0o2000, 0o1000)[position // 3]
    return mode


def sbom_contents(found: Exportable, paths: Iterable[str]) -> dict[str, bytes]:
    """Contents of the SBOM layer's files, all of which must have been readable."""
    contents = {}
    for path in paths:
        content = found.files.get(path, b"")
        if not isinstance(content, bytes):
            raise ExportError(
                f"{path}: an SBOM must be a regular file below 64 MiB, but this is {content.why}"
            )
        contents[path] = content
    return contents
