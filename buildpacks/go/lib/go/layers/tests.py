"""Layer `tests`, in images for the execution environment `test`: each package's tests, compiled, and what runs them.

Compiled tests need no toolchain in the image. Each runs in its package's folder, as `go test` would have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from go.layers import programs
from pybuild.libcnb import command, output, test_runner
from pybuild.libcnb.layers import Types, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from go.layers.toolchain import Toolchain
    from pybuild.libcnb.context import BuildContext

RUNNER = "go-test"

_FORMAT = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Dir}}{{end}}"


def build(
    context: BuildContext,
    toolchain: Toolchain,
    patterns: Sequence[str],
    folder: Path,
    environ: Mapping[str, str],
) -> bool:
    """Compile the tests of these packages. False when there are none. Raises a `Problem`."""
    rows = command.read([toolchain.go, "list", "-f", _FORMAT, *patterns], environ=environ, cwd=folder)
    found = [line.split("\t") for line in rows.splitlines() if line]
    if not found:
        return False
    layer = context.layers.fresh_layer("tests", Types(launch=True))
    compiled = []
    with output.timed(f"Compiled the tests of {len(found)} package{'s' if len(found) > 1 else ''}"):
        for number, (path, place) in enumerate(found):
            program = layer.path / f"tests/{number:03}.test"
            words: list[str | Path] = [
                toolchain.go,
                "test",
                "-c",
                "-trimpath",
                "-buildvcs=false",
                "-o",
                program,
                path,
            ]
            programs.GO.run(words, folder, environ)
            compiled.append((path, place, str(program)))
    write_file(layer.path / "bin" / RUNNER, test_runner.script(compiled), mode=0o755)
    return True
