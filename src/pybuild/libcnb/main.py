"""Where a buildpack's programs begin and end: context in, plan or layers out, exit codes, errors in full.

Buildpack API, "Detection": 0 passes, 100 fails, anything else is an error. "Build": 0 succeeds.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybuild.errors import PybuildError
from pybuild.libcnb.context import BuildContext, DetectContext
from pybuild.libcnb.layers import write_file
from pybuild.libcnb.plan import NotForUs, Passed
from pybuild.libcnb.problem import describe
from pybuild.libcnb.resolved import STORE_KEY
from pybuild.spec import toml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

    from pybuild.libcnb.launch import Built

PASS, ERROR, BUG, FAIL = 0, 1, 70, 100


def detect(function: Callable[[DetectContext], Passed | NotForUs]) -> NoReturn:
    """Run `bin/detect`: the whole program. A `PybuildError` is shown and exits with 1, any other with 70."""
    sys.exit(_guarded(lambda: _detect(function)))


def build(function: Callable[[BuildContext], Built]) -> NoReturn:
    """Run `bin/build`: the whole program. A `PybuildError` is shown and exits with 1, any other with 70."""
    sys.exit(_guarded(lambda: _build(function)))


def _detect(function: Callable[[DetectContext], Passed | NotForUs]) -> int:
    context = DetectContext.read(sys.argv, os.environ, Path.cwd())
    answer = function(context)
    if isinstance(answer, NotForUs):
        _say(sys.stdout, f"{answer.reason}\n")
        return FAIL
    write_file(context.plan_path, toml.dumps(answer.table()))
    return PASS


def _build(function: Callable[[BuildContext], Built]) -> int:
    context = BuildContext.read(sys.argv, os.environ, Path.cwd())
    # Where a cache is used in place, those of the last build are still there.
    for old in (*context.layers.path.glob("launch.sbom.*"), *context.layers.path.glob("build.sbom.*")):
        old.unlink()
    built = function(context)
    _write(context.layers.path / "launch.toml", built.launch_table())
    _write(context.layers.path / "build.toml", built.build_table())
    _write(context.layers.path / "store.toml", store_table(context, built))
    context.layers.write()
    context.resolved.show_moves()
    return PASS


def store_table(context: BuildContext, built: Built) -> dict[str, Any]:
    """store.toml: what the buildpack keeps, or kept before, and the versions it chose."""
    kept = dict(context.store if built.store is None else built.store)
    kept.pop(STORE_KEY, None)
    if versions := context.resolved.stored():
        kept[STORE_KEY] = versions
    return {"metadata": kept} if kept else {}


def _write(path: Path, table: Mapping[str, Any]) -> None:
    if table:
        write_file(path, toml.dumps(table))
    else:
        path.unlink(missing_ok=True)


def _guarded(program: Callable[[], int]) -> int:
    try:
        return program()
    except PybuildError as exc:
        sys.stdout.flush()
        _say(sys.stderr, f"\n{describe(exc)}")
        return ERROR
    except KeyboardInterrupt:
        return 130
    except Exception:  # noqa: BLE001 - whatever else happens is a mistake of the buildpack, and is said to be one
        sys.stdout.flush()
        _say(
            sys.stderr,
            f"\nERROR: This buildpack has a bug; please report it with these lines:\n\n{traceback.format_exc()}",
        )
        return BUG


def _say(stream: Any, text: str) -> None:
    stream.write(text)
    stream.flush()
