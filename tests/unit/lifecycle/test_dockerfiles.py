"""The Dockerfiles of image extensions (GNR-07, GNR-08)."""

from __future__ import annotations

import pytest

from pybuild.errors import InvalidFile
from pybuild.lifecycle.dockerfiles import parse, read_dockerfile

HEAD = "ARG base_image\nFROM ${base_image}\n"


def keywords(text: str) -> list[str]:
    return [found.keyword for found in parse(text.encode(), file="x.Dockerfile")]


def test_a_build_dockerfile_extends_the_base_image() -> None:
    found = read_dockerfile((HEAD + "RUN true\n").encode(), "build", file="x")

    assert (found.base, found.extends, found.discouraged) == ("", True, ())


def test_a_run_dockerfile_may_only_choose_another_base() -> None:
    found = read_dockerfile(b"FROM debian:12 AS base\n", "run", file="x")

    assert (found.base, found.extends) == ("debian:12", False)


def test_a_run_dockerfile_may_do_both() -> None:
    found = read_dockerfile(b"FROM --platform=linux/arm64 debian:12\nCOPY a b\n", "run", file="x")

    assert (found.base, found.extends) == ("debian:12", True)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no instructions"),
        ("# nothing\n", "no instructions"),
        ("FROM ${base_image}\n", "ARG base_image"),
        ("ARG other\nFROM ${base_image}\n", "ARG base_image"),
        ("ARG base_image\nARG other\nFROM ${base_image}\n", "ARG base_image"),
        ("ARG base_image\nFROM debian\n", "FROM debian"),
        ("ARG base_image\n", "0 FROM"),
        (HEAD + "FROM scratch\n", "2 FROM"),
        ("RUN true\n" + HEAD, "stands before FROM"),
        (HEAD + "BOGUS x\n", "line 3: 'BOGUS' is no Dockerfile instruction"),
        (HEAD + "RUN\n", "line 3: RUN lacks"),
        (HEAD + "RUN <<EOF\necho\n", "no end EOF"),
        ("ARG base_image\nFROM a b\n", "expected FROM IMAGE"),
    ],
)
def test_a_build_dockerfile_that_breaks_the_rules_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidFile, match=f"x: .*{reason}|x, .*{reason}"):
        read_dockerfile(text.encode(), "build", file="x")


def test_instructions_that_are_not_recommended_are_named() -> None:
    """GNR-08"""
    found = read_dockerfile((HEAD + "EXPOSE 80\nrun x\n").encode(), "build", file="x")

    assert [(command.keyword, command.line) for command in found.discouraged] == [("EXPOSE", 3)]


def test_continued_lines_comments_and_blank_lines_are_one_instruction() -> None:
    assert keywords("RUN a && \\\n# FROM comment\n\n  FROM b\nUSER x\n") == ["RUN", "USER"]


def test_the_escape_character_can_be_changed() -> None:
    assert keywords("# escape=`\nRUN a `\nFROM b\nRUN c:\\\nUSER x\n") == ["RUN", "RUN", "USER"]


def test_here_documents_are_passed_over() -> None:
    text = "RUN <<A <<-'B' cat\nFROM no\nA\nFROM no\n\tB\nCOPY <<EOF /x\nUSER no\nEOF\nUSER yes\n"

    assert keywords(text) == ["RUN", "COPY", "USER"]


def test_a_here_string_is_none() -> None:
    assert keywords('RUN cat <<<"text"\nUSER x\n') == ["RUN", "USER"]


def test_windows_lines_and_a_byte_order_mark_are_read() -> None:
    assert keywords("\ufeffFROM a\r\nUSER b\r\n") == ["FROM", "USER"]
