"""Where a new image goes: the words after `--output`, each checked before anything is started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from pybuild.errors import InvalidInput, PybuildError
from pybuild.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pybuild.stores.api import Written

OutputKind = Literal["docker", "registry", "oci", "oci-archive", "docker-archive"]
KINDS: tuple[OutputKind, ...] = get_args(OutputKind)
_EXAMPLE = "--output type=oci-archive,dest=app.tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One place for the image. `dest`: a file or folder for what lies on disk, else "". `names`: what it is called there."""

    kind: OutputKind
    names: tuple[Reference, ...]
    dest: str = ""

    @property
    def path(self) -> Path:
        """The file or folder."""
        return Path(self.dest)

    @property
    def where(self) -> str:
        """As `pybuild compare` and other tools name the place."""
        return f"{self.kind}:{self.dest or self.names[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The image as it is in one place. `image_id`: digest of its configuration, as engines show it.

    `digest`: of its manifest, "" in an engine. `size`, `sent`: bytes, compressed where layers are. `changed` False: it
    was there already.
    """

    output: Output
    image_id: str
    digest: str
    changed: bool
    size: int
    sent: int


def delivered(outputs: Sequence[Output], written: Written) -> tuple[Delivered, ...]:
    """What is where now. Raises `PybuildError` if a place after the first one failed: it says what is where all the same."""
    found = [_delivered(outputs[0], written)]
    failures: list[tuple[Output, PybuildError]] = []
    for output, copy in zip(outputs[1:], written.copies, strict=True):
        if copy.written is not None:
            found.append(_delivered(output, copy.written))
        elif copy.failure is not None:
            failures.append((output, copy.failure))
    if failures:
        there = ", ".join(each.output.where for each in found)
        missing = "; ".join(f"{output.where}: {exc}" for output, exc in failures)
        first = failures[0][1]
        raised = PybuildError(f"the image is in {there}, but not in {missing}", hint=first.hint)
        raised.exit_code = first.exit_code
        raise raised from first
    return tuple(found)


def _delivered(output: Output, written: Written) -> Delivered:
    return Delivered(
        output=output,
        image_id=written.config_digest or written.image_id,
        digest=written.digest,
        changed=written.changed,
        size=written.size,
        sent=written.sent_bytes,
    )


def read_outputs(words: Sequence[str], names: Sequence[Reference], *, publish: bool) -> tuple[Output, ...]:
    """The places that are asked for; an engine if none is. `publish`: a registry, before all others.

    Raises `InvalidInput` for a word that means nothing, and for places that are one and the same.
    """
    found = [Output(kind="registry", names=tuple(names))] if publish else []
    found += [_output(word, tuple(names)) for word in words]
    outputs = tuple(found or [Output(kind="docker", names=tuple(names))])
    places = [os.path.realpath(each.dest) if each.dest else each.where for each in outputs]
    for number, output in enumerate(outputs):
        if places.index(places[number]) != number:
            raise InvalidInput(
                f"{output.where} is named twice as a place for the image", hint="leave one of them out"
            )
        _check_registries(output)
    return outputs


def _output(word: str, names: tuple[Reference, ...]) -> Output:
    values: dict[str, str] = {}
    for part in word.split(","):
        key, equals, value = part.partition("=")
        if not equals or not value or key not in ("type", "dest") or key in values:
            raise InvalidInput(
                f"--output {word!r}: {part!r} is not type=… or dest=…, each of them once", hint=_EXAMPLE
            )
        values[key] = value
    kind = next((each for each in KINDS if each == values.get("type")), None)
    if kind is None:
        raise InvalidInput(f"--output {word!r} has no type of {', '.join(KINDS)}", hint=_EXAMPLE)
    dest = values.get("dest", "")
    if kind in ("docker", "registry"):
        return Output(kind=kind, names=(_name(dest, word),) if dest else names)
    if not dest:
        raise InvalidInput(
            f"--output {word!r} needs dest=…, a file or folder", hint=f"--output type={kind},dest=app"
        )
    path = Path(dest)
    if path.exists() and path.is_dir() != (kind == "oci"):
        wanted, found = ("folder", "file") if kind == "oci" else ("file", "folder")
        raise InvalidInput(
            f"--output {word!r}: {dest} is a {found}, expected a {wanted}", hint="name another dest"
        )
    _check_writable(path, word)
    if kind == "oci":
        _check_layout(path, word)
    return Output(kind=kind, names=names, dest=dest)


def _name(text: str, word: str) -> Reference:
    name = Reference.parse(text)
    if name.digest:
        raise InvalidInput(
            f"--output {word!r} has a digest: a new image is named by a tag", hint="leave out @sha256:…"
        )
    return name


def _check_writable(path: Path, word: str) -> None:
    """Say now what would fail after the build: a file in the way, or a folder that nobody may write in."""
    folder = path if path.is_dir() else path.absolute().parent
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise InvalidInput(f"--output {word!r}: {folder} is no folder", hint="name another dest")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidInput(f"--output {word!r}: nothing can be written in {folder}", hint=f"ls -ld {folder}")


def _check_layout(path: Path, word: str) -> None:
    """Say now that a folder is somebody's, and no layout."""
    try:
        there = sorted(os.listdir(path)) if path.is_dir() else []  # noqa: PTH208 - the names are all that is wanted
    except OSError as exc:
        raise InvalidInput(f"--output {word!r}: {path} cannot be read: {exc.strerror}") from exc
    if there and "oci-layout" not in there and "index.json" not in there:
        raise InvalidInput(
            f"--output {word!r}: {path} is no OCI image layout, and not empty: it has {', '.join(there[:5])}",
            hint="name a folder of its own, which need not exist",
        )


def _check_registries(output: Output) -> None:
    first = output.names[0]
    for name in output.names:
        if output.kind == "registry" and name.registry != first.registry:
            raise InvalidInput(
                f"the tag {str(name)!r} is on {name.registry}, the image on {first.registry}",
                hint="with --publish all names must be on one registry",
            )
