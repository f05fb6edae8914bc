"""Layers from the buildpack's side: what was restored, and if it is not what is wanted, every reason why.

Buildpack API, "Layer Types", "Layer Content Metadata" and "Provided by the Buildpacks". A layer's `<layer>.toml` is
written only when the whole build has succeeded, so a half-made layer never carries the key of a finished one; but for
the caches of tools, which know themselves what they have.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pybuild.errors import InvalidFile
from pybuild.libcnb.moved import moved, versions
from pybuild.spec import toml

if TYPE_CHECKING:
    from pathlib import Path

Value = str | tuple[str, ...]
Key = Mapping[str, Value]
Scope = Literal["all", "build", "launch"]
Operation = Literal["override", "append", "prepend", "default"]

RESUMABLE = "resumable"
"""The metadata by which pybuild keeps a layer of a build that failed."""

_SCOPES = {"all": "env", "build": "env.build", "launch": "env.launch"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Types:
    """Who gets a layer: the app, later buildpacks, the next build."""

    launch: bool = False
    build: bool = False
    cache: bool = False


CACHED = Types(cache=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A folder below `<layers>`. Writing a file that has its content already leaves it untouched."""

    name: str
    path: Path
    types: Types

    def env(
        self,
        variable: str,
        value: str,
        *,
        operation: Operation = "override",
        scope: Scope = "all",
        process: str = "",
        delimiter: str | None = None,
    ) -> None:
        """Write an environment file. `process` narrows scope "launch" to one process type."""
        folder = self.path / _SCOPES[scope] / process
        write_file(folder / f"{variable}.{operation}", value)
        if delimiter is not None:
            write_file(folder / f"{variable}.delim", delimiter)

    def search_path(self, variable: str, *folders: Path, scope: Scope = "all") -> None:
        """Put these folders in front of a variable such as PATH, joined by colons."""
        self.env(variable, ":".join(map(str, folders)), operation="prepend", scope=scope, delimiter=":")

    def exec_d(self, name: str, script: str) -> None:
        """Write an executable that the launcher runs before the app for the variables it prints."""
        write_file(self.path / "exec.d" / name, script, mode=0o755)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The layer is what was asked for and is there, as the last build left it."""

    layer: Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """The layer is an empty folder to fill. `causes`: why nothing could be kept; `old`: the last key, if known."""

    layer: Layer
    causes: tuple[str, ...]
    old: Mapping[str, Value]


class Layers:
    """The layers of one build: remembers what each asked for, and writes it down when the build has succeeded."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tables: dict[str, dict[str, Any]] = {}

    def cached_layer(
        self, name: str, types: Types, *, key: Key, exec_envs: tuple[str, ...] = ()
    ) -> Restored | Empty:
        """The layer if the last build left it under this very key, else an empty folder and all causes."""
        layer = Layer(name=name, path=self.path / name, types=types)
        old, causes = self._judge(layer, key)
        self._remember(layer, {"key": _plain(key), **({"exec-env": list(exec_envs)} if exec_envs else {})})
        if not causes:
            return Restored(layer=layer)
        _empty(layer.path)
        self._unwrite(name)
        return Empty(layer=layer, causes=causes, old=old)

    def fresh_layer(self, name: str, types: Types, *, metadata: Mapping[str, Any] | None = None) -> Layer:
        """A layer written anew by every build."""
        layer = Layer(name=name, path=self.path / name, types=types)
        self._remember(layer, dict(metadata or {}))
        _empty(layer.path)
        self._unwrite(name)
        return layer

    def kept_layer(self, name: str, types: Types) -> Layer:
        """A layer whose content stays whatever it is. One that a failed build has changed does not come back."""
        layer = Layer(name=name, path=self.path / name, types=types)
        self._remember(layer, {})
        layer.path.mkdir(parents=True, exist_ok=True)
        return layer

    def tool_cache(self, name: str, *, key: Key | None = None, types: Types = CACHED) -> Layer:
        """A tool's own cache: whole at any time, and checked by the tool. So what a build that fails has put there stays.

        With a `key`, it is begun anew when that changes. A layer that is launched, too, is a `kept_layer` in this.
        """
        layer = Layer(name=name, path=self.path / name, types=types)
        if key is not None and self._judge(layer, key)[1]:
            _empty(layer.path)
            self._unwrite(name)
        layer.path.mkdir(parents=True, exist_ok=True)
        known = {} if key is None else {"key": _plain(key)}
        self._remember(layer, known if types.launch else {**known, RESUMABLE: True})
        # At once: pybuild looks for it when the build fails.
        write_file(self.path / f"{name}.toml", toml.dumps(self._tables[name]))
        return layer

    def write(self) -> None:
        """Write every `<layer>.toml`, and drop restored layers that this build did not ask for."""
        for file in self.path.glob("*.toml"):
            if file.stem not in self._tables and file.name not in ("launch.toml", "build.toml", "store.toml"):
                file.unlink()
        for name, table in self._tables.items():
            write_file(self.path / f"{name}.toml", toml.dumps(table))

    def _judge(self, layer: Layer, key: Key) -> tuple[Mapping[str, Value], tuple[str, ...]]:
        file = self.path / f"{layer.name}.toml"
        if not file.is_file():
            return {}, ("there is none from an earlier build",)
        try:
            old = _key(toml.load(file.read_bytes(), file=file.name).table("metadata").table("key"))
        except InvalidFile as exc:
            return {}, (f"its record cannot be read: {exc}",)
        causes = differences(old, key)
        # A launch-only layer may be kept without its folder: the lifecycle takes it from the previous image.
        if not causes and not layer.path.is_dir() and (layer.types.build or layer.types.cache):
            causes = ("its folder was not restored",)
        return old, causes

    def _remember(self, layer: Layer, metadata: dict[str, Any]) -> None:
        types = {"launch": layer.types.launch, "build": layer.types.build, "cache": layer.types.cache}
        self._tables[layer.name] = {"types": types, **({"metadata": metadata} if metadata else {})}

    def _unwrite(self, name: str) -> None:
        (self.path / f"{name}.toml").unlink(missing_ok=True)
        for file in self.path.glob(f"{name}.sbom.*"):
            file.unlink()


def differences(old: Mapping[str, Value], new: Mapping[str, Value]) -> tuple[str, ...]:
    """What changed between two keys, as a user would say it; empty when they are the same."""
    if old == new:
        return ()
    found: list[str] = []
    for field in dict.fromkeys([*new, *old]):
        before, after = old.get(field, ""), new.get(field, "")
        if before == after:
            continue
        if isinstance(before, tuple) or isinstance(after, tuple):
            found += moved(_versions(before), _versions(after))
        else:
            found.append(f"{field}: {before or 'nothing'} → {after or 'nothing'}")
    return tuple(found)


def write_file(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a text file and its folders, unless it has this content and mode: an untouched file stays unchanged
    for the lifecycle, which need not read it again."""
    data = text.encode(errors="surrogateescape")
    if (
        path.is_file()
        and not path.is_symlink()
        and path.read_bytes() == data
        and path.stat().st_mode & 0o777 == mode
    ):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    path.chmod(mode)


def _versions(value: Value) -> dict[str, str]:
    return versions(value if isinstance(value, tuple) else (value,) if value else ())


def _key(table: toml.Table) -> Key:
    return {
        name: table.texts(name) if isinstance(table.value(name), list) else table.text(name) for name in table
    }


def _plain(key: Key) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in key.items()}


def _empty(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
    path.mkdir(parents=True)
