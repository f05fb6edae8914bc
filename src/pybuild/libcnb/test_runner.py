"""The program of a process `test` where tests are compiled: runs them all, each in its folder, and says which failed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = """\
#!/usr/bin/env bash
# Runs every test program, each in its folder; further words go to all of them. Ends with 1 if one failed.
status=0
check() {
    local name=$1 folder=$2 program=$3
    shift 3
    if (cd "$folder" && "$program" "$@"); then echo "ok    $name"; else echo "FAIL  $name"; status=1; fi
}
"""


def script(tests: Iterable[tuple[str, str, str]]) -> str:
    """The program's text. `tests`: name, folder and path of each test program."""
    lines = "".join(f'check {shlex.join(test)} "$@"\n' for test in tests)
    return f"{_HEAD}{lines}exit $status\n"
