"""Layer `python`: CPython from the distribution's packages, or one of uv's builds where these have not what is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.libcnb import debs, output
from pybuild.libcnb.dpkg import as_installed
from pybuild.libcnb.layers import Types
from python import versions
from python.layers import bytecode, managed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.libcnb.apt import Apt
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer
    from python.layers.uv import Uv

ALL = Types(launch=True, build=True, cache=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Python as installed: `series` 3.11, `version` 3.11.2. `identity`: what packages are installed for."""

    layer: Layer
    series: str
    version: str
    python: Path
    environ: Mapping[str, str]
    managed: bool = False


def install(context: BuildContext, places: Mapping[str, str], apt: Apt, uv: Uv) -> Runtime:
    """Choose the version, and have it in a layer with its library compiled. Raises a `Problem`."""
    want = versions.wanted(context.setting("BP_CPYTHON_VERSION"), places)
    packaged = versions.packaged(apt)
    choice = versions.choose(want, packaged, lambda: managed.known(uv))
    if choice.managed:
        output.section(
            f"Python {choice.version} ({choice.why}; {release(context)} has {', '.join(packaged)})"
        )
        layer = managed.install(context, uv, choice, tuple(packaged.values()))
        return Runtime(
            layer=layer,
            series=choice.series,
            version=choice.version,
            python=managed.interpreter(layer),
            environ={},
            managed=True,
        )
    output.section(f"Python {choice.version} ({choice.why}; {release(context)} has {', '.join(packaged)})")
    if "runtime.txt" in places and want and want.place == "runtime.txt":
        output.warning("runtime.txt is out of use; .python-version says the same to more tools.")
    made = debs.deb_layer(context, "python", (f"python{choice.series}",), ALL, apt=apt)
    layer = made.layer
    python = layer.path / f"usr/bin/python{choice.series}"
    libraries = ":".join(map(str, debs.library_folders(layer)))
    environ = {"LD_LIBRARY_PATH": libraries} if libraries else {}
    if libraries:
        layer.env("LD_LIBRARY_PATH", libraries, operation="prepend", delimiter=":")
    if made.fresh:
        with output.timed("Compiled Python's own library"):
            bytecode.compile_folder(python, layer.path / f"usr/lib/python{choice.series}", environ)
    apt.pretend("".join(as_installed(control) for control in debs.controls(layer)))
    return Runtime(layer=layer, series=choice.series, version=choice.version, python=python, environ=environ)


def headers(context: BuildContext, runtime: Runtime, apt: Apt) -> dict[str, str]:
    """Variables with which a compiler finds Python's headers; in a layer of their own, which the image need not have."""
    if runtime.managed:
        return {}
    # This is for the build image, which has a compiler and what belongs to it.
    apt.pretend(own_packages())
    made = debs.deb_layer(
        context, "python-headers", (f"libpython{runtime.series}-dev",), Types(build=True, cache=True), apt=apt
    )
    include = made.layer.path / "usr/include"
    folders = [include / f"python{runtime.series}", include]
    return {"CPATH": ":".join(map(str, folders))}


def own_packages() -> str:
    """The stanzas of what the build image itself has installed."""
    from pybuild.libcnb.apt import OWN_STATUS

    return OWN_STATUS.read_text(errors="surrogateescape") + "\n\n" if OWN_STATUS.is_file() else ""


def release(context: BuildContext) -> str:
    """The distribution, for a sentence."""
    target = context.target
    return f"{target.distro.capitalize()} {target.distro_version}".strip() or "this distribution"
