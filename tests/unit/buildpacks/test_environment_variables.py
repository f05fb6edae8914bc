"""What BPE_ variables mean for the app."""

from __future__ import annotations

import pytest

from envvars.variables import Variable, read
from pybuild.libcnb.problem import Problem


def test_every_kind_has_its_operation() -> None:
    found = read(
        {
            "BPE_A": "1",
            "BPE_OVERRIDE_B": "2",
            "BPE_DEFAULT_C": "3",
            "BPE_APPEND_PATH": "/x",
            "BPE_PREPEND_PATH": "/y",
            "BPE_DELIM_PATH": ":",
            "BPE_APPEND_D": "z",
            "BPE_DEFAULT": "the variable DEFAULT",
            "OTHER": "not ours",
        }
    )

    assert set(found) == {
        Variable(name="A", operation="override", value="1"),
        Variable(name="B", operation="override", value="2"),
        Variable(name="C", operation="default", value="3"),
        Variable(name="PATH", operation="append", value="/x", delimiter=":"),
        Variable(name="PATH", operation="prepend", value="/y", delimiter=":"),
        Variable(name="D", operation="append", value="z"),
        Variable(name="DEFAULT", operation="override", value="the variable DEFAULT"),
    }


@pytest.mark.parametrize(
    ("environ", "heading"),
    [
        ({"BPE_": "x"}, "names no variable"),
        ({"BPE_1A": "x"}, "names no variable"),
        ({"BPE_APPEND_a-b": "x"}, "names no variable"),
        ({"BPE_../etc": "x"}, "names no variable"),
        ({"BPE_A": "x", "BPE_OVERRIDE_A": "y"}, "set twice"),
        ({"BPE_DELIM_A": ":"}, "delimits nothing"),
    ],
)
def test_what_cannot_be_meant_is_refused(environ: dict[str, str], heading: str) -> None:
    with pytest.raises(Problem, match=heading):
        read(environ)


@pytest.mark.parametrize(
    ("name", "secret"), [("DB_PASSWORD", True), ("GITHUB_TOKEN", True), ("LOG_LEVEL", False)]
)
def test_names_of_secrets_are_noticed(name: str, secret: bool) -> None:
    (variable,) = read({f"BPE_{name}": "x"})

    assert variable.looks_secret is secret
