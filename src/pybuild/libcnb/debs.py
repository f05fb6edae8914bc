"""Layers made of Debian packages: unpacked without root, links made to work in place, listed for scanners and humans.

Maintainer scripts are not run; what they would do is the calling buildpack's task.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.libcnb import command, deb_licence, output
from pybuild.libcnb.dpkg import Deb, components
from pybuild.libcnb.layers import Empty, Key, Layer, Types, differences
from pybuild.libcnb.problem import Problem
from pybuild.libcnb.resolved import LOCKED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext

CONTROLS = Path("var/lib/dpkg/status.d")

# Documentation and the configuration of services that do not exist in an app image; licences stay.
_TRIM = (
    "usr/share/man",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/bug",
    "usr/share/doc-base",
    "etc/apache2",
    "etc/cron.d",
    "etc/cron.daily",
    "etc/init.d",
    "etc/logrotate.d",
    "etc/default",
    "etc/ufw",
    "lib/systemd",
    "usr/lib/systemd",
    "usr/lib/tmpfiles.d",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DebLayer:
    """A layer with packages unpacked at its root. `debs`: what is in it. `fresh`: it was made in this build."""

    layer: Layer
    debs: tuple[Deb, ...]
    fresh: bool

    def version(self, package: str) -> str:
        """A package's version, empty when it is not in this layer."""
        return next((deb.version for deb in self.debs if deb.name == package), "")


def deb_layer(
    context: BuildContext,
    name: str,
    packages: Sequence[str],
    types: Types,
    *,
    apt: Apt,
    options: Key | None = None,
) -> DebLayer:
    """A cached layer with these packages and what they need beyond the run image, in their newest versions.

    Kept while its exact list of versions, the architecture, the release, this buildpack's version and `options` are.
    When locked, the versions are those of the build before.
    """
    debs = _choose(context, name, packages, apt)
    key: Key = {
        "buildpack": context.version,
        "arch": context.target.arch,
        "distro": f"{context.target.distro} {context.target.distro_version}".strip(),
        "packages": tuple(map(str, debs)),
        **(options or {}),
    }
    answer = context.layers.cached_layer(name, types, key=key)
    layer = answer.layer
    if isinstance(answer, Empty):
        _explain(answer, key)
        _fill(layer, apt.download(debs) if debs else ())
    else:
        output.step(
            f"Layer {name} is reused: {_count(debs)}, {'locked' if context.resolved.locked else 'nothing newer to install'}"
        )
    _write_sbom(context, layer)
    return DebLayer(layer=layer, debs=debs, fresh=isinstance(answer, Empty))


def controls(layer: Layer) -> list[str]:
    """The control texts of the packages in a layer, by name."""
    return [file.read_text(errors="surrogateescape") for file in sorted((layer.path / CONTROLS).glob("*"))]


def library_folders(layer: Layer) -> tuple[Path, ...]:
    """The folders the dynamic linker would search, were the layer installed at /."""
    candidates = [layer.path / top for top in ("usr/lib", "lib")]
    triples = (folder for top in candidates if top.is_dir() for folder in sorted(top.glob("*-linux-*")))
    return tuple(folder for folder in triples if any(folder.glob("*.so*")))


def relink(root: Path) -> tuple[Path, ...]:
    """Make absolute links that lead into `root` relative, as if it were /; return the links that lead nowhere."""
    dangling = []
    for link in _links(root):
        target = link.readlink()
        if target.is_absolute():
            inside = root / target.relative_to("/")
            if os.path.lexists(inside):
                link.unlink()
                link.symlink_to(os.path.relpath(inside, link.parent))
            elif not target.exists():
                dangling.append(link)
        elif not link.exists():
            dangling.append(link)
    return tuple(dangling)


def _links(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        for name in sorted((*folders, *files)):
            path = Path(folder, name)
            if path.is_symlink():
                yield path


def _choose(context: BuildContext, name: str, packages: Sequence[str], apt: Apt) -> tuple[Deb, ...]:
    """The packages for a layer, remembered by the names of their files, which tell all that there is to know."""
    resolved, asked = context.resolved, tuple(sorted(word.partition("=")[0] for word in packages))
    before = resolved.choose_all(f"{name}: asked", lambda: asked)
    files = resolved.choose_all(
        f"{name}: packages", lambda: tuple(deb.file_name for deb in apt.resolve(packages))
    )
    debs = tuple(map(Deb.from_file_name, files))
    if new := {*asked} - {*before} - {deb.name for deb in debs}:
        raise Problem(
            "The app asks for packages that the build before had not",
            f"{LOCKED} keeps the packages of layer {name}; new are {', '.join(sorted(new))}.",
            steps=("Build once without --locked (or without BP_LOCKED).",),
        )
    apt.wanted.update(files)
    return debs


def _explain(answer: Empty, key: Key) -> None:
    if not answer.old:
        output.step(f"Layer {answer.layer.name} is made: {answer.causes[0]}")
        return
    output.step(f"Layer {answer.layer.name} is made again, because")
    output.steps([f"  {cause}" for cause in differences(answer.old, key) or answer.causes])


def _fill(layer: Layer, files: Sequence[Path]) -> None:
    with output.timed(f"Unpacked {_count(files)}"), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(lambda file: _unpack(file, layer.path), files):
            pass
    for folder in _TRIM:
        shutil.rmtree(layer.path / folder, ignore_errors=True)
    _keep_licences_only(layer.path / "usr/share/doc")
    _drop_empty_folders(layer.path)
    relink(layer.path)


def _unpack(file: Path, root: Path) -> None:
    command.read(["dpkg-deb", "--extract", file, root])
    control = command.read(["dpkg-deb", "--field", file])
    target = root / CONTROLS / file.name.split("_", 1)[0]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(control, errors="surrogateescape")


def _keep_licences_only(docs: Path) -> None:
    for folder, folders, files in os.walk(docs, topdown=False):
        for name in files:
            if name != "copyright":
                Path(folder, name).unlink()
        for name in folders:
            path = Path(folder, name)
            if not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()


def _drop_empty_folders(root: Path) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        path = Path(folder)
        if path != root and not any(path.iterdir()):
            path.rmdir()


def _write_sbom(context: BuildContext, layer: Layer) -> None:
    # A launch layer may be kept without its folder; then its bill of materials is kept, too.
    if not layer.path.is_dir():
        return
    target = context.target
    found = components(
        controls(layer),
        distro=target.distro or "debian",
        distro_version=target.distro_version,
        licences=lambda name: _licences(layer, name),
    )
    context.sbom(layer, found)


def _licences(layer: Layer, package: str) -> tuple[str, ...]:
    file = layer.path / "usr/share/doc" / package / "copyright"
    if not file.is_file():
        return ()
    with file.open(errors="replace") as text:
        return deb_licence.licences(text.read(deb_licence.MOST_BYTES))


def _count(things: Sequence[object]) -> str:
    return f"{len(things)} package" + ("" if len(things) == 1 else "s")
