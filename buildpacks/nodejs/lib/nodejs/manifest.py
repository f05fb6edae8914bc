"""What package.json and its neighbours say: scripts, packages, engines, which tool locks the packages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

from nodejs import errors
from pybuild.libcnb.app_files import AppFiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE = "package.json"
FILES = AppFiles(128, errors.unreadable)

Tool = Literal["npm", "pnpm", "yarn"]

LOCKS: dict[str, Tool] = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
}
INSTALL_SCRIPTS = ("preinstall", "install", "postinstall", "prepare")
_MANAGER = re.compile(
    r"(?P<tool>\w+)@(?P<version>\d+\.\d+\.\d+[\w.-]*)(?:\+(?P<algorithm>\w+)\.(?P<digest>[0-9a-f]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manager:
    """The field `packageManager`: `digest` as in `sha512:…`, empty when it names none."""

    tool: Tool
    version: str
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """package.json. `dependencies`: what the app needs when it runs, name → range; `dev`: what only its developers need.

    `workspaces`: it is the root of several packages. `allows_scripts`: it says which packages may run scripts.
    """

    exists: bool = False
    name: str = ""
    version: str = ""
    scripts: Mapping[str, str] = field(default_factory=dict)
    dependencies: Mapping[str, str] = field(default_factory=dict)
    dev: Mapping[str, str] = field(default_factory=dict)
    engines: Mapping[str, str] = field(default_factory=dict)
    manager: Manager | None = None
    workspaces: bool = False
    allows_scripts: bool = False
    main: str = ""

    @property
    def packages(self) -> frozenset[str]:
        """The names of all packages that it asks for."""
        return frozenset([*self.dependencies, *self.dev])

    @property
    def installs(self) -> tuple[str, ...]:
        """Its scripts that belong to an installation, in the order they are run."""
        return tuple(name for name in INSTALL_SCRIPTS if name in self.scripts)

    @classmethod
    def read(cls, app: Path) -> Self:
        """The app's package.json, an empty one when there is none. Raises a `Problem`."""
        file = app / FILE
        if not file.is_file():
            return cls()
        value = FILES.json_object(file)
        return cls(
            exists=True,
            name=_text(value, "name"),
            version=_text(value, "version"),
            scripts=_texts(value, "scripts"),
            dependencies={**_texts(value, "optionalDependencies"), **_texts(value, "dependencies")},
            dev=_texts(value, "devDependencies"),
            engines=_texts(value, "engines"),
            manager=_manager(_text(value, "packageManager")),
            workspaces="workspaces" in value or _has_pnpm_packages(app / "pnpm-workspace.yaml"),
            allows_scripts="allowScripts" in value,
            main=_text(value, "main"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """`file`: the lock file's name, empty when there is none. `data`: its bytes."""

    tool: Tool
    file: str = ""
    data: bytes = b""

    @classmethod
    def read(cls, app: Path, manifest: Manifest) -> Self:
        """What locks the app's packages. Raises a `Problem` when two tools claim to."""
        found = [name for name in LOCKS if (app / name).is_file()]
        if manifest.manager:
            tool = manifest.manager.tool
            found = [name for name in found if LOCKS[name] == tool]
        elif len({LOCKS[name] for name in found}) > 1:
            raise errors.several_locks(tuple(found))
        elif not found and any((app / name).is_file() for name in ("bun.lock", "bun.lockb")):
            raise errors.bun()
        else:
            tool = LOCKS[found[0]] if found else "npm"
        if not found:
            return cls(tool=tool)
        return cls(tool=tool, file=found[0], data=FILES.data(app / found[0]))

    @property
    def is_modern_yarn(self) -> bool:
        """Whether Yarn 2 or newer has written it."""
        return self.file == "yarn.lock" and b"\n__metadata:" in self.data[:4096]


def _manager(text: str) -> Manager | None:
    found = _MANAGER.fullmatch(text.strip())
    if not found:
        if text:
            raise errors.bad_manager(text)
        return None
    if found["tool"] not in ("npm", "pnpm", "yarn"):
        raise errors.bun() if found["tool"] == "bun" else errors.bad_manager(text)
    tool: Tool = found["tool"]  # type: ignore[assignment] # one of these, as was just seen
    digest = f"{found['algorithm']}:{found['digest']}" if found["algorithm"] in ("sha256", "sha512") else ""
    return Manager(tool=tool, version=found["version"], digest=digest)


def _has_pnpm_packages(file: Path) -> bool:
    # From pnpm 10 on it is also where the settings of a single package stand.
    return file.is_file() and re.search(rb"^packages\s*:", FILES.data(file), re.MULTILINE) is not None


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    return found if isinstance(found, str) else ""


def _texts(value: Mapping[str, Any], key: str) -> dict[str, str]:
    found = value.get(key)
    return (
        {name: text for name, text in found.items() if isinstance(text, str)}
        if isinstance(found, dict)
        else {}
    )
