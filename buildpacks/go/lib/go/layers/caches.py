"""Layers `modules` and `build-cache`: what Go downloaded and compiled, kept for the next build.

The standard library alone takes most of a minute to compile: the build cache is worth more than any other layer.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.libcnb import output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from go.layers.toolchain import Toolchain
    from pybuild.libcnb.context import BuildContext

MAX_BUILD_CACHE = 2 << 30


def environ(context: BuildContext, toolchain: Toolchain) -> dict[str, str]:
    """The variables of every `go` of this build: caches in layers, this toolchain alone, binaries for the target.

    The user's GOFLAGS, GOPROXY, GOPRIVATE and CGO_ENABLED stay as they are.
    """
    modules = context.layers.tool_cache("modules").path
    compiled = context.layers.tool_cache("build-cache").path
    _bound(compiled)
    return {
        "PATH": f"{toolchain.root / 'bin'}:{context.environ.get('PATH', '')}",
        "GOROOT": str(toolchain.root),
        "GOTOOLCHAIN": "local",
        "GOENV": "off",
        "GOMODCACHE": str(modules),
        "GOCACHE": str(compiled),
        # Go makes module files read-only, which nobody could delete from a cache.
        "GOFLAGS": f"{context.setting('GOFLAGS')} -modcacherw".strip(),
        "GOOS": context.target.os,
        "GOARCH": context.target.arch,
        "CGO_ENABLED": context.setting("CGO_ENABLED", "0"),
        **_variant(context),
    }


def _variant(context: BuildContext) -> Mapping[str, str]:
    variant = context.target.variant
    return {"GOARM": variant.removeprefix("v")} if context.target.arch == "arm" and variant else {}


def _bound(folder: Path) -> None:
    """Go drops entries that were not used for days; a cache that grew beyond all measure is begun anew."""
    size = sum(Path(parent, name).lstat().st_size for parent, _, names in os.walk(folder) for name in names)
    if size > MAX_BUILD_CACHE:
        output.step(f"The build cache is begun anew: it had grown beyond {MAX_BUILD_CACHE >> 30} GiB")
        shutil.rmtree(folder)
        folder.mkdir()
