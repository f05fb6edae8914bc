"""`pybuild cache ls|rm|prune`: the volumes that builds keep between each other."""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from pybuild.cli.options import CONTEXT
from pybuild.cli.show.display import Display, output_options
from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pybuild.platform.volumes import CacheVolume

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.group("cache", context_settings=CONTEXT)
def command() -> None:
    """List and remove the caches that builds keep, one volume for each app and builder."""


@command.command("ls", context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="Print the caches as JSON on standard output.")
@output_options
def ls(*, as_json: bool, display: Display) -> int:
    """List the caches: whose they are, how large, when last used; -v adds their names, -q shows only these."""
    with display.console():
        from pybuild import engine
        from pybuild.platform.caches import state_folder
        from pybuild.platform.volumes import caches

        with engine.connect() as client:
            found = caches(client, state_folder())
    if as_json:
        sys.stdout.write(json.dumps([_as_data(cache) for cache in found], indent=2) + "\n")
    elif display.quiet:
        sys.stdout.write("".join(f"{cache.name}\n" for cache in found))
    elif not found:
        print("There are no caches; builds make them.", file=sys.stderr)
    else:
        _show(found, names=display.verbose)
    return 0


@command.command("rm", context_settings=CONTEXT)
@click.argument("names", nargs=-1, required=True, metavar="IMAGE|CACHE…")
@output_options
def rm(names: tuple[str, ...], *, display: Display) -> int:
    """Remove caches: by their own names, or all those of an image. Nothing is removed if one is unknown."""
    with display.console():
        from pybuild import engine
        from pybuild.platform.caches import forget, state_folder
        from pybuild.platform.volumes import caches, remove

        with engine.connect() as client:
            chosen = _chosen(names, caches(client, state_folder()))
            removed = remove(client, chosen, state_folder())
        for name in removed:
            forget(name)
    _tell(removed)
    if len(removed) < len(chosen):
        raise InvalidInput(
            f"{len(chosen) - len(removed)} of {len(chosen)} caches are in use by a build and were kept",
            hint="try again when the build has ended",
        )
    return 0


@command.command("prune", context_settings=CONTEXT)
@click.option("--unused", default="30d", show_default=True, metavar="DURATION", help="Such as 12h, 30d, 8w.")
@click.option("--all", "everything", is_flag=True, help="Remove every cache that no build uses right now.")
@output_options
def prune(*, unused: str, everything: bool, display: Display) -> int:
    """Remove the caches that no build has used for some time, and what killed builds left."""
    seconds = 0.0 if everything else duration(unused)
    with display.console():
        from pybuild import engine
        from pybuild.platform import volumes
        from pybuild.platform.caches import forget, state_folder

        with engine.connect() as client:
            removed = volumes.prune(client, state_folder(), unused_seconds=seconds, now=time.time())
        for cache in removed:
            forget(cache.name)
    _tell([cache.name for cache in removed])
    if not display.quiet:
        from pybuild.cli.show.console import human_size

        freed = sum(max(cache.size, 0) for cache in removed)
        what = f"{len(removed)} cache{'' if len(removed) == 1 else 's'} removed"
        print(f"{what}, {human_size(freed)} freed", file=sys.stderr)
    return 0


def duration(text: str) -> float:
    """Seconds of `90s`, `30m`, `12h`, `30d` or `8w`. Raises `InvalidInput` for anything else."""
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text)
    if match is None:
        raise InvalidInput(
            f"{text!r} is no duration: expected a number and one of s, m, h, d, w", hint="--unused 30d"
        )
    return float(int(match[1]) * _SECONDS[match[2]])


def _chosen(words: Iterable[str], found: Sequence[CacheVolume]) -> list[str]:
    """The volumes that these words mean, each once. Raises `InvalidInput` for a word that means none."""
    from pybuild.oci.reference import Reference

    chosen: dict[str, None] = {}
    for word in words:
        named = [cache.name for cache in found if cache.name == word]
        if not named:
            image = Reference.parse(word).familiar
            named = [cache.name for cache in found if cache.image == image]
        if not named:
            raise InvalidInput(f"there is no cache of {word!r}", hint="pybuild cache ls")
        chosen.update(dict.fromkeys(named))
    return list(chosen)


def _show(found: Sequence[CacheVolume], *, names: bool) -> None:
    from pybuild.cli.show.console import human_size
    from pybuild.cli.show.table import line_width, table

    now = time.time()
    rows = [
        (
            cache.image or "unknown",
            cache.builder or "unknown",
            human_size(cache.size) if cache.size >= 0 else "unknown",
            ago(now - cache.used) if cache.used else "unknown",
            *([cache.name] if names else []),
        )
        for cache in found
    ]
    header = ("IMAGE", "BUILDER", "SIZE", "LAST USED", *(["CACHE"] if names else []))
    for line in table(rows, header=header, width=line_width()):
        print(line)


def ago(seconds: float) -> str:
    """How long ago, as people say it: `just now`, `5 minutes ago`, `3 days ago`."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {unit}{'' if number == 1 else 's'} ago"
    return "just now"


def _as_data(cache: CacheVolume) -> dict[str, Any]:
    from datetime import UTC, datetime

    used = datetime.fromtimestamp(cache.used, UTC).isoformat(timespec="seconds") if cache.used else None
    return {
        "name": cache.name,
        "image": cache.image,
        "builder": cache.builder,
        "size_bytes": cache.size if cache.size >= 0 else None,
        "last_used": used,
    }


def _tell(removed: Iterable[str]) -> None:
    """Names of what was removed, on standard output, as `docker volume rm` does."""
    sys.stdout.write("".join(f"{name}\n" for name in removed))
