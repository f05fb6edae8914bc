"""A Docker Engine for tests: fixtures that connect or skip, small images made without any registry, no leftovers."""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild import engine as door
from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.container_spec import ContainerSpec
from pybuild.errors import PybuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

UID = GID = 1000
LABEL = "pybuild.test"
GNU_PROGRAMS = (
    "cat",
    "chmod",
    "cp",
    "dd",
    "env",
    "find",
    "grep",
    "head",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mknod",
    "mv",
    "readlink",
    "rm",
    "rmdir",
    "setsid",
    "sleep",
    "stat",
    "tail",
    "tar",
    "touch",
    "truncate",
    "yes",
)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.APIClient]:
    """A client of the engine; a test that asks for it is skipped, with the reason, where none answers.

    PYBUILD_REQUIRE_ENGINE=1 makes that a failure, for machines that are meant to have one.
    """
    try:
        client = door.connect()
    except PybuildError as exc:
        if os.environ.get("PYBUILD_REQUIRE_ENGINE"):
            pytest.fail(f"{exc}")
        pytest.skip(f"no Docker Engine: {exc}")
    with client:
        yield client


@pytest.fixture(scope="session")
def test_run() -> str:
    """A name that no other run of the tests uses; it begins the names of all that this run makes."""
    return f"pybuild-test-{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def gnu_image(engine: docker.APIClient, test_run: str) -> Iterator[str]:
    """An image of this machine's sh (dash on Debian), coreutils and find, with the libraries they need."""
    yield from image_of_files(engine, f"{test_run}/gnu:1", gnu_files())


@pytest.fixture(scope="session")
def busybox_image(engine: docker.APIClient, test_run: str) -> Iterator[str]:
    """An image with nothing but a static busybox (Debian package busybox-static), whose find has no -printf."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("no busybox here (apt-get install busybox-static)")
    applets = subprocess.run([busybox, "--list"], capture_output=True, check=True, text=True).stdout.split()
    if (
        "not a dynamic executable"
        not in subprocess.run(["ldd", busybox], capture_output=True, check=False, text=True).stderr
    ):
        pytest.skip(f"{busybox} is not static (apt-get install busybox-static)")
    files: dict[str, Path | str] = {"bin/busybox": Path(busybox)}
    files |= {f"bin/{applet}": "busybox" for applet in applets if applet != "busybox"}
    yield from image_of_files(engine, f"{test_run}/busybox:1", files)


@pytest.fixture(scope="session")
def tiny_image(gnu_image: str) -> str:
    """The image to take when a test only needs some container."""
    return gnu_image


@pytest.fixture
def container(
    engine: docker.APIClient, tiny_image: str, test_run: str
) -> Iterator[Callable[..., ContainerBuildEnv]]:
    """Makes build containers of `tiny_image` (or `image=`), closed after the test."""
    made: list[ContainerBuildEnv] = []

    def make(**options: object) -> ContainerBuildEnv:
        made.append(
            ContainerBuildEnv.create(
                engine, spec_for(str(options.pop("image", tiny_image)), test_run, **options)
            )
        )
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.fixture(scope="session")
def no_leftovers(engine: docker.APIClient, test_run: str) -> Iterator[None]:
    """Asserts at the end of the run that nothing made in it is left on the engine. Images go with their fixtures."""
    yield
    assert leftovers(engine, test_run) == []


def leftovers(engine: docker.APIClient, test_run: str) -> list[str]:
    """Containers and volumes of this run that exist now."""
    containers = engine.containers(all=True, filters={"label": f"{LABEL}={test_run}"})
    volumes = engine.volumes(filters={"name": test_run}).get("Volumes") or []
    return [container["Id"] for container in containers] + [volume["Name"] for volume in volumes]


def spec_for(image: str, test_run: str, **options: object) -> ContainerSpec:
    """A spec for `image` with this run's label and no network, unless `options` say otherwise."""
    values: dict[str, object] = {"uid": UID, "gid": GID, "labels": {LABEL: test_run}, "network": "none"}
    return ContainerSpec(image=image, **{**values, **options})  # type: ignore[arg-type]


def image_of_files(engine: docker.APIClient, name: str, files: dict[str, Path | str]) -> Iterator[str]:
    """Make an image of files (a path here, or a symlink's text); it goes when the generator ends."""
    # Not with `tag=`, which podman takes no notice of.
    engine.import_image_from_data(_tar(files), repository=name)
    yield name
    engine.remove_image(name, force=True)


def _tar(files: dict[str, Path | str]) -> bytes:
    """Files (a path here, or a symlink's text) and the folders that a builder has."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, mode, owner in (
            ("tmp", 0o1777, 0),
            ("etc", 0o755, 0),
            ("proc", 0o755, 0),
            ("layers", 0o755, UID),
            ("workspace", 0o755, UID),
        ):
            _add(tar, name, tarfile.DIRTYPE, mode=mode, owner=owner)
        _add(tar, "etc/passwd", tarfile.REGTYPE, content=b"root:x:0:0::/:\ncnb:x:1000:1000::/:/bin/sh\n")
        # Memberships that a build must not get.
        _add(tar, "etc/group", tarfile.REGTYPE, content=b"root:x:0:cnb\ndocker:x:999:cnb\ncnb:x:1000:\n")
        for name, source in files.items():
            if isinstance(source, str):
                _add(tar, name, tarfile.SYMTYPE, target=source)
            else:
                _add(tar, name, tarfile.REGTYPE, mode=0o755, content=source.read_bytes())
        if isinstance(program := files.get("bin/id"), Path):
            # Who may gain rights by it, a build must not.
            _add(tar, "bin/id-of-root", tarfile.REGTYPE, mode=0o4755, content=program.read_bytes())
    return data.getvalue()


def _add(
    tar: tarfile.TarFile,
    name: str,
    kind: bytes,
    *,
    mode: int = 0o644,
    owner: int = 0,
    content: bytes = b"",
    target: str = "",
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uid, member.gid = kind, mode, owner, owner
    member.size, member.linkname = len(content), target
    tar.addfile(member, io.BytesIO(content))


def gnu_files(*more: str) -> dict[str, Path | str]:
    """What an image of this machine's sh, coreutils, find and `more` programs has in it."""
    files: dict[str, Path | str] = {}
    for program in ("sh", *GNU_PROGRAMS, *more):
        found = shutil.which(program)
        if found is None:
            pytest.skip(f"this machine has no {program} to make an image of")
        real = Path(found).resolve()
        files[f"bin/{program}"] = real
        # Lines are "name => /path (address)" or, for the loader, "/path (address)".
        listed = subprocess.run(["ldd", real], capture_output=True, check=False, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            files[library.lstrip("/")] = Path(library).resolve()
    return files
