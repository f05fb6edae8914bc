"""Licences in copyright files of Debian packages."""

from __future__ import annotations

import pytest

from pybuild.libcnb.deb_licence import licences

TEXT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
Copyright: someone
License: Expat

Files: debian/*
License: {name}
 the whole text
 License: not a field
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-3", "GPL-3.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("AGPL-3.0-only", "AGPL-3.0-only"),
        ("BSD-3-clause", "BSD-3-Clause"),
        ("public-domain", "public-domain"),
        ("GPL-2+ or Artistic", "GPL-2+ or Artistic"),
    ],
)
def test_debians_names_become_those_of_spdx(name: str, expected: str) -> None:
    assert licences(TEXT.format(name=name)) == ("MIT", expected)


def test_a_licence_named_twice_counts_once_and_prose_not_at_all() -> None:
    assert licences(TEXT.format(name="Expat")) == ("MIT",)
    assert licences("This package is free.\nLicense: GPL\n") == ()
