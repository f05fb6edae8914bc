"""Layer `go`: the toolchain of the Go project, as a module of Go's proxy, verified by the checksum database."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from go import errors, versions
from go.layers import bootstrap
from pybuild.libcnb import command, output
from pybuild.libcnb.layers import Empty, Types
from pybuild.libcnb.version import is_release

if TYPE_CHECKING:
    from go.gomod import GoMod
    from go.layers.bootstrap import Bootstrap
    from go.versions import Wanted
    from pybuild.libcnb.context import BuildContext

MODULE = "golang.org/toolchain"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """Go at `root`, in this `version`."""

    root: Path
    version: str

    @property
    def go(self) -> Path:
        """The command."""
        return self.root / "bin/go"


def install(context: BuildContext, module: GoMod) -> Toolchain:
    """Choose the release and have it in a layer. Raises a `Problem`."""
    request = versions.wanted(context.setting("BP_GO_VERSION"), module)
    client = bootstrap.prepare(context)
    kept = _kept(context.layers.path / "go")
    version = context.resolved.choose("go", lambda: _newest(client, request, kept), accepts=request.accepts)
    output.section(f"Go {version} ({request.why})")
    answer = context.layers.cached_layer(
        "go",
        Types(build=True, cache=True),
        key={"buildpack": context.version, "arch": _arch(), "go": version},
    )
    root = answer.layer.path
    if isinstance(answer, Empty):
        output.step(f"Layer go is made{' again' if answer.old else ''}: {'; '.join(answer.causes)}")
        with output.timed("Downloaded, verified by the checksum database, and unpacked"):
            _fetch(client, version, root)
    else:
        output.step("Layer go is reused: nothing newer to install")
    answer.layer.env("GOTOOLCHAIN", "local", scope="build")
    return Toolchain(root=root, version=version)


def releases(client: Bootstrap, arch: str) -> tuple[str, ...]:
    """Every finished release that the proxy has for Linux on this architecture. Raises `ToolFailed`."""
    with tempfile.TemporaryDirectory(prefix="go-") as scratch:
        text = client.ask("list", "-m", "-versions", MODULE, scratch=Path(scratch))
    names = re.findall(rf"v0\.0\.1-go(\S+)\.linux-{arch}\b", text)
    return tuple(name for name in names if is_release(name))


def _newest(client: Bootstrap, request: Wanted, kept: str) -> str:
    if request.exact and request.exact == kept:
        return kept
    try:
        known = releases(client, _arch())
    except command.ToolFailed as exc:
        if not (kept and request.accepts(kept)):
            raise errors.releases_unknown(exc.output or str(exc)) from exc
        output.warning(f"Go's releases cannot be looked up, so Go {kept} of the last build is used.")
        return kept
    version = versions.choose(request, known)
    if not versions.supported(version, known):
        output.warning(
            f"Go {version} gets no security fixes any more ({request.why}).\n"
            "Raise the go line in go.mod to a series that does, or set BP_GO_VERSION."
        )
    return version


def _fetch(client: Bootstrap, version: str, root: Path) -> None:
    name = f"{MODULE}@v0.0.1-go{version}.linux-{_arch()}"
    # Beside the layer, so that moving is renaming.
    with tempfile.TemporaryDirectory(prefix=".go-", dir=root.parent) as scratch:
        try:
            told = json.loads(client.ask("mod", "download", "-json", name, scratch=Path(scratch)))
        except command.ToolFailed as exc:
            raise errors.releases_unknown(exc.output or str(exc)) from exc
        for entry in Path(told["Dir"]).iterdir():
            shutil.move(entry, root / entry.name)
    _make_executable(root)


def _make_executable(root: Path) -> None:
    """Module zips carry no modes, and module files are read-only."""
    for folder, _, files in os.walk(root):
        programs = Path(folder).is_relative_to(root / "bin") or Path(folder).is_relative_to(root / "pkg/tool")
        Path(folder).chmod(0o755)
        for name in files:
            Path(folder, name).chmod(0o755 if programs else 0o644)


def _kept(root: Path) -> str:
    """The version that the last build left, empty when it left none."""
    file = root / "VERSION"
    found = re.match(r"go(\S+)", file.read_text()) if file.is_file() else None
    return found[1] if found else ""


def _arch() -> str:
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)
