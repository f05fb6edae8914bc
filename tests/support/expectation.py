"""What a sample is expected to do, as values: its `expect.toml`, read strictly. samples/README.md tells the keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile
from pybuild.spec import toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.spec.toml import Table

# Every key that may stand in a table; the test of samples/README.md reads it too.
KEYS: Mapping[str, tuple[str, ...]] = {
    "": ("services", "build", "run", "http", "rebuild", "change", "process"),
    "build": ("env", "output", "buildpacks", "processes"),
    "run": ("env", "read-only", "logs", "stop-seconds"),
    "http": ("path", "method", "form", "headers", "status", "contains", "lacks", "type"),
    "rebuild": ("output", "reused"),
    "change": ("file", "find", "replace", "reused", "http"),
    "process": ("type", "args", "status", "contains"),
}
SERVICES = ("mariadb",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request and what its answer must be. `form`: None to send no body. `type`: "" for any."""

    path: str = "/"
    method: str = "GET"
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str]
    status: int = 200
    contains: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    type: str = ""

    @classmethod
    def read(cls, table: Table) -> Self:
        _check_keys(table, "http")
        form = _strings(table, "form") if "form" in table else None
        return cls(
            path=table.text("path", "/"),
            method=table.text("method", "GET" if form is None else "POST"),
            form=form,
            headers=_strings(table, "headers"),
            status=table.integer("status", 200),
            contains=table.texts("contains"),
            lacks=table.texts("lacks"),
            type=table.text("type"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One edit of the app, and what the build after it makes."""

    file: str
    find: str
    replace: str
    reused: tuple[str, ...]
    requests: tuple[Request, ...]

    @classmethod
    def read(cls, table: Table) -> Self:
        _check_keys(table, "change")
        return cls(
            file=table.needed("file"),
            find=table.needed("find"),
            replace=table.text("replace"),
            reused=table.texts("reused"),
            requests=tuple(map(Request.read, table.tables("http"))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRun:
    """Another process type, run to its end."""

    type: str
    args: tuple[str, ...] = ()
    status: int = 0
    contains: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: Table) -> Self:
        _check_keys(table, "process")
        return cls(
            type=table.needed("type"),
            args=table.texts("args"),
            status=table.integer("status"),
            contains=table.texts("contains"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A whole file. `build_…`, `run_…` and `rebuild_…` are the keys of those tables."""

    services: tuple[str, ...]
    build_env: Mapping[str, str]
    build_output: tuple[str, ...]
    build_buildpacks: tuple[str, ...]
    build_processes: tuple[str, ...]
    run_env: Mapping[str, str]
    run_read_only: bool
    run_logs: tuple[str, ...]
    run_stop_seconds: int
    requests: tuple[Request, ...]
    rebuild_output: tuple[str, ...]
    rebuild_reused: tuple[str, ...]
    change: Change | None
    processes: tuple[ProcessRun, ...]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises `InvalidFile` for a key that the schema does not have, a wrong type, an unknown service."""
        table = toml.load(file.read_bytes(), file=f"{file.parent.name}/{file.name}")
        _check_keys(table, "")
        build, run, rebuild = (_section(table, name) for name in ("build", "run", "rebuild"))
        change = table.optional_table("change")
        services = table.texts("services")
        for service in services:
            if service not in SERVICES:
                raise InvalidFile(f"{table.place('services')}: expected one of {SERVICES}, found {service!r}")
        return cls(
            services=services,
            build_env=_strings(build, "env"),
            build_output=build.texts("output"),
            build_buildpacks=build.texts("buildpacks"),
            build_processes=build.texts("processes"),
            run_env=_strings(run, "env"),
            run_read_only=run.flag("read-only"),
            run_logs=run.texts("logs"),
            run_stop_seconds=run.integer("stop-seconds", 5),
            requests=tuple(map(Request.read, table.tables("http"))),
            rebuild_output=rebuild.texts("output"),
            rebuild_reused=rebuild.texts("reused"),
            change=None if change is None else Change.read(change),
            processes=tuple(map(ProcessRun.read, table.tables("process"))),
        )


def _section(table: Table, name: str) -> Table:
    section = table.table(name)
    _check_keys(section, name)
    return section


def _strings(table: Table, key: str) -> dict[str, str]:
    inner = table.table(key)
    return {name: inner.text(name) for name in inner}


def _check_keys(table: Table, name: str) -> None:
    for key in table:
        if key not in KEYS[name]:
            raise InvalidFile(f"{table.place(key)}: expected one of {', '.join(KEYS[name])}")
