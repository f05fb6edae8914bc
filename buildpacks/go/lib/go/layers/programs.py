"""Layer `programs`: the app's binaries, linked anew by every build from what the build cache has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from go import contents, settings
from pybuild.libcnb import output
from pybuild.libcnb.build_tool import BuildTool
from pybuild.libcnb.layers import Types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from go.layers.toolchain import Toolchain
    from go.targets import Package
    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer

GO = BuildTool(
    name="Go",
    again="go build ./...",
    remedies=(
        (
            r"missing go\.sum entry|updates to go\.(?:mod|sum) needed",
            "Run `go mod tidy` and commit go.mod and go.sum.",
        ),
        (r"inconsistent vendoring", "Run `go mod vendor` and commit the folder vendor, or delete it."),
        (
            r"requires go >= |toolchain not available",
            "The Go of this build is too old for the module or a dependency: unset BP_GO_VERSION, or raise it and the go line.",
        ),
        (
            r"could not read Username|terminal prompts disabled|Authentication failed|410 Gone|404 Not Found|Repository not found",
            "For a private module, set GOPRIVATE to its path and add a binding of type git-credentials.",
        ),
        (
            r"build constraints exclude all Go files|requires cgo|C source files not allowed|undefined: _?C",
            "A package needs C: set CGO_ENABLED=1.",
        ),
        (
            r"dial tcp|i/o timeout|connection refused|no such host|certificate signed by unknown",
            "Check that the build can reach the module proxy (GOPROXY), through a proxy if it needs one.",
        ),
    ),
)


def build(
    context: BuildContext,
    toolchain: Toolchain,
    programs: Sequence[Package],
    folder: Path,
    environ: Mapping[str, str],
) -> Layer:
    """Compile and link. Raises a `Problem`."""
    layer = context.layers.fresh_layer("programs", Types(launch=True, build=True))
    target = layer.path / "bin"
    target.mkdir()
    words: list[str | Path] = [toolchain.go, "build", *settings.build_words(context), "-o", f"{target}/"]
    with output.timed(f"Built {', '.join(program.program for program in programs)}"):
        GO.run([*words, *(program.path for program in programs)], folder, environ)
    context.sbom(layer, contents.components(toolchain.go, sorted(target.iterdir()), environ))
    return layer
