"""The documentation as a site: built without a warning, whole, and without a request to anybody else."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LOADED = re.compile(r'<(?:script|img|iframe|source)[^>]*\ssrc="([^"]+)"|<link[^>]*\shref="([^"]+)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Every page's HTML, by its path."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.html")}


def test_every_page_is_there_and_in_the_navigation(site: Mapping[str, str]) -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    expected = {re.sub(r"README\.md$", "index.md", page).removesuffix(".md") + ".html" for page in pages}

    start = site["index.html"]

    assert expected - site.keys() == set()
    assert [page for page in expected - {"index.html"} if f'href="{page}"' not in start] == []


def test_no_page_loads_anything_from_elsewhere(site: Mapping[str, str]) -> None:
    loaded = {
        (page, first or second) for page, text in site.items() for first, second in LOADED.findall(text)
    }

    assert loaded
    assert [(page, url) for page, url in loaded if "://" in url or url.startswith("//")] == []


def test_blocks_of_code_are_blocks_and_no_markdown_is_left(site: Mapping[str, str]) -> None:
    text = {page: html.unescape(re.sub(r"<[^>]+>", "", content)) for page, content in site.items()}

    assert [page for page, content in text.items() if "```" in content] == []
    assert "docker run" in text["tutorial/php-in-ten-minutes.html"]


def test_links_out_of_the_documents_lead_to_the_sources(site: Mapping[str, str]) -> None:
    assert 'href="https://github.com/pybuild/pybuild/blob/main/CONTRIBUTING.md"' in site["index.html"]
    assert 'href="../how-to/compare.html"' in site["reference/python-api.html"]
