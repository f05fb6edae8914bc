"""Layer `tests`, in images for the execution environment `test`: the compiled tests, and what runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild.libcnb import command, output, test_runner
from pybuild.libcnb.layers import Types, write_file
from rust.layers import programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pybuild.libcnb.context import BuildContext
    from rust.layers.toolchain import Toolchain

RUNNER = "cargo-tests"


def build(
    context: BuildContext, toolchain: Toolchain, environ: Mapping[str, str], words: Sequence[str]
) -> bool:
    """Compile the tests of the workspace. False when there are none. Raises a `Problem`."""
    tests: list[str | Path] = [toolchain.cargo, "test", "--no-run", "--workspace", *words]
    with output.timed("Compiled the tests"):
        programs.CARGO.run(tests, context.app, environ)
    # Everything is compiled: asked again, Cargo only tells where.
    told = command.read([*tests, "--message-format=json"], cwd=context.app, environ=environ)
    found = tuple(executables(told))
    if not found:
        return False
    layer = context.layers.fresh_layer("tests", Types(launch=True))
    (layer.path / "tests").mkdir()
    kept = []
    for number, (name, folder, program) in enumerate(found):
        copy = layer.path / f"tests/{number:03}-{name}"
        shutil.copy(program, copy)
        kept.append((name, folder, str(copy)))
    write_file(layer.path / "bin" / RUNNER, test_runner.script(kept), mode=0o755)
    return True


def executables(told: str) -> Iterator[tuple[str, str, str]]:
    """Name, package's folder and path of each test program in Cargo's messages."""
    for line in told.splitlines():
        message: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
        if message.get("executable") and message.get("profile", {}).get("test"):
            folder = str(Path(message["manifest_path"]).parent)
            yield message["target"]["name"], folder, message["executable"]
