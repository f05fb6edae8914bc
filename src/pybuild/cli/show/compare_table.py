"""A comparison as lines for a terminal: `=` the same, `~` changed, `+` only in B, `-` only in A; colour adds nothing."""

from __future__ import annotations

import json
import re
import textwrap
from typing import TYPE_CHECKING, Any

from pybuild.cli.show.console import human_size, human_time, printable
from pybuild.cli.show.table import table
from pybuild.platform.images.compare import Comparison
from pybuild.platform.images.image_facts import RUN_IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pybuild.platform.images.compare import LayerFiles, LayerPair
    from pybuild.platform.images.compare_build import BuildComparison
    from pybuild.platform.images.differences import Difference, Section
    from pybuild.platform.images.entry_changes import EntryFacts, FileChange
    from pybuild.platform.images.sbom_changes import SbomChange

SIGNS = {"same": "=", "changed": "~", "added": "+", "removed": "-"}
_STYLES = {"~": "33", "+": "32", "-": "31"}
_MOST_LINES = 20
_TITLES: dict[Section, str] = {
    "image": "IMAGE",
    "base": "BASE",
    "config": "CONFIGURATION",
    "processes": "PROCESSES",
    "labels": "LABELS",
    "history": "HISTORY",
}
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_INDENT = "      "


def lines_of(
    result: Comparison | BuildComparison, *, width: int, everything: bool, colour: bool
) -> Iterator[str]:
    """The lines of the whole table. `everything`: nothing is left out or shortened."""
    shown = _Table(width=width, everything=everything, colour=colour)
    if isinstance(result, Comparison):
        yield from shown.comparison(result)
    else:
        yield from shown.times(result)
        yield ""
        yield from shown.comparison(result.comparison)


