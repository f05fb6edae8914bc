"""The Dockerfiles that image extensions may write, read as far as their rules go. Pure.

Specification: image_extension.md, "Dockerfile Requirements".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pybuild.errors import InvalidFile

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE = "${base_image}"

_RECOMMENDED = frozenset({"ADD", "ARG", "COPY", "ENV", "FROM", "LABEL", "RUN", "SHELL", "USER", "WORKDIR"})
_KNOWN = _RECOMMENDED | {
    "CMD",
    "ENTRYPOINT",
    "EXPOSE",
    "HEALTHCHECK",
    "MAINTAINER",
    "ONBUILD",
    "STOPSIGNAL",
    "VOLUME",
}
_DIRECTIVE = re.compile(rb"#\s*([A-Za-z]+)\s*=\s*(.+?)\s*$")
_HEREDOC = re.compile(r"""(?<![<\w])\d*<<(-?)(["']?)([A-Za-z0-9_.]+)\2""")


@dataclass(frozen=True, slots=True)
class Instruction:
    """`keyword` in upper case and what follows it; `line` to `end`, which count from 1, are where it stands.

    `heredoc`: further lines that belong to it follow, which are not in `rest`.
    """

    keyword: str
    rest: str
    line: int
    end: int = 0
    heredoc: bool = False

    def __str__(self) -> str:
        return f"{self.keyword} {self.rest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dockerfile:
    """What one run.Dockerfile or build.Dockerfile does.

    `base`: the image that it puts in the place of the base image; "" if it keeps that. `extends`: it changes the
    image. `discouraged`: instructions beyond those that the specification recommends.
    """

    kind: Literal["build", "run"]
    base: str
    extends: bool
    discouraged: tuple[Instruction, ...]


def read_dockerfile(content: bytes, kind: Literal["build", "run"], *, file: str) -> Dockerfile:
    """The Dockerfile, if it keeps to the rules for its kind; else `InvalidFile`."""
    instructions = parse(content, file=file)
    starts = [place for place, found in enumerate(instructions) if found.keyword == "FROM"]
    if len(starts) != 1:
        raise InvalidFile(f"{file}: has {len(starts)} FROM instructions; expected one, a single stage")
    before, body = instructions[: starts[0]], instructions[starts[0] + 1 :]
    for found in before:
        if found.keyword != "ARG":
            raise InvalidFile(f"{file}, line {found.line}: {found.keyword} stands before FROM")
    image = _image(instructions[starts[0]], file)
    if kind == "build":
        names = [found.rest.partition("=")[0] for found in before]
        if names != ["base_image"]:
            raise InvalidFile(f"{file}: does not start with the required ARG base_image")
        if image != BASE:
            raise InvalidFile(f"{file}: is built FROM {image[:200]}; expected FROM {BASE}")
    return Dockerfile(
        kind=kind,
        base="" if image == BASE else image,
        extends=bool(body),
        discouraged=tuple(found for found in body if found.keyword not in _RECOMMENDED),
    )


def body_of(instructions: Sequence[Instruction]) -> tuple[Instruction, ...]:
    """Those after FROM."""
    start = next(place for place, found in enumerate(instructions) if found.keyword == "FROM")
    return tuple(instructions[start + 1 :])


def arg_name(instruction: Instruction) -> str:
    """The name that an ARG declares; "" for any other instruction and for an ARG of several names."""
    words = instruction.rest.split()
    return words[0].partition("=")[0] if instruction.keyword == "ARG" and len(words) == 1 else ""


def parse(content: bytes, *, file: str) -> tuple[Instruction, ...]:
    """The instructions of a Dockerfile, continued lines joined and here-documents passed over."""
    lines = content.removeprefix(b"\xef\xbb\xbf").splitlines()
    escape = _escape(lines)
    texts = [line.decode(errors="replace") for line in lines]
    found: list[Instruction] = []
    at = 0
    while at < len(texts):
        first = at
        text, at = _joined(texts, at, escape)
        if not text:
            continue
        keyword, _, rest = text.partition(" ")
        keyword = keyword.upper()
        if keyword not in _KNOWN:
            raise InvalidFile(f"{file}, line {first + 1}: {keyword[:40]!r} is no Dockerfile instruction")
        if not rest.strip():
            raise InvalidFile(f"{file}, line {first + 1}: {keyword} lacks its arguments")
        body = at
        if keyword in ("ADD", "COPY", "RUN"):
            at = _after_heredocs(texts, at, rest, where=f"{file}, line {first + 1}")
        found.append(Instruction(keyword, rest.strip(), first + 1, at, heredoc=at > body))
    if not found:
        raise InvalidFile(f"{file}: has no instructions")
    return tuple(found)


def _escape(lines: list[bytes]) -> str:
    """The character that continues a line: a directive in the first comments may change it."""
    for line in lines:
        directive = _DIRECTIVE.match(line.strip())
        if not directive:
            break
        if directive[1].lower() == b"escape" and directive[2] == b"`":
            return "`"
    return "\\"


def _joined(texts: list[str], at: int, escape: str) -> tuple[str, int]:
    """The instruction at line `at` without its continuations' ends, and the line after it."""
    parts: list[str] = []
    while at < len(texts):
        text = texts[at].rstrip()
        at += 1
        # Comments and blank lines do not end a continued instruction.
        if text.lstrip().startswith("#") or (not text and parts):
            continue
        if text.endswith(escape):
            parts.append(text[:-1])
            continue
        parts.append(text)
        break
    return " ".join("".join(parts).strip().split(None, 1)), at


def _after_heredocs(texts: list[str], at: int, rest: str, *, where: str) -> int:
    for dash, _, name in _HEREDOC.findall(rest):
        while at < len(texts) and (texts[at].lstrip("\t") if dash else texts[at]) != name:
            at += 1
        if at == len(texts):
            raise InvalidFile(f"{where}: its here-document has no end {name}")
        at += 1
    return at


def _image(instruction: Instruction, file: str) -> str:
    words = instruction.rest.split()
    while words and words[0].startswith("--"):
        words.pop(0)
    if len(words) == 3 and words[1].upper() == "AS":
        del words[1:]
    if len(words) != 1:
        raise InvalidFile(
            f"{file}, line {instruction.line}: expected FROM IMAGE, found FROM {instruction.rest[:80]}"
        )
    return words[0]
