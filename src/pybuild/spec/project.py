"""project.toml: what an app's repository says about how it is built, in the schema versions 0.1 to 0.3.

The file comes with the app, so it may be a stranger's. Specification: project descriptor (PRJ-01 to PRJ-12);
`[io.buildpacks.pybuild]` is our own table: `workspace = "/var/www"` says where the app lives, `ignore-files = [".gitignore"]` what else is left out.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from pybuild.errors import InvalidFile, InvalidInput
from pybuild.spec import toml
from pybuild.spec.environ import check_user_variable
from pybuild.spec.names import check_id, check_version
from pybuild.spec.order import read_exec_envs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.spec.toml import Table

SCHEMAS = ("0.1", "0.2", "0.3")
RESERVED_FOLDERS = (
    "/cnb",
    "/layers",
    "/platform",
    "/proc",
    "/sys",
    "/dev",
    "/etc",
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
)
"""Where no app may live: they belong to the lifecycle or the operating system."""

_ABOUT = {"id", "name", "version", "authors", "licenses", "documentation-url", "source-url"}
_ENTRY = {"id", "version", "uri", "script", "exec-env", "optional"}
_MOST_PATTERNS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A build script inside project.toml. `api`: the Buildpack API that it follows."""

    api: str
    inline: str
    shell: str = "/bin/sh"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupEntry:
    """One buildpack of a group: `id` with an optional `version`, or `uri`, or `script`. `exec_envs` empty: all."""

    id: str = ""
    version: str = ""
    uri: str = ""
    script: Script | None = None
    exec_envs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvVar:
    """One build-time variable. `exec_envs` empty: all."""

    name: str
    value: str
    exec_envs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project descriptor. `warnings`: sentences for the user, about keys that mean nothing in its schema.

    `group` empty: the builder's order counts. `workspace` "": the platform's default. `ignore_files`: names of files in
    the app, such as `.gitignore`, that say what else is left out.
    """

    schema: str = ""
    id: str = ""
    name: str = ""
    version: str = ""
    authors: tuple[str, ...] = ()
    documentation_url: str = ""
    source_url: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    builder: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    group: tuple[GroupEntry, ...] = ()
    pre: tuple[GroupEntry, ...] = ()
    post: tuple[GroupEntry, ...] = ()
    variables: tuple[EnvVar, ...] = ()
    workspace: str = ""
    ignore_files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def read(cls, data: bytes, file: str = "project.toml") -> Self:
        """The descriptor in `data`. Raises `InvalidFile`, naming file and key."""
        document = toml.load(data, file=file)
        declared = document.table("_").text("schema-version")
        if declared and declared not in SCHEMAS:
            raise InvalidFile(
                f"{document.table('_').place('schema-version')}: {declared[:40]!r} is not supported",
                hint=f"write one of {', '.join(SCHEMAS)}",
            )
        schema = declared or "0.1"
        fields = _read_first(document) if schema == "0.1" else _read_second(document)
        if fields["include"] and fields["exclude"]:
            raise InvalidFile(f"{file}: include and exclude: expected one of them, found both")
        warnings = _unknown(fields.pop("unknown"), schema, file)
        if not declared:
            text = f"No schema version declared in {file}, defaulting to schema version 0.1"
            warnings = (text, *warnings)
        return cls(schema=schema, warnings=warnings, **fields)

    @property
    def env(self) -> dict[str, str]:
        """The build-time variables for production."""
        return self.environ()

    def environ(self, exec_env: str = "production") -> dict[str, str]:
        """The build-time variables for one execution environment; the last of a name counts."""
        return {
            each.name: each.value
            for each in self.variables
            if not each.exec_envs or exec_env in each.exec_envs
        }


def check_workspace(text: str, where: str) -> str:
    """`text` as the folder where the app lives in containers: absolute, normalised. Raises `InvalidInput`."""
    path = posixpath.normpath(text) if text.startswith("/") and text.isprintable() else ""
    if path in ("", "/", "//") or ".." in text.split("/") or any(char in text for char in ":,"):
        raise InvalidInput(
            f"{where}: {text!r} cannot hold the app: expected an absolute path such as /workspace"
        )
    if any(path == folder or path.startswith(f"{folder}/") for folder in RESERVED_FOLDERS):
        raise InvalidInput(
            f"{where}: {text!r} cannot hold the app: it belongs to the system or the lifecycle"
        )
    return path


def _read_first(document: Table) -> dict[str, Any]:
    """Schema 0.1: `[project]`, `[build]`, `[metadata]`."""
    project, build = document.table("project"), document.table("build")
    unknown = [*_others(document, {"_", "project", "build", "metadata"})]
    unknown += [f"project.{key}" for key in _others(project, _ABOUT)]
    unknown += [
        f"build.{key}" for key in _others(build, {"include", "exclude", "buildpacks", "env", "builder"})
    ]
    return {
        **_about(project),
        "metadata": document.table("metadata").raw(),
        "builder": build.text("builder"),
        "include": _patterns(build, "include"),
        "exclude": _patterns(build, "exclude"),
        "group": tuple(map(_entry, build.tables("buildpacks"))),
        "variables": tuple(map(_variable, build.tables("env"))),
        "unknown": unknown,
    }


def _read_second(document: Table) -> dict[str, Any]:
    """Schemas 0.2 and 0.3: `[_]`, `[io.buildpacks]`; other reverse domains are other tools' business (PRJ-04)."""
    about, ours = document.table("_"), document.table("io").table("buildpacks")
    build, extra = ours.table("build"), ours.table("pybuild")
    groups = {key: ours.table(key).tables("group") for key in ("pre", "post")}
    known = {
        "schema-version",
        "builder",
        "include",
        "exclude",
        "group",
        "pre",
        "post",
        "build",
        "env",
        "pybuild",
    }
    unknown = [f"_.{key}" for key in _others(about, _ABOUT | {"schema-version", "metadata"})]
    unknown += [f"io.buildpacks.{key}" for key in _others(ours, known)]
    unknown += [f"io.buildpacks.build.{key}" for key in _others(build, {"env"})]
    unknown += [f"io.buildpacks.pybuild.{key}" for key in _others(extra, {"workspace", "ignore-files"})]
    unknown += [key for key in ("project", "build") if key in document]
    for group in (*ours.tables("group"), *groups["pre"], *groups["post"]):
        unknown += [f"{group.path}.{key}" for key in _others(group, _ENTRY)]
    workspace = extra.text("workspace")
    return {
        **_about(about),
        "metadata": about.table("metadata").raw(),
        "builder": ours.text("builder"),
        "include": _patterns(ours, "include"),
        "exclude": _patterns(ours, "exclude"),
        "group": tuple(map(_entry, ours.tables("group"))),
        "pre": tuple(map(_entry, groups["pre"])),
        "post": tuple(map(_entry, groups["post"])),
        # `env.build` is what 0.2 said first; `build.env` came later and counts more.
        "variables": tuple(map(_variable, (*ours.table("env").tables("build"), *build.tables("env")))),
        "workspace": _workspace(workspace, extra) if workspace else "",
        "ignore_files": extra.texts("ignore-files"),
        "unknown": unknown,
    }


