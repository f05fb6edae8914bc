"""`_headers`, as Netlify and Cloudflare read it: a path, and below it, indented, the headers of what is found there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pybuild.libcnb.app_files import AppFiles
from static import errors
from static.text import encoded, is_plain, literal

if TYPE_CHECKING:
    from static.site import Site

FILE = "_headers"
FILES = AppFiles(1, errors.too_large)

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HOP = frozenset(["connection", "content-length", "content-encoding", "date", "etag", "location", "server"])
_HOP_MORE = frozenset(["last-modified", "transfer-encoding", "trailer", "upgrade", "basic-auth"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One header for the addresses that match `pattern`, in which `*` is anything and `:word` one part."""

    pattern: str
    name: str
    value: str

    def regex(self) -> str:
        """The pattern as a regular expression for the address as it was sent."""
        parts = re.split(r"(\*|:[A-Za-z][A-Za-z0-9_]*)", encoded(self.pattern))
        return "^" + "".join(map(_part, parts)) + "$"


def read(site: Site) -> tuple[Rule, ...]:
    """The rules of the site, in their order. Raises a `Problem` that names the line."""
    file = site.root / FILE
    if not file.is_file():
        return ()
    return parse(FILES.text(file))


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a file's text. Raises a `Problem`."""
    found: list[Rule] = []
    pattern = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if raw[:1] not in (" ", "\t"):
            if not line.startswith("/") or not is_plain(line):
                raise errors.bad_header(number, raw, "a path such as /fonts/*, or a header, indented")
            pattern = line
            continue
        if not pattern:
            raise errors.bad_header(number, raw, "a path such as /* in front of the first header")
        found.append(_rule(number, raw, pattern))
    return tuple(found)


def _rule(number: int, raw: str, pattern: str) -> Rule:
    name, colon, value = raw.strip().partition(":")
    if not colon or not _NAME.fullmatch(name) or not value.strip():
        raise errors.bad_header(number, raw, "`Name: value`")
    if name.lower() in _HOP | _HOP_MORE:
        raise errors.bad_header(number, raw, f"another header: {name} is the server's own")
    if not value.strip().isprintable():
        raise errors.bad_header(number, raw, "a value without control characters")
    return Rule(pattern=pattern, name=name, value=value.strip())


def _part(part: str) -> str:
    if part == "*":
        return "[^?]*"
    return "[^/?]+" if part.startswith(":") else literal(part)
