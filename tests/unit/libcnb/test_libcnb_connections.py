"""The exec.d program for bound databases, run as the launcher runs it: variables as TOML on file descriptor 3."""

from __future__ import annotations

import os
import subprocess
import tomllib
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pybuild.libcnb.connections import SCRIPT, VARIABLES

if TYPE_CHECKING:
    from pathlib import Path

NASTY = "p'a\"s\\s $HOME%41{r};#&=<>@:/?!`(*)[~]|+,\tÄ"


def bind(root: Path, name: str, **keys: str) -> None:
    (root / "bindings" / name).mkdir(parents=True)
    for key, value in keys.items():
        (root / "bindings" / name / key).write_text(value, "utf-8")


def variables(root: Path, **environ: str) -> dict[str, str]:
    script = root / "exec-d"
    script.write_text(SCRIPT)
    done = subprocess.run(
        ["bash", "-c", 'bash "$0" 3>"$1" >&2', str(script), str(root / "out")],
        env={"PATH": os.environ["PATH"], "SERVICE_BINDING_ROOT": str(root / "bindings"), **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    found = tomllib.loads((root / "out").read_text("utf-8"))
    assert {*found} <= {*VARIABLES}
    return {**found, "stderr": done.stderr}


def test_nothing_is_said_without_bindings(tmp_path: Path) -> None:
    assert variables(tmp_path) == {"stderr": ""}


def test_a_postgresql_binding_reaches_libpq_and_url_readers(tmp_path: Path) -> None:
    bind(tmp_path, "db", type="postgresql", host="pg", username="ada", password=NASTY, database="notes")

    found = variables(tmp_path)

    url = urlsplit(found["DATABASE_URL"])
    assert (url.scheme, url.hostname, url.port, url.path, url.username) == (
        "postgresql",
        "pg",
        5432,
        "/notes",
        "ada",
    )
    assert unquote(url.password or "") == found["PGPASSWORD"] == NASTY
    assert (found["PGHOST"], found["PGPORT"], found["PGDATABASE"], found["PGUSER"]) == (
        "pg",
        "5432",
        "notes",
        "ada",
    )


def test_a_uri_in_the_binding_wins_unless_it_is_for_java(tmp_path: Path) -> None:
    bind(tmp_path, "a", type="postgresql", uri="postgresql://x@y:1/z?sslmode=require", host="y")
    bind(
        tmp_path, "b", type="mysql", uri="jdbc:mysql://y", host="y", username="u", password="p", database="d"
    )

    found = variables(tmp_path, DATABASE_URL="")

    assert found["DATABASE_URL"] == "postgresql://x@y:1/z?sslmode=require"
    assert (found["MYSQL_HOST"], found["MYSQL_USER"]) == ("y", "u")


def test_mysql_and_redis_are_known_by_their_provider_too(tmp_path: Path) -> None:
    bind(tmp_path, "cache", type="our-cache", provider="redis", host="::1", password="s")
    bind(
        tmp_path, "db", type="our-db", provider="MariaDB", host="m", username="u", password="p", database="d"
    )

    found = variables(tmp_path)

    assert found["REDIS_URL"] == "redis://:s@[::1]:6379/"
    assert found["DATABASE_URL"] == "mysql://u:p@m:3306/d"


def test_what_the_user_has_set_stays(tmp_path: Path) -> None:
    bind(tmp_path, "db", type="postgres", host="pg", username="u")

    found = variables(tmp_path, DATABASE_URL="sqlite:///x", PGHOST="other")

    assert {*found} == {"PGPORT", "PGUSER", "stderr"}


def test_a_second_database_of_a_kind_is_mentioned_and_left_out(tmp_path: Path) -> None:
    bind(tmp_path, "a", type="mysql", host="first")
    bind(tmp_path, "b", type="mariadb", host="second")

    found = variables(tmp_path)

    assert found["MYSQL_HOST"] == "first"
    assert "more than one binding" in found["stderr"]