def _about(table: Table) -> dict[str, Any]:
    for entry in table.tables("licenses"):
        if not entry.text("type") and not entry.text("uri"):
            raise InvalidFile(f"{entry.place()}: expected type or uri, found neither")
    return {
        "id": table.text("id"),
        "name": table.text("name"),
        "version": table.text("version"),
        "authors": table.texts("authors"),
        "documentation_url": table.text("documentation-url"),
        "source_url": table.text("source-url"),
    }


def _entry(table: Table) -> GroupEntry:
    script = table.optional_table("script")
    entry = GroupEntry(
        id=check_id(table.text("id"), table.place("id")) if table.text("id") else "",
        version=check_version(table.text("version"), table.place("version")),
        uri=table.text("uri"),
        script=_script(script) if script is not None else None,
        exec_envs=read_exec_envs(table),
    )
    given = [key for key in ("version", "uri", "script") if key in table]
    if len(given) > 1:
        raise InvalidFile(
            f"{table.place()}: expected one of version, uri and script, found {' and '.join(given)}"
        )
    if not entry.id and not entry.uri:
        raise InvalidFile(f"{table.place()}: expected id or uri, found neither")
    return entry


def _script(table: Table) -> Script:
    shell = table.text("shell") or "/bin/sh"
    # It becomes the first line of a file.
    if not shell.startswith("/") or not shell.isprintable():
        raise InvalidFile(
            f"{table.place('shell')}: expected the absolute path of a program, found {shell!r:.80}"
        )
    return Script(api=table.needed("api"), inline=table.needed("inline"), shell=shell)


def _variable(table: Table) -> EnvVar:
    variable = EnvVar(name=table.text("name"), value=table.text("value"), exec_envs=read_exec_envs(table))
    try:
        check_user_variable(variable.name, variable.value)
    except InvalidInput as exc:
        raise InvalidFile(f"{table.place('name')}: {exc}") from exc
    return variable


def _patterns(table: Table, key: str) -> tuple[str, ...]:
    found = table.texts(key)
    if len(found) > _MOST_PATTERNS or any(len(pattern) > 4096 for pattern in found):
        raise InvalidFile(
            f"{table.place(key)}: expected at most {_MOST_PATTERNS} patterns of at most 4096 characters"
        )
    return found


def _workspace(text: str, table: Table) -> str:
    try:
        return check_workspace(text, table.place("workspace"))
    except InvalidInput as exc:
        raise InvalidFile(str(exc)) from exc


def _others(table: Table, known: set[str]) -> list[str]:
    return [key for key in table if key.casefold() not in known]


def _unknown(keys: list[str], schema: str, file: str) -> tuple[str, ...]:
    if not keys:
        return ()
    listed = ", ".join(sorted(set(keys))[:20])
    return (f"The following keys declared in {file} are not supported in schema version {schema}: {listed}",)
