"""What a sample is expected to do, as values: its `expect.toml`, read strictly. samples/README.md tells the keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile
from pybuild.spec import toml
from support.service_kinds import KINDS as SERVICES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pybuild.spec.toml import Table

# Every key that may stand in a table; the test of samples/README.md reads it too.
KEYS: Mapping[str, tuple[str, ...]] = {
    "": ("services", "build", "image", "run", "http", "rebuild", "change", "dependency", "rebase", "process"),
    "build": ("env", "output", "buildpacks", "processes"),
    "image": ("max-mb", "sbom"),
    "run": ("env", "read-only", "logs", "stop-seconds"),
    "http": ("path", "method", "form", "headers", "status", "contains", "lacks", "type"),
    "rebuild": ("output", "reused", "locked", "offline"),
    "change": ("file", "find", "replace", "edit", "output", "reused", "http"),
    "edit": ("file", "find", "replace"),
    "rebase": ("http",),
    "process": ("type", "args", "status", "contains", "first"),
}


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
class Edit:
    """Every `find` in a file of the app becomes `replace`."""

    file: str
    find: str
    replace: str

    @classmethod
    def read(cls, table: Table) -> Self:
        return cls(file=table.needed("file"), find=table.needed("find"), replace=table.text("replace"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of the app, in one or more files, and what the build after it makes."""

    edits: tuple[Edit, ...]
    output: tuple[str, ...]
    reused: tuple[str, ...]
    requests: tuple[Request, ...]

    @classmethod
    def read(cls, table: Table) -> Self:
        _check_keys(table, "change")
        more = table.tables("edit")
        for each in more:
            _check_keys(each, "edit")
        return cls(
            edits=(Edit.read(table), *map(Edit.read, more)),
            output=table.texts("output"),
            reused=table.texts("reused"),
            requests=tuple(map(Request.read, table.tables("http"))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessRun:
    """Another process type, run to its end. `first`: before the image's default process is asked anything."""

    type: str
    args: tuple[str, ...] = ()
    status: int = 0
    contains: tuple[str, ...] = ()
    first: bool = False

    @classmethod
    def read(cls, table: Table) -> Self:
        _check_keys(table, "process")
        return cls(
            type=table.needed("type"),
            args=table.texts("args"),
            status=table.integer("status"),
            contains=table.texts("contains"),
            first=table.flag("first"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """A whole file. `build_…`, `run_…` and so on are the keys of those tables.

    `max_bytes`: how much larger the image may be than its run image, 0 for any size. `rebase`: requests against the
    image on another run image, None to leave that out.
    """

    services: tuple[str, ...]
    build_env: Mapping[str, str]
    build_output: tuple[str, ...]
    build_buildpacks: tuple[str, ...]
    build_processes: tuple[str, ...]
    max_bytes: int
    sbom: tuple[str, ...]
    run_env: Mapping[str, str]
    run_read_only: bool
    run_logs: tuple[str, ...]
    run_stop_seconds: int
    requests: tuple[Request, ...]
    rebuild_output: tuple[str, ...]
    rebuild_reused: tuple[str, ...]
    rebuild_locked: bool
    rebuild_offline: bool
    change: Change | None
    dependency: Change | None
    rebase: tuple[Request, ...] | None
    processes: tuple[ProcessRun, ...]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Raises `InvalidFile` for a key that the schema does not have, a wrong type, an unknown service."""
        table = toml.load(file.read_bytes(), file=f"{file.parent.name}/{file.name}")
        _check_keys(table, "")
        build, image, run, rebuild = (_section(table, name) for name in ("build", "image", "run", "rebuild"))
        rebase = _section(table, "rebase") if "rebase" in table else None
        services = table.texts("services")
        for service in services:
            if service not in SERVICES:
                raise InvalidFile(
                    f"{table.place('services')}: expected one of {', '.join(SERVICES)}, found {service!r}"
                )
        return cls(
            services=services,
            build_env=_strings(build, "env"),
            build_output=build.texts("output"),
            build_buildpacks=build.texts("buildpacks"),
            build_processes=build.texts("processes"),
            max_bytes=image.integer("max-mb") * 1_000_000,
            sbom=image.texts("sbom"),
            run_env=_strings(run, "env"),
            run_read_only=run.flag("read-only"),
            run_logs=run.texts("logs"),
            run_stop_seconds=run.integer("stop-seconds", 5),
            requests=tuple(map(Request.read, table.tables("http"))),
            rebuild_output=rebuild.texts("output"),
            rebuild_reused=rebuild.texts("reused"),
            rebuild_locked=rebuild.flag("locked"),
            rebuild_offline=rebuild.flag("offline"),
            change=_change(table, "change"),
            dependency=_change(table, "dependency"),
            rebase=None if rebase is None else tuple(map(Request.read, rebase.tables("http"))),
            processes=tuple(map(ProcessRun.read, table.tables("process"))),
        )


def _change(table: Table, name: str) -> Change | None:
    found = table.optional_table(name)
    return None if found is None else Change.read(found)


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
