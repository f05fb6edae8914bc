"""`_redirects`, as Netlify and others read it: `from to status` lines; the first that matches counts.

A rule applies where the site has no such file; with `!` behind the status it applies always.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pybuild.libcnb.app_files import AppFiles
from static import errors
from static.text import DOLLAR, decoded, encoded, is_plain, literal

if TYPE_CHECKING:
    from static.site import Site

FILE = "_redirects"
FILES = AppFiles(1, errors.too_large)
REDIRECT = (301, 302, 303, 307, 308)
REWRITE = 200
GONE = (404, 410)

_WORD = re.compile(r":([A-Za-z][A-Za-z0-9_]*)")
_STATUS = re.compile(r"(\d{3})(!?)")
_SPLAT = "splat"
# nginx reads a pair of backslashes as one before the regular expression is read.
_ANYTHING = rf"(?:/[/\\\\]*(?<w_{_SPLAT}>[^?]*))?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`source` and `target` as they stand in the file, words such as `:year` in them. `force`: files do not matter."""

    source: str
    target: str
    status: int = 301
    force: bool = False
    number: int = 0

    def below(self, location: str) -> Rule:
        """The same rule for a site that is at this path: the file is written as if it were at the top."""
        local = self.target.startswith("/")
        return replace(self, source=location + self.source, target=(location if local else "") + self.target)

    def directive(self) -> str:
        """The rule for nginx, inside `server` or a named location."""
        if self.status == REWRITE:
            # nginx matches the decoded address here, and nothing of it is sent to the visitor.
            pattern = _pattern(decoded(self.source))
            return f'rewrite "{pattern}" "{_filled(decoded(self.target))}" last;'
        # The address as it was sent: a decoded one could bring line ends into the header.
        condition = f'if ($path ~ "{_pattern(encoded(self.source))}")'
        if self.status in GONE:
            return f"{condition} {{ return {self.status}; }}"
        path, mark, fragment = encoded(self.target).partition("#")
        query = "" if "?" in path else "$is_args$args"
        return f'{condition} {{ return {self.status} "{_filled(path)}{query}{mark}{fragment}"; }}'


def read(site: Site) -> tuple[Rule, ...]:
    """The rules of the site, in their order. Raises a `Problem` that names the line."""
    file = site.root / FILE
    if not file.is_file():
        return ()
    rules = parse(FILES.text(file))
    for rule in rules:
        if rule.status == REWRITE and not _WORD.search(rule.target) and not _exists(site, rule.target):
            raise errors.bad_redirect(
                rule.number, f"{rule.source} {rule.target}", "a file of the site to rewrite to"
            )
    return rules


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of a file's text. Raises a `Problem`."""
    lines = ((number, raw, raw.split(" #", 1)[0].split()) for number, raw in enumerate(text.splitlines(), 1))
    return tuple(
        _rule(number, raw, words) for number, raw, words in lines if words and not words[0].startswith("#")
    )


def _rule(number: int, raw: str, words: list[str]) -> Rule:
    if len(words) not in (2, 3):
        expected = "`from to` or `from to status`; conditions and query parameters are not supported"
        raise errors.bad_redirect(number, raw, expected)
    source, target = words[:2]
    status = _STATUS.fullmatch(words[2] if len(words) == 3 else "301")
    if not status or int(status[1]) not in (*REDIRECT, REWRITE, *GONE):
        raise errors.bad_redirect(number, raw, "a status of 200, 301, 302, 303, 307, 308, 404 or 410")
    rule = Rule(source=source, target=target, status=int(status[1]), force=bool(status[2]), number=number)
    _check(rule, raw)
    return rule


def _check(rule: Rule, raw: str) -> None:
    star = rule.source.find("*")
    if not rule.source.startswith("/") or (star >= 0 and not rule.source.endswith("/*")):
        raise errors.bad_redirect(rule.number, raw, "a path in front, with * only as its last part")
    if star not in (-1, len(rule.source) - 1):
        raise errors.bad_redirect(rule.number, raw, "* only once, as the last part of the path")
    if not is_plain(rule.source) or not is_plain(rule.target):
        raise errors.bad_redirect(rule.number, raw, "addresses without quotes, backslashes and dollar signs")
    local = rule.target.startswith("/") and not rule.target.startswith("//")
    if rule.status == REWRITE and not local:
        raise errors.bad_redirect(rule.number, raw, "a file of the site: other hosts are not asked for it")
    if not local and not re.match(r"https?://[^/:]", rule.target):
        raise errors.bad_redirect(rule.number, raw, "a path or an address with http:// or https:// to go to")
    known = {*_WORD.findall(rule.source), *([_SPLAT] if star >= 0 else [])}
    unknown = [word for word in _WORD.findall(_path(rule.target)) if word not in known]
    if unknown:
        raise errors.bad_redirect(rule.number, raw, f":{unknown[0]} in front too, where it gets its value")


def _pattern(source: str) -> str:
    """The source as a regular expression. A slash at the end makes no difference; `*` is anything, or nothing."""
    path = source.removesuffix("*").rstrip("/")
    parts = _WORD.split(path)
    body = "".join(
        literal(part) if place % 2 == 0 else f"(?<w_{part}>[^/?]+)" for place, part in enumerate(parts)
    )
    # Slashes in front of what * matches are left out, so that no target becomes an address of another host.
    return f"^{body}{_ANYTHING}$" if source.endswith("*") else f"^{body}/?$"


def _filled(target: str) -> str:
    head, path = _split(target)
    return head + _WORD.sub(r"${w_\1}", path.replace("$", DOLLAR))


def _path(target: str) -> str:
    return _split(target)[1]


def _split(target: str) -> tuple[str, str]:
    """Scheme, host and port, in which a colon is no word's, and the rest."""
    found = re.match(r"https?://[^/]*", target)
    return (found[0], target[found.end() :]) if found else ("", target)


def _exists(site: Site, target: str) -> bool:
    path = decoded(target.split("?", 1)[0].split("#", 1)[0])
    return any(site.has(name) for name in (path, f"{path}.html", f"{path}/index.html"))
