"""A build environment made ready: the app is the build user's, what buildpacks are given is root's."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.buildenv.local import LocalBuildEnv
from pybuild.platform.app.source import open_source
from pybuild.platform.buildpacks.fetch import fetch
from pybuild.platform.certificates import parse, pem
from pybuild.platform.ready import Readied, make_ready
from pybuild.spec.builder import Builder
from pybuild.spec.target import Target
from support.authority import certificate
from support.buildpacks import Folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pybuild.buildenv.api import Refused

BUILDER = Builder(name="b", image_id="sha256:b", uid=1, gid=1, target=Target())
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


class Below(LocalBuildEnv):
    """A folder of this machine in the place of a container's root directory; counts what goes in."""

    def __init__(self, root: Path) -> None:
        super().__init__(1000, 1000)
        self.root = root
        self.uploads = 0
        root.mkdir()

    def unpack(self, path: str, tar: Iterable[bytes]) -> None:
        self.uploads += 1
        super().unpack(f"{self.root}{path}", tar)

    def read_files(self, patterns: Sequence[str], *, limit: int = 1 << 20) -> dict[str, bytes | Refused]:
        found = super().read_files([f"{self.root}{pattern}" for pattern in patterns], limit=limit)
        return {path.removeprefix(str(self.root)): content for path, content in found.items()}


@dataclass
class Ready:
    """An app, a place for it, and how it was made ready."""

    app: Path
    env: Below

    def make(self, **options: Any) -> Readied:
        words = {"app_dir": "/var/www", "user_environ": {}, "trusted": (), **options}
        return make_ready(self.env, source=open_source(self.app), **words).finish()

    def text(self, path: str) -> str:
        return (self.env.root / path.lstrip("/")).read_bytes().decode(errors="surrogateescape")

    def owner(self, path: str) -> int:
        return (self.env.root / path.lstrip("/")).stat().st_uid


@pytest.fixture
def ready(tmp_path: Path) -> Ready:
    app = tmp_path / "app"
    app.mkdir()
    (app / "index.php").write_text("<?php")
    return Ready(app, Below(tmp_path / "root"))


def test_the_app_is_put_into_its_directory(ready: Ready) -> None:
    ready.make()

    assert ready.text("/var/www/index.php") == "<?php"
    assert ready.env.uploads == 1


def test_the_digest_tells_whether_the_app_is_the_same(ready: Ready) -> None:
    first = ready.make().upload
    assert ready.make().upload == first

    (ready.app / "index.php").write_text("<?PHP")

    assert ready.make().upload != first
    assert ready.make(user_environ={"A": "b"}).upload != first, "but variables are no part of it"
    assert ready.make(user_environ={"A": "b"}).upload == ready.make().upload


def test_variables_are_files_that_end_as_they_are(ready: Ready) -> None:
    values = {"PLAIN": "value", "LINES": "a\nb\n", "EMPTY": "", "BYTES": "\udcff é"}

    ready.make(user_environ=values)

    assert {name: ready.text(f"/platform/env/{name}") for name in values} == values


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
def test_buildpacks_may_read_and_not_write_what_they_are_given(ready: Ready) -> None:
    ready.make(user_environ={"A": "b"})

    assert (ready.owner("/var/www"), ready.owner("/var/www/index.php")) == (1000, 1000)
    assert (ready.owner("/platform/env/A"), ready.owner("/platform")) == (0, 0)
    status = (ready.env.root / "platform/env/A").stat()
    assert status.st_mode & 0o7777 == 0o644


def test_the_hosts_authorities_are_added_to_those_of_the_container(ready: Ready) -> None:
    theirs, ours = certificate("theirs"), certificate("ours")
    bundle = ready.env.root / BUNDLE.lstrip("/")
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes(pem(theirs))

    readied = ready.make(trusted=(ours, theirs))

    assert parse(bundle.read_bytes()) == (theirs, ours)
    assert set(parse(ready.text("/platform/ca-certificates.crt").encode())) == {theirs, ours}
    assert readied.delivery.environ["SSL_CERT_FILE"] in {BUNDLE, "/platform/ca-certificates.crt"}
    assert ready.env.uploads == 1


def test_without_authorities_of_the_host_nothing_is_said_of_them(ready: Ready) -> None:
    assert ready.make().delivery.environ == {}
    assert not (ready.env.root / "etc").exists()


def test_further_buildpacks_are_installed_as_the_builders_are(ready: Ready, tmp_path: Path) -> None:
    folders = Folders(tmp_path / "mine")
    folders.buildpack("acme/own", "2")
    fetched = fetch("buildpacks/acme_own/2", folder=folders.root, builder=BUILDER, scratch=tmp_path)

    ready.make(fetched=[fetched])

    program = ready.env.root / "cnb/buildpacks/acme_own/2/bin/build"
    assert os.access(program, os.X_OK)
    assert ready.env.uploads == 2
