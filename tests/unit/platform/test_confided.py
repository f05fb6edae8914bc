"""Secrets and bindings of a build: read once, hidden from all output, written only where they end with the container."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.errors import InvalidInput
from pybuild.platform.confided import Confided, inside, read_bindings, read_secrets, tmpfs_mounts

if TYPE_CHECKING:
    from pathlib import Path


def value() -> str:
    """A new one each time: what is hidden stays so for the whole process."""
    return f"s3cret-{secrets.token_hex(8)}"


def test_a_secret_comes_from_a_file_or_a_variable(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\0\xff'\n")
    one, two, three = value(), value(), value()

    found = read_secrets(
        [f"id=a,src={tmp_path}/token", "id=b,env=TOKEN", "id=PLAIN", "type=env,id=d,env=OTHER"],
        {"TOKEN": one, "PLAIN": two, "OTHER": three},
    )

    assert [(each.path, each.content) for each in found] == [
        ("/run/secrets/a", b"\0\xff'\n"),
        ("/run/secrets/b", one.encode()),
        ("/run/secrets/PLAIN", two.encode()),
        ("/run/secrets/d", three.encode()),
    ]
    assert events.redact(f"{one} {two} {three}") == "*** *** ***"


def test_every_line_of_a_key_is_hidden(tmp_path: Path) -> None:
    first, second = value(), value()
    (tmp_path / "key").write_text(f"BEGIN\n{first}\n{second}\n")

    read_secrets([f"id=key,src={tmp_path}/key"], {})

    assert events.redact(f"got {second}, {first}, BEGIN") == "got ***, ***, BEGIN"


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("token", "a part without = is none of id="),
        ("id=../x,env=A", "needs id=NAME"),
        ("id=a,src=x,env=A", "one of src=FILE and env=VARIABLE"),
        ("id=a,env=NOT_SET", "the variable NOT_SET is not set"),
        ("id=a,src=/nowhere", "/nowhere cannot be read"),
        ("src=/etc/passwd", "needs id=NAME"),
    ],
)
def test_a_secret_that_cannot_be_is_refused(word: str, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        read_secrets([word], {"A": "b"})


def test_a_refusal_does_not_show_a_value_that_was_written_in_the_word() -> None:
    with pytest.raises(InvalidInput) as refused:
        read_secrets(["id=token,value=hunter2hunter2"], {})

    assert "hunter2" not in str(refused.value)
    assert "value=…" in str(refused.value)


def test_a_binding_is_its_folders_files_and_its_type_is_not_hidden(tmp_path: Path) -> None:
    password = value()
    (tmp_path / "type").write_text("mysql-database")
    (tmp_path / "password").write_text(password)
    (tmp_path / "..data").mkdir()

    found = read_bindings([f"db={tmp_path}"])

    assert [each.path for each in found] == ["/platform/bindings/db/password", "/platform/bindings/db/type"]
    assert events.redact(f"mysql-database {password}") == "mysql-database ***"


def test_a_binding_without_a_type_or_a_folder_is_refused(tmp_path: Path) -> None:
    for word, why in (
        (f"db={tmp_path}", "no file `type`"),
        ("db=/nowhere", "no folder"),
        ("x", "NAME=FOLDER"),
    ):
        with pytest.raises(InvalidInput, match=why):
            read_bindings([word])


def test_each_folder_is_a_tmpfs_for_the_builds_user_alone() -> None:
    files = [Confided(path=f"/run/secrets/{name}", content=bytes(100)) for name in "ab"]

    mounts = tmpfs_mounts([*files, Confided(path="/platform/bindings/db/type", content=b"")], uid=1000, gid=7)

    assert set(mounts) == {"/run/secrets", "/platform/bindings/db"}
    assert "uid=1000,gid=7,mode=0700" in mounts["/run/secrets"]


def test_what_was_read_inside_the_app_is_known(tmp_path: Path) -> None:
    (tmp_path / "app" / "conf").mkdir(parents=True)
    file = tmp_path / "app" / "conf" / "token"
    file.write_text("x")
    outside = tmp_path / "token"
    outside.write_text("x")

    found = [Confided(path="/run/secrets/a", content=b"", origin=origin) for origin in (file, outside, None)]

    assert list(inside(tmp_path / "app", found)) == [b"conf/token"]
