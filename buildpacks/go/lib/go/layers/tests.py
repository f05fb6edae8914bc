"""Layer `tests`, in images for the execution environment `test`: each package's tests, compiled, and what runs them.

Compiled tests need no toolchain in the image. Each runs in its package's folder, as `go test` would have it.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from go.layers import programs
from pybuild.libcnb import command, output
from pybuild.libcnb.layers import Types, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from go.layers.toolchain import Toolchain
    from pybuild.libcnb.context import BuildContext

RUNNER = "go-test"

_FORMAT = "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}\t{{.Dir}}{{end}}"
_SCRIPT = """\
#!/bin/bash
# Runs every package's tests, each in its folder; further words go to all of them. Ends with 1 if one failed.
status=0
check() {
    local name=$1 folder=$2 program=$3
    shift 3
    if (cd "$folder" && "$program" "$@"); then echo "ok    $name"; else echo "FAIL  $name"; status=1; fi
}
"""


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
    lines = []
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
            programs.run(words, folder, environ)
            lines.append(f'check {shlex.join([path, place, str(program)])} "$@"\n')
    write_file(layer.path / "bin" / RUNNER, f"{_SCRIPT}{''.join(lines)}exit $status\n", mode=0o755)
    return True
