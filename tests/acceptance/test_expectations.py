"""The schema of expect.toml: read strictly, and told whole in samples/README.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidFile
from support.expectation import KEYS, Expectation
from support.sample import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

README = (SAMPLES / "README.md").read_text("utf-8")


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
def test_every_sample_has_an_expectation_and_a_row_in_the_readme(sample: str) -> None:
    expected = Expectation.read(SAMPLES / sample / "expect.toml")

    assert expected.requests
    assert f"[{sample}]({sample})" in README


@pytest.mark.parametrize(
    "key", sorted({key for keys in KEYS.values() for key in keys} - {"build", "run", "rebuild"})
)
def test_every_key_is_told_in_the_readme(key: str) -> None:
    assert re.search(rf"[`\[.,\] ]{re.escape(key)}[`\],]", README)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("service = ['mariadb']", r"service: expected one of services, build"),
        ("services = ['oracle']", r"services: expected one of .*found 'oracle'"),
        ("[build]\noutputs = []", r"build\.outputs: expected one of env, output"),
        ("[run]\nread-only = 'yes'", r"run\.read-only: expected true or false, found string 'yes'"),
        ("[[http]]\nurl = '/'", r"http\[0\]\.url: expected one of path"),
        ("[change]\nfile = 'a'", r"change\.find: expected a string, found nothing"),
        ("[[change.http]]\n", r"change\.file: expected a string, found nothing"),
        ("[[process]]\nargs = [1]", r"process\[0\]"),
    ],
)
def test_a_misspelt_key_or_wrong_value_is_refused_with_its_place(
    text: str, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "expect.toml"
    file.write_text(text)

    with pytest.raises(InvalidFile, match=complaint):
        Expectation.read(file)


def test_a_form_makes_a_request_a_post(tmp_path: Path) -> None:
    file = tmp_path / "expect.toml"
    file.write_text("[[http]]\nform = { a = 'b' }\n[[http]]\npath = '/x'\nstatus = 404\n")

    posted, got = Expectation.read(file).requests

    assert (posted.method, posted.path, posted.form, posted.status) == ("POST", "/", {"a": "b"}, 200)
    assert (got.method, got.path, got.form, got.status) == ("GET", "/x", None, 404)
