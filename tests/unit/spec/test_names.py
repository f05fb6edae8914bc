"""Names that become paths: BPT-02, LNT-03, LYT-03, S-28, S-32."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pybuild.errors import InvalidFile
from pybuild.spec.names import (
    check_id,
    check_layer_name,
    check_process_type,
    check_text,
    check_version,
    escape_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable

NEVER = ("..", ".", "a\0b", "a\nb", "a\x1b[2J", "x" * 201, "a\x7f")


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (check_id, ("acme/go", "a.b-c/9", "b_two", "a/../b"), (*NEVER, "", "a b", "ä", "a@1", "a\\b", "a:b")),
        (check_version, ("1.2.3", "", "0.0.1-rc+2", "2"), (*NEVER, "1/2", "/")),
        (
            check_layer_name,
            ("ruby", "a.b", "é", "a b"),
            (*NEVER, "", "a/b", "/etc", "build", "launch", "store"),
        ),
        (check_process_type, ("web", "a.b_c-9", ""), (*NEVER, "a/b", "a b", "../../tmp/evil", "é", "a|b")),
        (check_text, ("sha256:00", "a<b>", "é/ü"), ("../a", "a/../b", "a\0b", "a\nb", "a\x1bb", "x" * 201)),
    ],
)
def test_a_name_is_checked_by_its_grammar(
    check: Callable[[str, str], str], good: tuple[str, ...], bad: tuple[str, ...]
) -> None:
    """BPT-02, LNT-03, LYT-03, S-28, S-32."""
    assert tuple(check(text, "f.toml: key") for text in good) == good
    for text in bad:
        with pytest.raises(InvalidFile, match=r"^f\.toml: key: ") as caught:
            check(text, "f.toml: key")
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 200


def test_an_id_is_one_folder_in_paths() -> None:
    """GO-01."""
    assert escape_id("acme/web/go") == "acme_web_go"
