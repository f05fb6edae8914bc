"""Trees that come out of a container by a pipe of its own, and what buildpacks may do to it."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.api import Command
from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.pipe import INSIDE, sweep
from pybuild.errors import BuildError
from pybuild.oci import tar
from support.engine import spec_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("no_leftovers")]


@pytest.fixture
def env(
    engine: docker.APIClient, gnu_image: str, test_run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ContainerBuildEnv]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ContainerBuildEnv.create(engine, spec_for(gnu_image, test_run)) as made:
        made.script("mkdir /workspace/t && cd /workspace/t && echo one >a && head -c 3000000 /dev/zero >b")
        yield made


def run(env: ContainerBuildEnv, text: str) -> tuple[int, bytes]:
    written: list[bytes] = []
    command = Command(argv=("/bin/sh", "-c", text), environ={"PATH": "/bin"}, cwd="/")
    return env.run(command, written.append), b"".join(written)


def packed(env: ContainerBuildEnv) -> dict[bytes, bytes]:
    with env.pack("/workspace/t") as chunks:
        return {
            member.name: body.read(most=1 << 22)
            for member, body in tar.read(chunks)
            if member.kind == tar.FILE
        }


CONTENT = {b"t/a": b"one\n", b"t/b": bytes(3_000_000)}


def test_the_pipe_is_there_for_the_builds_user(env: ContainerBuildEnv) -> None:
    assert run(env, f"[ -p {INSIDE} ] && [ -w {INSIDE} ]") == (0, b"")
    assert packed(env) == CONTENT


def test_nothing_of_it_is_left_on_this_machine(env: ContainerBuildEnv, tmp_path: Path) -> None:
    packed(env)
    (there,) = tmp_path.iterdir()
    (tmp_path / "pybuild-pipe-4194304-killed").mkdir()
    kept = tmp_path / "pybuild-pipe-4194304-kept"
    kept.mkdir()
    (kept / "kept").touch()

    sweep()
    assert sorted(tmp_path.iterdir()) == sorted([there, kept])
    env.close()
    assert list(tmp_path.iterdir()) == [kept]


def test_what_a_program_wrote_there_before_counts_for_nothing(env: ContainerBuildEnv) -> None:
    """S-23."""
    assert run(env, f"echo junk >{INSIDE}; (while echo more; do :; done >{INSIDE}) &")[0] == 0

    assert packed(env) == CONTENT


def test_a_tree_that_was_given_up_early_does_not_come_with_the_next_one(env: ContainerBuildEnv) -> None:
    def give_up() -> None:
        with env.pack("/workspace/t") as chunks:
            raise ValueError(len(next(iter(chunks))))

    with pytest.raises(ValueError, match=r"^\d+$"):
        give_up()

    assert packed(env) == CONTENT


def test_a_program_that_removes_it_only_makes_it_slower(env: ContainerBuildEnv) -> None:
    """It cannot, and where it could, the engine's stream would serve."""
    assert run(env, f"rm -f {INSIDE}")[0] != 0

    assert packed(env) == CONTENT


