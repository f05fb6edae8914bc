"""One buildpack's layers directory: made ready before its bin/build, tidied and listed after it.

All of it happens in shell lines, so that what one buildpack needs before and what the previous one needs after
is one round trip. Specification: buildpack.md, "Phase #5: Build" and "Ignored Layers".
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from shlex import quote
from typing import TYPE_CHECKING

from pybuild.errors import InvalidFile
from pybuild.lifecycle.scripts import write_file
from pybuild.spec.environ import BUILD_PATHS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MOMENT = re.compile(rb"([0-9]{1,12})\.([0-9]+) ([0-7]{1,4})")
_TICKS = 20  # of the loop that waits for the clock, each of about a millisecond

# `ignored` renames as rename(2) does: over an empty directory, never into one. Every printed record begins with
# one character that says what it is and ends with a NUL byte.
FUNCTIONS = f"""
ignored() {{
    if [ ! -e "$1" ] && [ ! -L "$1" ]; then return 0; fi
    if [ ! -L "$1.ignore" ]; then rmdir -- "$1.ignore" 2>/dev/null || :; fi
    if [ -e "$1.ignore" ] || [ -L "$1.ignore" ]; then
        printf 'x%s\\0' "$1"
    else
        mv -- "$1" "$1.ignore"
    fi
}}
entries() (
    if [ -L "$1" ]; then printf 'L\\0'; fi
    if [ -L "$1" ] || [ ! -d "$1" ]; then return 0; fi
    cd -- "$1"
    for f in * .*; do
        case $f in .|..) continue;; esac
        if [ -L "$f" ]; then k=l; elif [ -d "$f" ]; then k=d; elif [ -f "$f" ]; then k=f
        elif [ -e "$f" ]; then k=o; else continue; fi
        printf '%s%s\\0' "$k" "$f"
        if [ "$k" = d ]; then
            for r in {" ".join(BUILD_PATHS)}; do
                if [ -e "$f/$r" ]; then printf '/%s/%s\\0' "$f" "$r"; fi
            done
        fi
    done
)
count() {{
    find "$2" ! -path '*/__pycache__/*.pyc*' ! -name __pycache__ -printf . > "$1/count" 2>/dev/null || :
    printf 'c%s\\0' "$(stat -c %s "$1/count")"
}}
moment() {{
    : > "$1/began"
    find "$1/began" "$2" -prune -printf 't%C@ %m\\0' 2>/dev/null || :
}}
pass() {{
    n=0
    while [ "$n" -lt {_TICKS} ]; do
        : > "$1/now"
        if [ -n "$(find "$1/now" -newer "$1/began" 2>&1)" ]; then break; fi
        n=$((n + 1))
    done
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is in a layers directory. `kinds`: f, d, l for a symlink, o for the rest, by name.

    `path_dirs`: which of `BUILD_PATHS` each directory in it has.
    """

    kinds: Mapping[str, str]
    path_dirs: Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a buildpack left when the next one began, by which later changes show.

    `moment`: nanoseconds since 1970: all it wrote has this ctime or an earlier one, what comes later a later one. 0 where
    find is not GNU's; then nothing else is known. `mode`: of its layers directory. `counts`: how many files and folders
    each layer has, by name, without Python's bytecode.
    """

    moment: int = 0
    mode: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


def preparation(directory: str, plan_path: str, plan: str) -> list[str]:
    """The lines that make `directory` and, below a directory of its own in the temporary one, the plan's file."""
    own = plan_path.rpartition("/")[0]
    temporary = own.rpartition("/")[0]
    return [
        f"[ -d {quote(directory)} ] || mkdir -p -- {quote(directory)}",
        f"mkdir -m 700 -- {quote(temporary)} {quote(own)}",
        *write_file(plan_path, plan),
    ]


def leaving(directory: str, layers: Iterable[str], temporary: str) -> tuple[list[str], list[str]]:
    """The lines that tell what a buildpack left in `directory`, for `read_left`: the first and the last of a script.

    The time is that of a new file, and the script ends when files get a later one: the kernel's clock for them ticks every
    few milliseconds, and another one may be ahead of it.
    """
    own = quote(temporary)
    counts = [f"count {own} {quote(f'{directory}/{name}')}" for name in layers]
    return [f"moment {own} {quote(directory)}"], [*counts, f"pass {own}"]


def read_left(said: bytes, layers: Iterable[str]) -> Left:
    """What the lines of `leaving` for these `layers` printed."""
    moments: list[tuple[int, int]] = []
    counts: list[int] = []
    for record in said.split(b"\0"):
        if record[:1] == b"t" and (found := _MOMENT.fullmatch(record[1:])):
            time = int(found[1]) * 1_000_000_000 + int(found[2][:9].ljust(9, b"0"))
            moments.append((time, int(found[3], 8)))
        elif record[:1] == b"c" and record[1:].isdigit():
            counts.append(int(record[1:18]))
    if len(moments) != 2:
        return Left()
    return Left(moment=moments[0][0], mode=moments[1][1], counts=dict(zip(layers, counts, strict=False)))


def tidying(directory: str, ignored: Iterable[str]) -> list[str]:
    """The lines that take layers without any type out of the way and tell what is in `directory` then."""
    return [f"ignored {quote(f'{directory}/{name}')}" for name in ignored] + [f"entries {quote(directory)}"]


def read_found(said: bytes, directory: str) -> Found:
    """What the lines of `tidying` printed. `InvalidFile` when the directory is unfit, or a rename was impossible."""
    kinds: dict[str, str] = {}
    path_dirs: defaultdict[str, set[str]] = defaultdict(set)
    for record in said.decode("utf-8", "surrogateescape").split("\0"):
        match record[:1], record[1:]:
            case ("f" | "d" | "l" | "o") as kind, name:
                kinds[name] = kind
            case "/", name:
                layer, _, path_dir = name.rpartition("/")
                path_dirs[layer].add(path_dir)
            case "L", _:
                raise InvalidFile(f"{directory}: must be a directory, but this is a symbolic link")
            case "x", layer:
                raise InvalidFile(
                    f"{layer}: has no type, so it is renamed to {layer}.ignore, but that exists already",
                    hint=f"have the buildpack remove {layer}.ignore, or give the layer a type",
                )
            case _:
                pass
    return Found(kinds=kinds, path_dirs={layer: frozenset(found) for layer, found in path_dirs.items()})
