"""Owners of volumes, the build user, and the door that stays open to what only root may reach (GO-14)."""

from __future__ import annotations

import os
import socket
import stat
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pybuild.errors import EngineUnavailable, PybuildError
from pybuild.lifecycle import privileges
from support import phase

if TYPE_CHECKING:
    from pathlib import Path

USER = 1000
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def owners(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_uid, path.lstat().st_gid)
        for path in (folder, *folder.rglob("*"))
    }


@needs_root
def test_a_volume_becomes_the_build_users_with_all_that_is_in_it(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    volume = tmp_path / "volume"
    (volume / "a/b").mkdir(parents=True)
    (volume / "a/file").write_text("x")
    (volume / "link").symlink_to(outside)

    privileges.own([str(volume), str(tmp_path / "missing")], USER, USER + 1)

    assert set(owners(volume).values()) == {(USER, USER + 1)}
    assert owners(outside) == {".": (0, 0)}


@needs_root
@pytest.mark.parametrize(("uid", "gid", "mode"), [(USER, 0, 0o700), (0, USER, 0o770), (0, 0, 0o777)])
def test_a_volume_that_the_build_user_may_write_is_left_as_it_is(
    tmp_path: Path, uid: int, gid: int, mode: int
) -> None:
    (tmp_path / "inner").mkdir()
    os.chown(tmp_path, uid, gid)
    tmp_path.chmod(mode)

    privileges.own([str(tmp_path)], USER, USER)

    assert owners(tmp_path) == {".": (uid, gid), "inner": (0, 0)}


@needs_root
def test_the_build_user_has_no_way_back() -> None:
    def body() -> tuple[object, ...]:
        privileges.become(USER, USER)
        tried = []
        for call in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
            try:
                call()
            except PermissionError:
                tried.append("refused")
        return os.getresuid(), os.getresgid(), os.getgroups(), tried

    assert phase.in_child(body) == ((USER,) * 3, (USER,) * 3, [], ["refused"] * 3)


@needs_root
def test_who_is_not_root_cannot_become_someone_else() -> None:
    def body() -> str:
        privileges.become(USER, USER)
        privileges.become(USER, USER)
        with pytest.raises(PybuildError, match="exec as user 0:0"):
            privileges.become(0, 0)
        return "asked"

    assert phase.in_child(body) == "asked"


@needs_root
def test_root_is_refused_where_other_peoples_code_runs() -> None:
    with pytest.raises(PybuildError, match="failed to detect: refusing to run as root"):
        privileges.refuse_root("detector")


def test_the_door_gives_connections_until_it_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as server, closing(privileges.Door.keep(str(path))) as door:
        with pytest.raises(EngineUnavailable, match="No such file"):
            door.open()
        server.bind(str(path))
        server.listen()
        threading.Thread(target=_echo, args=(server, 2), daemon=True).start()

        for _ in range(2):
            with door.open() as connection:
                connection.sendall(b"ping")
                assert connection.recv(4) == b"ping"

        door.close()
        with pytest.raises(EngineUnavailable, match=r"the way to .* is closed"):
            door.open()


@needs_root
def test_the_door_opens_what_the_build_user_may_not(tmp_path: Path) -> None:
    path = tmp_path / "socket"

    def body() -> tuple[bool, bytes]:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
            path.chmod(0o600)
            server.listen()
            threading.Thread(target=_echo, args=(server, 1), daemon=True).start()
            door = privileges.Door.keep(str(path))
            privileges.become(USER, USER)
            with socket.socket(socket.AF_UNIX) as direct:
                refused = direct.connect_ex(str(path)) != 0
            with door.open() as connection:
                connection.sendall(b"ping")
                return refused, connection.recv(4)

    assert phase.in_child(body) == (True, b"ping")
    assert stat.S_ISSOCK(path.stat().st_mode)


def _echo(server: socket.socket, times: int) -> None:
    for _ in range(times):
        connection, _ = server.accept()
        with connection:
            connection.sendall(connection.recv(4))


def test_what_a_process_has_in_memory_is_closed_to_others_of_its_user() -> None:
    """S-24: as /proc/PID/environ and /proc/PID/mem are to buildpacks of the creator."""
    import ctypes

    get, put = 3, 4  # PR_GET_DUMPABLE, PR_SET_DUMPABLE

    def body() -> tuple[int, int]:
        library = ctypes.CDLL(None)
        library.prctl(put, 1, 0, 0, 0)
        before = library.prctl(get, 0, 0, 0, 0)
        privileges.close_to_others()
        return before, library.prctl(get, 0, 0, 0, 0)

    assert phase.in_child(body) == (1, 0)
