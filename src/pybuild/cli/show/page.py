"""One HTML page to hand on: complete in its file, without scripts, and nothing that it would load from anywhere.

Everything in it is text from images and buildpacks, so each word goes through `escape`, and a policy in the page forbids what
could get past that. It is light or dark as the reader's machine is, and as readable on a phone as on paper.
"""

from __future__ import annotations

import os
from html import escape
from typing import TYPE_CHECKING

from pybuild import __version__
from pybuild.cli.show.console import printable
from pybuild.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_STYLE = """\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d8dee4;--page:#fff;--box:#f6f8fa;--bar:#4059ad;
--good:#1a7f37;--new:#9a6700;--gone:#b42318}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--line:#30363d;--page:#0d1117;--box:#161b22;
--bar:#8aa2f0;--good:#56d364;--new:#e3b341;--gone:#ff7b72}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1.5rem 1rem 3rem;background:var(--page);color:var(--ink);
font:1rem/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2rem 0 .5rem;overflow-wrap:anywhere}
p{margin:.25rem 0 1rem}
code,pre{font:.875em/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
pre{background:var(--box);border:1px solid var(--line);border-radius:.4rem;padding:.6rem .8rem;white-space:pre-wrap}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.35rem 1rem .35rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
thead th{color:var(--soft);font-weight:600;font-size:.85rem}
tbody th{color:var(--soft);font-weight:500;white-space:nowrap}
td.number{white-space:nowrap;font-variant-numeric:tabular-nums}
@media (min-width:40.01rem){
table.kinds td:first-child{white-space:nowrap}
table.kinds td:nth-child(2){min-width:18rem}
td[data-is=Size]{white-space:nowrap}
}
.good{color:var(--good)}.new{color:var(--new)}.gone{color:var(--gone)}
.soft,footer{color:var(--soft)}
footer{margin-top:2.5rem;font-size:.85rem}
.bar{display:block;height:.6rem;margin-top:.45rem;min-width:2px;border-radius:.2rem;background:var(--bar)}
@media (max-width:40rem){
table.cells thead{position:absolute;left:-100vw}
table.cells tr{display:block;padding:.5rem 0;border-bottom:1px solid var(--line)}
table.cells td{display:flex;gap:.75rem;padding:.1rem 0;border:0}
table.cells td:empty{display:none}
table.cells td[data-is=""]{font-weight:600}
table.cells td:not([data-is=""])::before{content:attr(data-is);flex:0 0 5.5rem;color:var(--soft);font-size:.85rem}
}
@media print{body{max-width:none}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(title: str, parts: Iterable[str]) -> str:
    """The whole page; `parts` are HTML, `title` is text."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{text(title)}</h1>\n"
        + "\n".join(parts)
        + f"\n</main>\n<footer>pybuild {text(__version__)}</footer>\n</body>\n</html>\n"
    )


def text(word: str) -> str:
    """A word from anywhere as HTML: never a tag, and what would not be seen is shown as an escape."""
    return escape(printable(word))


def section(title: str, content: str) -> str:
    """A heading and HTML below it; nothing without content."""
    return f"<section>\n<h2>{text(title)}</h2>\n{content}\n</section>" if content else ""


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values beside each other."""
    shown = "\n".join(
        f'<tr><th scope="row">{text(name)}</th><td>{text(value)}</td></tr>' for name, value in rows
    )
    return f"<table>\n<tbody>\n{shown}\n</tbody>\n</table>" if shown else ""


def cells(header: Sequence[str], rows: Iterable[Sequence[str]], *, kinds: Sequence[str] = ()) -> str:
    """A table; each row becomes a card on a narrow screen. `kinds`: a class for each row, or ""."""
    shown = []
    for number, row in enumerate(rows):
        kind = f' class="{kinds[number]}"' if kinds and kinds[number] else ""
        inner = "".join(
            f'<td data-is="{text(name)}"{kind if not place else ""}>{text(value)}</td>'
            for place, (name, value) in enumerate(zip(header, row, strict=True))
        )
        shown.append(f"<tr>{inner}</tr>")
    if not shown:
        return ""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in header)
    return '<table class="cells{}">\n<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>'.format(
        " kinds" if kinds else "", head, "\n".join(shown)
    )


def bars(rows: Sequence[tuple[str, float, str]]) -> str:
    """Name, amount and the amount in words, with a bar as long as its part of the longest."""
    most = max((amount for _, amount, _ in rows), default=0) or 1
    shown = "\n".join(
        f'<tr><th scope="row">{text(name)}</th><td class="number">{text(words)}</td>'
        f'<td style="width:60%"><span class="bar" style="width:{max(amount, 0) / most:.1%}"></span></td></tr>'
        for name, amount, words in rows
    )
    return f"<table>\n<tbody>\n{shown}\n</tbody>\n</table>"


def check_writable(option: str, path: Path) -> None:
    """Raise `InvalidInput` before anything is done for a file that could not be written after it."""
    folder = path.absolute().parent
    if path.is_dir() or not folder.is_dir():
        raise InvalidInput(
            f"{option}: {path} is not the name of a file in a folder", hint=f"mkdir -p {folder}"
        )
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise InvalidInput(f"{option}: {path} cannot be written", hint=f"ls -ld {folder}")


def write(path: Path, content: str) -> None:
    """Write a page. Names in an image may hold bytes of no alphabet, which are shown as escapes."""
    path.write_text(content, encoding="utf-8", errors="backslashreplace")
