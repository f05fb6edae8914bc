"""Files told apart by their paths."""

from __future__ import annotations

import pytest

from pybuild.platform.images.file_classes import SPARE, file_class


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("usr/lib/x86_64-linux-gnu/libicudata.so.72.1", "libraries"),
        ("layers/acme/node/lib/node_modules/a/build/b.node", "libraries"),
        ("usr/bin/perl", "programs"),
        ("usr/share/doc/perl/changelog.gz", "documentation"),
        ("workspace/README.md", "documentation"),
        ("workspace/LICENSE", "documentation"),
        ("usr/share/locale/de/LC_MESSAGES/a.mo", "translations"),
        ("usr/include/stdio.h", "for compiling"),
        ("usr/lib/libc.a", "for compiling"),
        ("workspace/vendor/a/tests/ATest.php", "tests"),
        ("workspace/src/contest.php", "source code"),
        ("workspace/a/__pycache__/b.cpython-311.pyc", "compiled code"),
        ("workspace/public/app.js.map", "source maps"),
        ("workspace/public/app.js", "source code"),
        ("workspace/.git/objects/ab/cd", "history"),
        ("var/cache/debconf/config.dat", "caches"),
        ("workspace/public/index.html", "web pages and styles"),
        ("workspace/public/logo.PNG", "pictures, fonts, media"),
        ("workspace/composer.lock", "data and settings"),
        ("workspace/Makefile", "other"),
        ("workspace/sub/bin/tool.py", "programs"),
        ("", "other"),
    ],
)
def test_a_files_path_says_what_it_is_for(path: str, name: str) -> None:
    assert file_class(path) == name


def test_what_can_be_spared_are_classes_that_there_are() -> None:
    named = {"usr/share/doc/a", "a.mo", "a.h", "a.js.map", "tests/a", "var/cache/a", ".git/a"}

    assert {file_class(path) for path in named} == set(SPARE)