def test_an_engine_that_sees_other_files_than_we_do_serves_without_it(
    engine: docker.APIClient,
    gnu_image: str,
    test_run: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    # For the engine this path leads to a file of its own, or nowhere.
    monkeypatch.setattr(tempfile, "tempdir", f"/proc/self/fd/{folder}")
    try:
        with ContainerBuildEnv.create(engine, spec_for(gnu_image, test_run)) as env:
            env.script("mkdir /workspace/t && echo one >/workspace/t/a")

            assert run(env, f"[ -e {INSIDE} ]")[0] == 1
            assert packed(env) == {b"t/a": b"one\n"}
    finally:
        os.close(folder)
    assert list(tmp_path.iterdir()) == []


def _app(env: ContainerBuildEnv, *, size: int = 5) -> list[tuple[tar.TarEntry, bytes]]:
    uid, gid = env.uid, env.gid
    return [
        (tar.TarEntry(b"workspace", tar.DIRECTORY, 0o777, uid, gid), b""),
        (tar.TarEntry(b"workspace/run me", tar.FILE, 0o4755, uid, gid, size), b"x" * size),
        (tar.TarEntry(b"workspace/new\nline \xff", tar.FILE, 0o600, uid, gid, 1), b"n"),
        (tar.TarEntry(b"workspace/link", tar.SYMLINK, 0o777, uid, gid, linkname=b"/etc/passwd"), b""),
        (tar.TarEntry(b"workspace/shut", tar.DIRECTORY, 0o555, uid, gid), b""),
        (tar.TarEntry(b"workspace/shut/in", tar.FILE, 0o444, uid, gid, 2), b"in"),
    ]


@pytest.mark.parametrize("size", [5, 30_000_000], ids=["small", "larger than the pipe"])
def test_an_app_goes_in_by_the_pipe_as_the_engine_would_put_it_there(
    env: ContainerBuildEnv, size: int
) -> None:
    chunks = list(tar.write(_app(env, size=size)))
    env.unpack("/", chunks)
    (by_engine,) = env.scan(["/workspace"])
    env.script("chmod -R u+w /workspace/shut && rm -rf /workspace/[!t]*")

    assert env.unpack_own("/", iter(chunks), owned="/workspace")

    (by_pipe,) = env.scan(["/workspace"])
    facts = [(e.path, e.kind, e.mode, e.uid, e.gid, e.size, e.target) for e in by_pipe.entries]
    assert facts == [(e.path, e.kind, e.mode, e.uid, e.gid, e.size, e.target) for e in by_engine.entries]
    assert [e.mtime for e in by_pipe.entries if e.kind == "f"] == [
        e.mtime for e in by_engine.entries if e.kind == "f"
    ]


def test_what_is_not_the_build_users_is_left_to_the_engine(env: ContainerBuildEnv) -> None:
    def unread() -> Iterator[bytes]:
        pytest.fail("it was read")
        yield b""

    assert not env.unpack_own("/", unread(), owned="/")
    assert not env.unpack_own("/", unread(), owned="/missing")


def test_a_tar_that_cannot_be_unpacked_there_is_left_to_the_engine(env: ContainerBuildEnv) -> None:
    """The rest is thrown away, and the next message finds nothing of it."""
    entries = [(tar.TarEntry(b"usr/mine", tar.FILE, 0o644, env.uid, env.gid, 9_000_000), bytes(9_000_000))]

    assert not env.unpack_own("/", tar.write(entries), owned="/workspace")

    assert packed(env) == CONTENT


def test_what_is_no_tar_is_left_to_the_engine_to_refuse(env: ContainerBuildEnv) -> None:
    assert not env.unpack_own("/", (b"x" * (1 << 20) for _ in range(64)), owned="/workspace")

    assert env.script("echo still here") == b"still here\n"


def test_a_source_that_fails_is_the_error(env: ContainerBuildEnv) -> None:
    def breaking() -> Iterator[bytes]:
        yield tar.header(tar.TarEntry(b"workspace/a", tar.FILE, 0o644, env.uid, env.gid, 600))
        raise BuildError("the source ended")

    with pytest.raises(BuildError, match="the source ended"):
        env.unpack_own("/", breaking(), owned="/workspace")

    assert packed(env) == CONTENT


def test_files_of_this_machine_are_there_to_be_read_alone(
    engine: docker.APIClient, gnu_image: str, test_run: str, tmp_path: Path
) -> None:
    file, folder = tmp_path / "bundle", tmp_path / "folder"
    file.write_text("certificates")
    folder.mkdir()
    (folder / "type").write_text("ca-certificates")
    for each in (file, folder, folder / "type"):
        # It is the mount that keeps the build from writing.
        each.chmod(0o777)
    mounts = {"/etc/ssl/some.crt": file, "/platform/bindings/some": folder}
    spec = replace(spec_for(gnu_image, test_run), mounts=mounts)
    with ContainerBuildEnv.create(engine, spec) as env:
        assert env.mounted
        assert (
            env.script("cat /etc/ssl/some.crt /platform/bindings/some/type") == b"certificatesca-certificates"
        )
        for path in ("/etc/ssl/some.crt", "/platform/bindings/some/type"):
            assert run(env, f"echo x >{path}")[0] != 0
    assert file.read_text() == "certificates"


def test_an_engine_that_lacks_a_mounted_file_serves_without_it(
    engine: docker.APIClient, gnu_image: str, test_run: str, tmp_path: Path
) -> None:
    spec = replace(spec_for(gnu_image, test_run), mounts={"/etc/some.crt": tmp_path / "missing"})
    with ContainerBuildEnv.create(engine, spec) as env:
        assert not env.mounted
        assert env.script("[ -e /etc/some.crt ] || echo without") == b"without\n"
