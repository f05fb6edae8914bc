"""expect.toml of a buildpack's test: what is given to it, and what it should do.

The format is pybuild's own: docs/reference/buildpack-tests.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self, get_args

from pybuild.errors import InvalidFile
from pybuild.spec import toml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pybuild.spec.toml import Table

Outcome = Literal["pass", "fail", "error"]
_KEYS = (
    "detect",
    "build",
    "output",
    "no-output",
    "provides",
    "requires",
    "required-by-others",
    "provided-by-others",
    "exec-env",
    "env",
    "bindings",
    "target",
    "processes",
    "labels",
    "layers",
    "files",
    "rebuild",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedProcess:
    """A process that must be there. `command`, `default`: None where it does not matter."""

    type: str
    command: tuple[str, ...] | None = None
    default: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedLayer:
    """A layer that must be there. `types`: those that are stated; `files`: paths in it; `env`: its files by path."""

    name: str
    types: Mapping[str, bool] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str, table: Table) -> Self:
        """From `[layers.NAME]`."""
        table.only("launch", "build", "cache", "files", "env")
        env = table.table("env")
        return cls(
            name=name,
            types={key: table.flag(key) for key in ("launch", "build", "cache") if key in table},
            files=table.texts("files"),
            env={key: env.text(key) for key in env},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Texts that must stand in what the buildpack writes, and those that must not."""

    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    @classmethod
    def read(cls, table: Table) -> Self:
        """From `output` and `no-output`."""
        return cls(present=table.texts("output"), absent=table.texts("no-output"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixture:
    """One test. `env`, `bindings` (each a mapping of its files), `target` and `exec_env` are given to the buildpack.

    `provides`, `requires`: names in its plan, None where they do not matter. `required_by_others`,
    `provided_by_others`: what other buildpacks of the group are made to require and provide. `files`: paths in the app
    after the build. `rebuild`: what a second build must write, which has the layers of the first; None for none.
    """

    detect: Outcome = "pass"
    build: Outcome = "pass"
    words: Words = field(default_factory=Words)
    provides: tuple[str, ...] | None = None
    requires: tuple[str, ...] | None = None
    required_by_others: tuple[str, ...] = ()
    provided_by_others: tuple[str, ...] = ()
    exec_env: str = "production"
    env: Mapping[str, str] = field(default_factory=dict)
    bindings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    target: Mapping[str, str] = field(default_factory=dict)
    processes: tuple[ExpectedProcess, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[ExpectedLayer, ...] = ()
    files: tuple[str, ...] = ()
    rebuild: Words | None = None

    @classmethod
    def read(cls, data: bytes, file: str) -> Self:
        """From the file's content; raises `InvalidFile` with the place."""
        table = toml.load(data, file=file).only(*_KEYS)
        rebuild = table.optional_table("rebuild")
        return cls(
            detect=_outcome(table, "detect"),
            build=_outcome(table, "build"),
            words=Words.read(table),
            provides=table.texts("provides") if "provides" in table else None,
            requires=table.texts("requires") if "requires" in table else None,
            required_by_others=table.texts("required-by-others"),
            provided_by_others=table.texts("provided-by-others"),
            exec_env=table.text("exec-env") or "production",
            env=_texts(table.table("env")),
            bindings={name: _texts(each) for name, each in table.table("bindings").children()},
            target=_texts(table.table("target").only("os", "arch", "variant", "distro", "distro-version")),
            processes=tuple(map(_process, table.tables("processes"))),
            labels=_texts(table.table("labels")),
            layers=tuple(ExpectedLayer.read(name, each) for name, each in table.table("layers").children()),
            files=table.texts("files"),
            rebuild=Words.read(rebuild.only("output", "no-output")) if rebuild is not None else None,
        )


def _outcome(table: Table, key: str) -> Outcome:
    text = table.text(key) or "pass"
    for each in get_args(Outcome):
        if text == each and not (key == "build" and text == "error"):
            outcome: Outcome = each
            return outcome
    expected = "pass, fail or error" if key == "detect" else "pass or fail"
    raise InvalidFile(f"{table.place(key)}: expected {expected}, found {text[:100]!r}")


def _texts(table: Table) -> dict[str, str]:
    return {key: table.text(key) for key in table}


def _process(table: Table) -> ExpectedProcess:
    table.only("type", "command", "default")
    return ExpectedProcess(
        type=table.needed("type"),
        command=table.texts("command") if "command" in table else None,
        default=table.flag("default") if "default" in table else None,
    )