class _Table:
    def __init__(self, *, width: int, everything: bool, colour: bool) -> None:
        self._width, self._everything, self._colour = width, everything, colour

    def comparison(self, found: Comparison) -> Iterator[str]:
        """The two images, what it comes to, then section by section what differs."""
        yield f"A  {_plain(found.a.name)}"
        yield f"B  {_plain(found.b.name)}"
        yield ""
        yield from table(list(overview(found)), header=("", "A", "B"), width=self._width)
        yield ""
        yield from textwrap.wrap(verdict(found), self._width)
        if not found.identical:
            if found.layers:
                yield from self._section("LAYERS, bottom first", self._layers(found.layers), cut=False)
            for files in found.files:
                yield from self._section(files_title(files), self._files(files), more=files.changes.total)
            for section, title in _TITLES.items():
                yield from self._section(title, self._values(_told(found, section)))
            yield from self._section("SBOM", self._sboms(found.sbom))
        for note in found.notes:
            yield ""
            yield from table([("Note:", note)], width=self._width)

    def times(self, result: BuildComparison) -> Iterator[str]:
        """How long each tool took."""
        rows = [
            (run.tool, human_time(run.first), human_time(run.rebuild), run.version) for run in result.runs
        ]
        ours, theirs = result.runs
        rows.append(
            (
                f"{ours.tool} / {theirs.tool}",
                f"{ours.first / theirs.first:.2f}",
                f"{ours.rebuild / theirs.rebuild:.2f}",
                "",
            )
        )
        yield from table(rows, header=("TOOL", "FIRST BUILD", "REBUILD", "VERSION"), width=self._width)
        yield ""
        yield from table([("Note:", note) for note in result.notes], width=self._width)

    def _section(
        self, title: str, rows: Iterable[tuple[str, str]], *, cut: bool = True, more: int = 0
    ) -> Iterator[str]:
        """A title and its rows: sign and text. Rows may be many: they are cut, and told how many there are."""
        rows = list(rows)
        if not rows:
            return
        most = _MOST_LINES if cut and not self._everything else len(rows)
        yield ""
        yield title
        for sign, text in rows[:most]:
            yield self._row(sign, text)
        left = max(len(rows), more) - min(most, len(rows))
        if left:
            yield f"  … and {left} more{', not listed' if self._everything else ': -v shows more'}"

    def _row(self, sign: str, text: str) -> str:
        line = f"  {sign} {text}".rstrip()
        return f"\x1b[{_STYLES[sign]}m{line}\x1b[0m" if self._colour and sign in _STYLES else line

    def _layers(self, pairs: Sequence[LayerPair]) -> Iterator[tuple[str, str]]:
        rows = [(_plain(owner), pair) for owner, pair in grouped(pairs)]
        widest = max(len(owner) for owner, _ in rows)
        for owner, pair in rows:
            yield SIGNS[pair.change], self._beside(owner.ljust(widest), self._value_of_layer(pair))

    def _value_of_layer(self, pair: LayerPair) -> str:
        digests = [self._value(layer.diff_id) for layer in (pair.a, pair.b) if layer is not None]
        return " -> ".join(dict.fromkeys(digests))

    def _files(self, files: LayerFiles) -> Iterator[tuple[str, str]]:
        for file in files.changes.files:
            yield SIGNS[file.change], self._beside(_plain(file.path), what_changed(file))

    def _values(self, differences: Iterable[Difference]) -> Iterator[tuple[str, str]]:
        label = ""
        for found in differences:
            if found.at and found.path != label:
                label = found.path
                yield SIGNS["changed"], _plain(label)
            name = f"  {found.at}" if found.at else found.path
            yield SIGNS[found.change], self._beside(_plain(name), self._change(found))

    def _sboms(self, changes: Iterable[SbomChange]) -> Iterator[tuple[str, str]]:
        for found in changes:
            count = f"{len(found.added)} added, {len(found.removed)} removed"
            if found.fault:
                count = f"components not compared: {found.fault}"
            elif not found.added and not found.removed:
                count = "the same components, other contents"
            yield SIGNS[found.change], f"{_plain(found.file)}: {count}"
            for sign, components in (("+", found.added), ("-", found.removed)):
                for component in components:
                    yield sign, f"  {_plain(component)}"

    def _beside(self, name: str, text: str) -> str:
        """Name and text on one line, if there is room; else the text on the next one."""
        room = self._width - 4
        if len(name) + 2 + len(text) <= room:
            return f"{name}  {text}"
        return f"{name}\n{_INDENT}{text}"

    def _change(self, found: Difference) -> str:
        sides = [value for value in (found.a, found.b) if value is not None]
        if len(sides) < 2 or self._everything:
            return " -> ".join(self._cut(self._value(side), self._room()) for side in sides)
        one, other = (self._value(side) for side in sides)
        room = (self._room() - 4) // 2
        if max(len(one), len(other)) > room:
            one, other = _from_difference(one, other, room)
        return f"{self._cut(one, room)} -> {self._cut(other, room)}"

    def _room(self) -> int:
        return self._width - len(_INDENT)

    def _cut(self, text: str, room: int) -> str:
        return text if self._everything or len(text) <= room else text[: room - 1] + "…"

    def _value(self, value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text = _plain(" ".join(text.split())) if text.strip() else json.dumps(text)
        return text if self._everything else _DIGEST.sub(lambda found: found[0][7:19], text)


def overview(found: Comparison) -> Iterator[tuple[str, str, str]]:
    """Rows of what each image is: the name of a fact, A's, and B's or "same"."""
    a, b = found.a, found.b
    rows = (
        ("ID", short(a.id), short(b.id)),
        ("platform", a.platform, b.platform),
        ("created", a.about["created"], b.about["created"]),
        ("size", human_size(a.size), human_size(b.size)),
        ("run image", a.base.name or "unknown", b.base.name or "unknown"),
        ("its top layer", short(a.base.top_layer) or "unknown", short(b.base.top_layer) or "unknown"),
        ("layers", str(len(a.layers)), str(len(b.layers))),
        ("processes", ", ".join(a.processes) or "none", ", ".join(b.processes) or "none"),
    )
    for name, one, other in rows:
        yield name, one, "same" if one == other else other


def verdict(found: Comparison) -> str:
    """What it comes to, in a sentence."""
    if found.identical:
        return "They are the same image: nothing else was looked at."
    if found.same:
        return "They are the same in everything that was compared."
    layers = len(found.changed_layers)
    told = [f"{layers} layer{'' if layers == 1 else 's'}"] if layers else []
    for section, title in _TITLES.items():
        if number := len(_told(found, section)):
            told.append(f"{number} in {title.lower()}")
    if not told:
        return "Only their IDs differ: what it comes from is not compared, such as the spelling of a file."
    return f"They differ: {', '.join(told)}."


def titled(found: Comparison) -> Iterator[tuple[str, list[Difference]]]:
    """Each section with its title in words, if anything differs in it."""
    for section, title in _TITLES.items():
        if differences := _told(found, section):
            yield title.capitalize(), differences


def _told(found: Comparison, section: Section) -> list[Difference]:
    """The differences of a section, without the ID: the table begins with it."""
    return [each for each in found.of_section(section) if (section, each.path) != ("image", "id")]


def grouped(pairs: Sequence[LayerPair]) -> Iterator[tuple[str, LayerPair]]:
    """Layers by name; those of a run image that are the same become one row, unknown ones get their number."""
    waiting: list[LayerPair] = []
    for pair in (*pairs, None):
        if pair is not None and pair.owner == RUN_IMAGE and pair.change == "same":
            waiting.append(pair)
            continue
        if waiting:
            number = len(waiting)
            yield f"{RUN_IMAGE} ({number} layer{'' if number == 1 else 's'})", waiting[-1]
            waiting = []
        if pair is not None:
            yield pair.name, pair


def files_title(files: LayerFiles) -> str:
    """What the list of a layer's files is about, with how many there are."""
    changes = files.changes
    told = [
        f"{number} {word}"
        for number, word in (
            (changes.added, "added"),
            (changes.removed, "removed"),
            (changes.changed, "changed"),
        )
        if number
    ]
    nothing = (
        "the same files in another order"
        if changes.reordered
        else "the same files; headers differ that no file shows"
    )
    return f"FILES of {_plain(files.pair.name)}: {', '.join(told) or nothing}"


def what_changed(file: FileChange) -> str:
    """What changed in a file, in a few words; of a new or missing one, what it is."""
    a, b = file.a, file.b
    if a is None or b is None:
        facts = a or b
        return _kind(facts) if facts is not None else ""
    told = []
    for what in file.what:
        if what in ("content", "device"):
            told.append(what)
        else:
            one, other = (_aspect(facts, what) for facts in (a, b))
            told.append(f"{what} {one} -> {other}")
    return ", ".join(told)


def _kind(facts: EntryFacts) -> str:
    shown = facts.as_json()
    size = f", {human_size(facts.size)}" if "size" in shown else ""
    target = f" to {_plain(shown['target'])}" if "target" in shown else ""
    return f"{shown['type']}{target}{size}"


def _aspect(facts: EntryFacts, what: str) -> str:
    shown = facts.as_json()
    if what == "owner":
        return f"{facts.uid}:{facts.gid}"
    if what == "size":
        return human_size(facts.size)
    return _plain(str(shown.get(what, "none")))


def _from_difference(a: str, b: str, room: int) -> tuple[str, str]:
    """Both texts from shortly before the first place in which they differ."""
    most = min(len(a), len(b))
    start = next((n for n in range(most) if a[n] != b[n]), most)
    start = max(start - room // 3, 0)
    return (f"…{a[start:]}", f"…{b[start:]}") if start else (a, b)


def short(digest: str) -> str:
    """The first twelve digits, as engines show them."""
    return digest.removeprefix("sha256:")[:12]


def _plain(text: str) -> str:
    """A name from anywhere on one line: what would move the cursor or begin a line is shown as an escape."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")
