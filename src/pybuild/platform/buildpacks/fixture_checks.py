"""How what a buildpack did differs from what its test expects: pure, one sentence for each difference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pybuild.lifecycle.build import Built, BuiltLayer
    from pybuild.lifecycle.detect import Detected
    from pybuild.spec.fixture import ExpectedLayer, ExpectedProcess, Fixture, Words
    from pybuild.spec.launch import Process


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What happened. `own`: `id@version` of the buildpacks under test; `app`: its folder.

    `rebuilt`: what the second build wrote, "" where there was none; `rebuild`: whether it was well.
    """

    detect: str
    build: str = ""
    output: str = ""
    why: str = ""
    detected: Detected | None = None
    built: Built | None = None
    own: frozenset[str] = frozenset()
    app: Path = Path()
    rebuild: bool = True
    rebuilt: str = ""


def check(fixture: Fixture, ran: Ran) -> Iterator[str]:
    """Every difference."""
    if ran.detect != fixture.detect:
        yield f"detect: expected {fixture.detect}, found {ran.detect}{f' ({ran.why})' if ran.why else ''}"
        return
    yield from _words(fixture.words, ran.output, "output")
    if ran.detected is None:
        return
    yield from _plan(fixture, ran, ran.detected)
    if ran.build != fixture.build:
        yield f"build: expected {fixture.build}, found {ran.build}"
        return
    if ran.built is not None:
        yield from _result(fixture, ran, ran.built)


def _result(fixture: Fixture, ran: Ran, built: Built) -> Iterator[str]:
    for process in fixture.processes:
        yield from _process(process, built)
    found = {label.key: label.value for label in built.metadata.labels}
    for key, value in fixture.labels.items():
        if found.get(key) != value:
            yield f"labels.{key}: expected {value!r}, found {found.get(key)!r}"
    layers = {layer.name: layer for each in built.buildpacks for layer in each.layers}
    for expected in fixture.layers:
        yield from _layer(expected, layers.get(expected.name), sorted(layers))
    for name in fixture.files:
        if not (ran.app / name).exists():
            yield f"files: the app has no {name} after the build"
    if fixture.rebuild is not None:
        if not ran.rebuild:
            yield "rebuild: the second build failed"
        yield from _words(fixture.rebuild, ran.rebuilt, "rebuild.output")


def _words(words: Words, output: str, key: str) -> Iterator[str]:
    for text in words.present:
        if text not in output:
            yield f"{key}: {text!r} was not written"
    for text in words.absent:
        if text in output:
            yield f"{key}: {text!r} was written, and should not be"


def _plan(fixture: Fixture, ran: Ran, detected: Detected) -> Iterator[str]:
    provides = {
        entry.requires[0].name
        for entry in detected.plan.entries
        if entry.requires and any(f"{each.id}@{each.version}" in ran.own for each in entry.providers)
    }
    requires = {name for who, name in detected.needs if who in ran.own}
    for key, expected, found in (
        ("provides", fixture.provides, provides),
        ("requires", fixture.requires, requires),
    ):
        if expected is not None and set(expected) != found:
            yield f"{key}: expected {_listed(expected)}, found {_listed(sorted(found))}"


def _process(expected: ExpectedProcess, built: Built) -> Iterator[str]:
    where = f"processes: {expected.type}"
    found: Process | None = next(
        (each for each in built.metadata.processes if each.type == expected.type), None
    )
    if found is None:
        yield f"{where}: there is none; there is {_listed([each.type for each in built.metadata.processes])}"
        return
    command = (*found.command, *(found.args or ()))
    if expected.command is not None and command != expected.command:
        yield f"{where}: expected the command {list(expected.command)}, found {list(command)}"
    default = built.metadata.default_process_type == expected.type
    if expected.default is not None and default != expected.default:
        yield f"{where}: expected {'' if expected.default else 'not '}to be the default process"


def _layer(expected: ExpectedLayer, found: BuiltLayer | None, names: list[str]) -> Iterator[str]:
    where = f"layers.{expected.name}"
    if found is None:
        yield f"{where}: there is none; there is {_listed(names)}"
        return
    for key, wanted in expected.types.items():
        if getattr(found.toml, key) != wanted:
            yield f"{where}.{key}: expected {str(wanted).lower()}, found {str(not wanted).lower()}"
    root = Path(found.path)
    for name in expected.files:
        if not (root / name).exists():
            yield f"{where}.files: there is no {name}"
    for name, value in expected.env.items():
        path = next((each for each in (root / "env" / name, root / name) if each.is_file()), None)
        if path is None:
            yield f"{where}.env: there is no file {name}"
        elif path.read_text("utf-8", "replace") != value:
            yield f"{where}.env.{name}: expected {value!r}, found {path.read_text('utf-8', 'replace')!r}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
