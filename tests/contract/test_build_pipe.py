"""Trees that come out of a container by a pipe of its own, and what buildpacks may do to it."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest

from pybuild.buildenv.api import Command
from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.pipe import INSIDE, sweep
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


def test_the_container_may_only_write_to_it(env: ContainerBuildEnv) -> None:
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
