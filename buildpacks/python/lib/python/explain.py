"""What went wrong with packages, from what uv says: the causes that people meet, each with its way out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pybuild.libcnb import command

if TYPE_CHECKING:
    from pybuild.libcnb.problem import Problem

# What uv's or a build backend's words mean, most telling first.
_CAUSES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        r"network (?:was|is) disabled|Network connectivity is disabled",
        "A package is not in the cache, and the package index cannot be reached",
        ("Build once with a network: the package was not needed before, or not in this version.",),
    ),
    (
        r"The lockfile at .* needs to be updated|lock ?file .*(?:outdated|needs to be updated)",
        "uv.lock is out of date",
        ("Run `uv lock` on your machine, and commit uv.lock.",),
    ),
    (
        r"Hash mismatch|--require-hashes|do not match any of the provided hashes",
        "A package is not the one that was locked",
        (
            "Lock again on your machine and commit the lock file, if a release was replaced on the index.",
            "If it was not, someone may be tampering with the connection or the index.",
        ),
    ),
    (
        r"pg_config",
        "psycopg2 cannot be compiled",
        (
            "Ask for psycopg2-binary instead, which brings PostgreSQL's client library; or for psycopg[binary].",
            "Or add PostgreSQL's headers to the build: libpq-dev in the builder, and libpq5 in the run image.",
        ),
    ),
    (
        r"mysql_config|mysqlclient",
        "mysqlclient cannot be compiled",
        ("Ask for PyMySQL instead, which needs no compiler and no library.",),
    ),
    (
        r"Python\.h: No such file|ffi\.h: No such file|fatal error: \S+\.h: No such file",
        "A package needs headers that the build image does not have",
        (
            "Ask for a version of the package that has a wheel for this Python, so that nothing needs compiling.",
            "Or use a builder that has the package with the header named above.",
        ),
    ),
    (
        r"Git operation failed|failed to (?:clone|fetch) |git.*not found",
        "A package's git repository could not be read",
        ("Check its address, and that the build may read it: credentials go into a binding of type netrc.",),
    ),
    (
        r"401 Unauthorized|403 Forbidden|Missing credentials",
        "A package index does not let the build in",
        (
            "Give the build credentials: a binding of type netrc with a file .netrc, or UV_INDEX with user and password.",
        ),
    ),
    (
        r"Failed to fetch|error sending request|dns error|Connection refused|tcp connect error|timed out",
        "A package index cannot be reached",
        (
            "Check that the build can reach the host above; set http_proxy and https_proxy if it needs a proxy.",
            "Use a mirror inside your network: set UV_DEFAULT_INDEX.",
        ),
    ),
    (
        r"No solution found|unsatisfiable",
        "There are no versions of the packages that go together",
        (
            "Read from the bottom of what is said above: it ends with the two wishes that contradict each other.",
        ),
    ),
)


def uv_failed(failure: command.ToolFailed) -> Problem:
    """The failure with its cause, as far as it is known."""
    for pattern, heading, steps in _CAUSES:
        if re.search(pattern, failure.log, re.IGNORECASE):
            return command.explained(failure, heading, steps=steps)
    return command.explained(
        failure,
        "The packages could not be installed",
        steps=("Read what is said above; installing them on your machine should show the same.",),
    )


def needs_headers(failure: command.ToolFailed) -> bool:
    """Whether a package is being compiled and Python's own headers are missing."""
    return "Python.h" in failure.log
