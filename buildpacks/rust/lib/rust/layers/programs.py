"""Layer `programs`: the app's binaries, from what Cargo has compiled."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pybuild.libcnb import output
from pybuild.libcnb.build_tool import BuildTool
from pybuild.libcnb.layers import Types
from rust import errors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pybuild.libcnb.context import BuildContext
    from pybuild.libcnb.layers import Layer
    from rust.layers.toolchain import Toolchain
    from rust.manifest import Manifest
    from rust.workspace import Program

ARGUMENTS = "BP_CARGO_BUILD_ARGS"
CARGO = BuildTool(
    name="Cargo",
    again="cargo build --release --locked",
    remedies=(
        (
            r"lock file .* needs to be updated|cannot update the lock file",
            "Run `cargo build` on your machine and commit Cargo.lock.",
        ),
        (
            r"requires rustc \d|is not supported by the following package|edition20\d\d. is required|feature `edition20",
            "A package needs a newer Rust than the one above: set BP_RUST_TOOLCHAIN, or pin an older version of the package.",
        ),
        (
            r"failed to (?:get|download|fetch)|Could not resolve host|SSL|timed out|spurious network error",
            "Check that the build can reach the crate registry, through a proxy if it needs one.",
        ),
        (
            r"could not read Username|Authentication failed|Repository not found",
            "For a private repository, add a binding of type git-credentials.",
        ),
        (
            r"linking with `cc` failed|unable to find library|pkg-config|could not find system library",
            "A crate needs a C library: install its -dev package for the build and the library for the image, with an Aptfile.",
        ),
    ),
)


def build(
    context: BuildContext,
    toolchain: Toolchain,
    manifest: Manifest,
    found: Sequence[Program],
    environ: Mapping[str, str],
) -> tuple[Layer, tuple[Program, ...]]:
    """Compile, and copy what came of it: the layer, and the programs in it. Raises a `Problem`."""
    words = ["--release", *(["--locked"] if manifest.locked else []), *context.words(ARGUMENTS)]
    for package in sorted({program.package for program in found}):
        words += ["--package", package]
    results = Path(environ["CARGO_TARGET_DIR"]) / "release"
    # What is there afterwards was built now; a program whose features are not switched on is not.
    for program in found:
        (results / program.name).unlink(missing_ok=True)
    with output.timed("Compiled"):
        CARGO.run([toolchain.cargo, "build", "--bins", *words], context.app, environ)
    layer = context.layers.fresh_layer("programs", Types(launch=True, build=True))
    (layer.path / "bin").mkdir()
    made = tuple(program for program in found if (results / program.name).is_file())
    for program in made:
        shutil.copy(results / program.name, layer.path / "bin" / program.name)
    if not made:
        raise errors.no_programs([program.package for program in found])
    return layer, made
