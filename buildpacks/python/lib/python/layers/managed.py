"""Layer `python` where the distribution has not the version that is wanted: one of uv's own builds of CPython.

uv carries their list with their digests in itself, and checks what it downloads.
"""

from __future__ import annotations

import json
import platform
import shutil
from typing import TYPE_CHECKING

from pybuild.libcnb import command, output, purl
from pybuild.libcnb.layers import Empty, Types
from pybuild.libcnb.sbom import Component
from python import errors
from python.layers import bytecode

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer
    from python.layers.uv import Uv
    from python.versions import Choice


def known(uv: Uv) -> tuple[str, ...]:
    """The versions of CPython that uv could download for this machine, newest first; asks nobody."""
    words: list[str | Path] = [
        uv.program,
        "python",
        "list",
        "--only-downloads",
        "--all-versions",
        "--output-format",
        "json",
    ]
    text = command.read(words, environ={**uv.environ, "UV_PYTHON_DOWNLOADS": "automatic"})
    found = [
        entry["version"]
        for entry in json.loads(text)
        if entry["implementation"] == "cpython" and entry["variant"] == "default" and entry["libc"] != "musl"
    ]
    return tuple(dict.fromkeys(version for version in found if version.replace(".", "").isdigit()))


def install(context: BuildContext, uv: Uv, choice: Choice, packaged: tuple[str, ...]) -> Layer:
    """Have it in the layer. Raises a `Problem` where it cannot be downloaded."""
    key = {"buildpack": context.version, "arch": context.target.arch, "python": choice.version}
    answer = context.layers.cached_layer("python", Types(launch=True, build=True, cache=True), key=key)
    layer = answer.layer
    if isinstance(answer, Empty):
        words: list[str | Path] = [
            uv.program,
            "python",
            "install",
            "--install-dir",
            layer.path,
            "--no-bin",
            choice.version,
        ]
        try:
            with output.timed(f"Installed CPython {choice.version}, built by uv's project"):
                command.read(words, environ={**uv.environ, "UV_PYTHON_DOWNLOADS": "automatic"}, timeout=1800)
        except command.ToolFailed as exc:
            place = choice.why.partition(" asks ")[0]
            raise errors.managed_python_unreachable(choice.version, place, packaged, exc.output) from exc
        for name in (".lock", ".temp", ".gitignore"):
            _remove(layer.path / name)
        python = interpreter(layer)
        with output.timed("Compiled Python's own library"):
            bytecode.compile_folder(python, python.parent.parent / f"lib/python{choice.series}", {})
    context.sbom(
        layer,
        [
            Component(
                name="cpython",
                version=choice.version,
                purl=purl.generic("cpython", choice.version, qualifiers={"arch": platform.machine()}),
                licences=("PSF-2.0",),
                homepage="https://www.python.org/",
            )
        ],
    )
    return layer


def interpreter(layer: Layer) -> Path:
    """The program of the one version that is in the layer."""
    return next(
        path
        for path in sorted(layer.path.glob("cpython-*/bin/python3"))
        if not path.parent.parent.is_symlink()
    )


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
