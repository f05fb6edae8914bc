"""What the site needs beside the pages: their order, and links to what lies outside of docs/.

mkdocs calls `on_config` and `on_page_markdown` (mkdocs.yml names this file); `make site` runs it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = "https://github.com/pybuild/pybuild/blob/main"
SECTIONS = {
    "tutorial": "Learn",
    "how-to": "Do",
    "reference": "Look up",
    "explanation": "Understand",
    "adr": "Decisions",
}
_LINK = re.compile(r"(\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
# `sh elsewhere` is for the tests of the documents: what follows the language is no Markdown.
_FENCE = re.compile(r"^(```\w+) \w+$", re.MULTILINE)


def on_config(config: Any) -> Any:
    """Every page has its place: by folder, as the first page names them, the rest by name."""
    folder = Path(config["docs_dir"])
    config["nav"] = navigation((folder / "README.md").read_text("utf-8"), _pages(folder))
    return config


def navigation(start: str, pages: Sequence[str]) -> list[dict[str, Any]]:
    """The pages as mkdocs wants them. `start`: text of the first page, which links to most of them."""
    named = [link for _, link, _ in _LINK.findall(start)]
    order = {page: number for number, page in reversed(list(enumerate(named)))}
    found: list[dict[str, Any]] = [{"Start": "README.md"}]
    for folder, title in SECTIONS.items():
        inside = [page for page in pages if page.startswith(f"{folder}/")]
        ranked = sorted(
            inside, key=lambda page: (not page.endswith("README.md"), order.get(page, len(named)), page)
        )
        found.append({title: ranked})
    return found


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page's text with links that lead somewhere in a site."""
    return linked(markdown, page.file.src_uri)


def linked(markdown: str, source: str) -> str:
    """`markdown` of the page `source`, with links out of docs/ to the sources instead."""

    def turned(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(source), found[2]))
        if target.split("/")[0] == "docs" and target != "docs" and not target.endswith("/adr"):
            return found[0]
        if target.endswith("/adr"):
            return f"{found[1]}{found[2]}/README.md{found[3]}"
        return f"{found[1]}{SOURCES}/{target}{found[3]}"

    return _FENCE.sub(r"\1", _LINK.sub(turned, markdown))


def _pages(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.md"))
