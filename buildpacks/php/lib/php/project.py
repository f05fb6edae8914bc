"""What composer.json and composer.lock say: the PHP version, extensions, packages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from php import errors
from pybuild.libcnb.app_files import AppFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILES = AppFiles(64, errors.bad_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """`php`: constraint → the place that states it, first wins. `extensions`: name → the first place that asks.

    `provided`: extensions for which a locked package brings a substitute. `lock`: the bytes of composer.lock.
    `volatile`: what is installed depends on more than the two files: packages inside the app, patches. `names`: all
    packages that are asked for or locked.
    """

    has_manifest: bool = False
    packages: tuple[str, ...] = ()
    php: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)
    provided: frozenset[str] = frozenset()
    lock: bytes | None = None
    volatile: bool = False
    manifest: bytes = b""
    names: frozenset[str] = frozenset()

    @classmethod
    def read(cls, app: Path, *, dev: bool) -> Self:
        """The app's Composer files; `dev` takes in what is only needed for tests. Raises a `Problem`."""
        file = app / "composer.json"
        if not file.is_file():
            return cls()
        manifest_bytes = FILES.data(file)
        manifest = FILES.parsed(manifest_bytes, file.name)
        lock_file = app / "composer.lock"
        lock_bytes = FILES.data(lock_file) if lock_file.is_file() else None
        lock = FILES.parsed(lock_bytes, lock_file.name) if lock_bytes is not None else {}
        locked = [*_tables(lock.get("packages")), *(_tables(lock.get("packages-dev")) if dev else ())]
        asked = {**_map(manifest, "require"), **(_map(manifest, "require-dev") if dev else {})}
        return cls(
            has_manifest=True,
            packages=tuple(name for name in asked if "/" in name),
            php=_php(manifest, lock),
            extensions=_extensions(asked, lock, locked),
            provided=frozenset(
                name.removeprefix("ext-")
                for package in locked
                for name in _map(package, "provide")
                if _is_extension(name)
            ),
            lock=lock_bytes,
            volatile=any(_map(package, "dist").get("type") == "path" for package in locked)
            or bool(_map(_map(manifest, "extra"), "patches")),
            manifest=manifest_bytes,
            names=frozenset((*asked, *(str(package.get("name", "")) for package in locked))),
        )


def _php(manifest: Mapping[str, Any], lock: Mapping[str, Any]) -> dict[str, str]:
    config = _map(_map(manifest, "config"), "platform")
    sources = (
        (_map(lock, "platform-overrides").get("php"), "composer.lock, platform-overrides"),
        (_map(lock, "platform").get("php"), "composer.lock"),
        (config.get("php"), "composer.json, config.platform"),
        (_map(manifest, "require").get("php"), "composer.json"),
    )
    return {text: place for text, place in sources if isinstance(text, str) and text}


def _extensions(
    asked: Mapping[str, Any], lock: Mapping[str, Any], locked: Iterable[Mapping[str, Any]]
) -> dict[str, str]:
    found: dict[str, str] = {}
    places = [(asked, "composer.json"), (_map(lock, "platform"), "composer.lock")]
    places += [(_map(package, "require"), f"package {package.get('name', '?')}") for package in locked]
    for requires, place in places:
        for name in requires:
            if _is_extension(name):
                found.setdefault(name.lower().removeprefix("ext-"), place)
    return found


def _is_extension(name: str) -> bool:
    return name.lower().startswith("ext-")


def _map(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    # An empty PHP array is written as [], whatever it was meant to be.
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _tables(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
