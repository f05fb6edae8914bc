"""Layer `bootstrap`: the distribution's `go` command, which knows how to ask Go's module proxy and checksum database.

It only lists and fetches releases: proxies, credentials and mirrors are set as for any other module, and what it
fetches it verifies against the signed checksum database, as it would a dependency.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from go import errors
from pybuild.libcnb import apt, command, output
from pybuild.libcnb.dpkg import stand_in
from pybuild.libcnb.layers import Empty, Types
from pybuild.libcnb.version import numbers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext

_PACKAGE = re.compile(r"golang-(\d+\.\d+)-go")
# The package is 250 MB unpacked, nearly all of it a compiled standard library that nobody will use.
_EXTRACT = (
    'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | '
    'tar --extract --directory "$2" --strip-components 4 --wildcards "./usr/lib/go-*/bin/go" "./usr/lib/go-*/VERSION"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bootstrap:
    """A `go` command with its root."""

    root: Path

    def ask(self, *words: str, scratch: Path) -> str:
        """The output of `go` with these words, outside of any module, files below `scratch`. Raises `ToolFailed`."""
        return command.read(
            [self.root / "bin/go", *words], environ=self._environ(scratch), cwd=scratch, timeout=1800
        )

    def _environ(self, scratch: Path) -> Mapping[str, str]:
        return {
            "GOROOT": str(self.root),
            "GOPATH": str(scratch / "gopath"),
            "GOMODCACHE": str(scratch / "modules"),
            "GOCACHE": str(scratch / "cache"),
            "GOENV": "off",
            # The user's flags are for building the app.
            "GOFLAGS": "-modcacherw",
            "GOWORK": "off",
        }


def prepare(context: BuildContext) -> Bootstrap:
    """The command, from the last build or from the distribution's newest package. Raises a `Problem`."""
    answer = context.layers.cached_layer(
        "bootstrap",
        Types(cache=True),
        key={"buildpack": context.version, "distro": context.target.distro_version},
    )
    root = answer.layer.path / "go"
    if isinstance(answer, Empty):
        root.mkdir()
        with apt.opened(context) as sources:
            _extract(sources, root)
    return Bootstrap(root=root)


def _extract(sources: Apt, root: Path) -> None:
    found = {match[1]: name for name in sources.names("golang-") if (match := _PACKAGE.fullmatch(name))}
    if not found:
        raise errors.no_bootstrap()
    series = max(found, key=numbers)
    arch = command.read(["dpkg", "--print-architecture"]).strip()
    sources.pretend(stand_in(f"golang-{series}-src", arch))
    package = found[series]
    with output.timed(f"Go's module client from {package}"):
        debs = sources.resolve((package,))
        for deb, file in zip(debs, sources.download(debs), strict=True):
            if deb.name == package:
                command.read(["bash", "-c", _EXTRACT, "extract", file, root])
