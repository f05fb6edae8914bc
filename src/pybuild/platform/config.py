"""The user's settings on this machine: read for every build, changed one at a time, whole or not at all.

A home that cannot be read is no reason to fail a build: then nothing is set, and a warning says so. What cannot be
written is an error, and a file that is broken, too: it would be lost otherwise.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from pybuild.errors import InvalidFile, InvalidInput, PybuildError
from pybuild.events import warn
from pybuild.spec.config import Config, IndexRegistry
from pybuild.stores.state import write_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PATH_VARIABLE = "PYBUILD_CONFIG"
_LIMIT = 1 << 20


class ConfigUnwritable(PybuildError):
    """The settings cannot be changed."""

    usual_hint = f"set {PATH_VARIABLE} to a file that can be written"


def config_path(environ: Mapping[str, str]) -> Path:
    """Where the settings are: the file that PYBUILD_CONFIG names, or config.toml in the user's own folder for that."""
    named = environ.get(PATH_VARIABLE, "")
    return Path(named) if named else platformdirs.user_config_path("pybuild") / "config.toml"


def pack_config_path(environ: Mapping[str, str]) -> Path:
    """Where `pack` keeps its own settings."""
    home = environ.get("PACK_HOME", "")
    return (Path(home) if home else Path(environ.get("HOME", "~")).expanduser() / ".pack") / "config.toml"


def load(environ: Mapping[str, str]) -> Config:
    """The settings; none where there is no file. Raises `InvalidFile` for one that is broken."""
    path = config_path(environ)
    try:
        return _read(path)
    except OSError as exc:
        warn(f"the settings in {path} cannot be read ({exc.strerror}): the usual ones hold")
        return Config()


def chosen_registry(config: Config, name: str) -> IndexRegistry:
    """The registry of buildpacks of that name or URL; the default one of "". Raises `InvalidInput` if there is none."""
    if "/" in name:
        return IndexRegistry(name=name, type="git", url=name)
    found = config.registry(name)
    if found is None:
        raise InvalidInput(
            f"there is no buildpack registry {name or config.default_registry!r}",
            hint="pybuild config registries list shows them; add one with: pybuild config registries add NAME URL",
        )
    return found


def change(environ: Mapping[str, str], edit: Callable[[Config], Config]) -> Config:
    """Replace the settings by what `edit` makes of them; return them. Two at once wait for each other.

    Raises `ConfigUnwritable`, with the file as it was.
    """
    path = config_path(environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        with _locked(path):
            before = _read(path)
            after = edit(before)
            if after != before:
                # A link to somewhere else, as people have who keep their settings in a repository, stays one.
                write_state(path.resolve(), after.write())
    except OSError as exc:
        raise ConfigUnwritable(f"the settings in {path} cannot be changed: {exc.strerror}") from exc
    return after


def import_pack(environ: Mapping[str, str]) -> Config:
    """Take over `pack`'s settings for all that is not set here. Raises `InvalidFile` if it has none."""
    path = pack_config_path(environ)
    try:
        if not path.is_file():
            raise InvalidFile(f"pack has no settings in {path}", hint="PACK_HOME names another folder")
        theirs = _read(path)
    except OSError as exc:
        raise InvalidFile(f"{path} cannot be read: {exc.strerror}") from exc
    return change(environ, lambda ours: merged(ours, theirs))


def merged(ours: Config, theirs: Config) -> Config:
    """Our settings, and of the other ones those that say nothing else."""
    images = {each.image for each in ours.run_images}
    names = {each.name for each in ours.registries}
    return Config(
        default_builder=ours.default_builder or theirs.default_builder,
        pull_policy=ours.pull_policy or theirs.pull_policy,
        lifecycle_image=ours.lifecycle_image or theirs.lifecycle_image,
        experimental=ours.experimental or theirs.experimental,
        trusted_builders=tuple(dict.fromkeys((*ours.trusted_builders, *theirs.trusted_builders))),
        run_images=(*ours.run_images, *(each for each in theirs.run_images if each.image not in images)),
        registry_mirrors={**theirs.registry_mirrors, **ours.registry_mirrors},
        registries=(*ours.registries, *(each for each in theirs.registries if each.name not in names)),
        default_registry=ours.default_registry or theirs.default_registry,
        other=ours.other,
    )


def _read(path: Path) -> Config:
    try:
        with path.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except FileNotFoundError:
        return Config()
    return Config.read(data, str(path))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
