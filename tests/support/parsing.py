"""What property tests of parsers share: inputs to try, and which modules were at work on them."""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from pybuild.errors import PybuildError
from pybuild.libcnb.problem import Problem
from support.fuzzing import mutated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import FrameType

    from support.fuzzing import Target

DECLARED = (PybuildError, Problem)
"""All that a parser may raise."""
_SCRATCH = re.compile(rf"{re.escape(tempfile.gettempdir())}/tmp\w+")
_PARSING = frozenset({"loads", "fromstring", "fullmatch", "match", "finditer", "findall"})


def inputs(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Any bytes, any text, and what comes of changing bytes that mean something."""
    changed = st.builds(mutated, st.sampled_from(seeds), st.just(seeds), st.randoms(use_true_random=False))
    return st.one_of(changed, changed, st.text(max_size=80).map(str.encode), st.binary(max_size=80))


def outcome(read: Callable[[bytes], object], data: bytes) -> object:
    """What comes of reading: the value, or the kind of the error and its text, which must be one sentence."""
    try:
        return read(data)
    except DECLARED as exc:
        text = _SCRATCH.sub("scratch", str(exc))
        assert text.strip()
        assert len(text) <= 5000
        return type(exc), text


@contextmanager
def at_work(root: Path) -> Iterator[set[Path]]:
    """The modules below `root` of which a function runs while the block lasts."""
    seen: set[str] = set()
    found: set[Path] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name != "<module>":
            seen.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(before)
        found |= {path.relative_to(root) for path in map(Path, seen) if path.is_relative_to(root)}


def read_all(readers: Iterable[tuple[Callable[[bytes], object], Sequence[bytes]]], root: Path) -> set[Path]:
    """The modules below `root` that are at work when all seeds are read."""
    with at_work(root) as found:
        for read, seeds in readers:
            for seed in seeds:
                with suppress(*DECLARED):
                    read(seed)
    return found


def parsers(root: Path) -> set[Path]:
    """The modules below `root` that take texts or bytes apart: they call what does."""
    return {path.relative_to(root) for path in sorted(root.rglob("*.py")) if _takes_apart(path)}


def _takes_apart(path: Path) -> bool:
    calls = (node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    names = {each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in calls}
    return bool(names & _PARSING)


def check_coverage(readers: Iterable[Target], elsewhere: Mapping[str, Sequence[str]], root: Path) -> None:
    """Each parser below `root` is at work when the readers read their seeds, or stands in `elsewhere`, and nothing else does."""
    there = parsers(root)
    excused = {Path(path) for paths in elsewhere.values() for path in paths}
    at_work = read_all([(target.read, target.seeds) for target in readers], root)

    assert sorted(map(str, there - at_work - excused)) == []
    assert sorted(map(str, excused - there)) == []
