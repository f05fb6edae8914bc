"""What Cargo's files say before Cargo is there: the oldest Rust, the pinned one, the locked crates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pybuild.errors import InvalidFile
from pybuild.libcnb import purl
from pybuild.libcnb.sbom import Component
from pybuild.spec import toml
from rust import errors

if TYPE_CHECKING:
    from pathlib import Path

    from pybuild.spec.toml import Table

MOST_BYTES = 16 << 20
PINS = ("rust-toolchain.toml", "rust-toolchain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """`oldest`: the `rust-version` of the root. `channel`: what a toolchain file pins, `pin` its name. Empty for none.

    `locked`: there is a Cargo.lock.
    """

    oldest: str = ""
    channel: str = ""
    pin: str = ""
    locked: bool = False

    @classmethod
    def read(cls, app: Path) -> Self:
        """The files in the root of the app. Raises a `Problem`."""
        if not (app / "Cargo.toml").is_file():
            raise errors.no_manifest()
        root = _table(app / "Cargo.toml")
        places = (root.table("package"), root.table("workspace").table("package"))
        oldest = next((text for place in places if isinstance(text := place.value("rust-version"), str)), "")
        pin = next((name for name in PINS if (app / name).is_file()), "")
        return cls(
            oldest=oldest,
            channel=_channel(app / pin) if pin else "",
            pin=pin,
            locked=(app / "Cargo.lock").is_file(),
        )


def components(app: Path) -> tuple[Component, ...]:
    """The crates in Cargo.lock that came from a registry or a repository. Raises a `Problem`."""
    file = app / "Cargo.lock"
    if not file.is_file():
        return ()
    found = []
    for package in _table(file).tables("package"):
        name, version = package.text("name"), package.text("version")
        checksum = package.text("checksum")
        if package.text("source"):
            hashes = {"SHA-256": checksum} if re.fullmatch(r"[0-9a-f]{64}", checksum) else {}
            found.append(
                Component(
                    name=name,
                    version=version,
                    purl=purl.cargo(name, version),
                    hashes=hashes,
                    where="Cargo.lock",
                )
            )
    return tuple(found)


def _channel(file: Path) -> str:
    if file.suffix == ".toml":
        return _table(file).table("toolchain").text("channel")
    with file.open("rb") as stream:
        text = stream.read(MOST_BYTES).decode(errors="replace").strip()
    # The file without an ending may be in the old form, one word, or in the new one.
    return _table(file).table("toolchain").text("channel") if "[" in text else text


def _table(file: Path) -> Table:
    with file.open("rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    try:
        return toml.load(data, file=file.name, limit=MOST_BYTES)
    except InvalidFile as exc:
        raise errors.unreadable(file.name, f"{exc}.") from exc
