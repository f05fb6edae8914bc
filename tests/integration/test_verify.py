"""`pybuild verify`: two builds from nothing, told apart to the byte; nothing of them is left."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest

from pybuild.oci import tar
from pybuild.platform.verify import first_byte

if TYPE_CHECKING:
    from support.cli import Lab, Outcome

BUILD = """\
mkdir -p "$1/dep"
%s > "$1/dep/file"
printf '[types]\\nlaunch = true\\ncache = true\\n' > "$1/dep.toml"
cat > "$1/launch.toml" <<'TOML'
[[processes]]
type = "web"
command = ["/bin/cat", "file.txt"]
TOML"""


def verify(lab: Lab, writes: str) -> Outcome:
    buildpack = lab.buildpack(build=BUILD % writes)
    return lab.run(
        "verify", "--builder", lab.builder, "--network", "none", "--buildpack", buildpack, "--json"
    )


@pytest.mark.docker
def test_a_build_that_gives_the_same_again_is_reproducible(lab: Lab) -> None:
    found = verify(lab, "echo always")

    assert found.code == 0, found.text()
    said = json.loads(found.stdout)
    assert (said["same"], said["first_byte"]) == (True, None)
    assert said["image_ids"][0] == said["image_ids"][1]
    assert left(lab) == []


@pytest.mark.docker
def test_the_first_byte_that_differs_is_shown_with_its_file(lab: Lab) -> None:
    found = verify(lab, '{ printf "made by "; cat /proc/sys/kernel/random/uuid; }')

    assert found.code == 1, found.text()
    first = json.loads(found.stdout)["first_byte"]
    assert first["layer"] == "acme/bp:dep"
    assert first["path"].endswith("/dep/file")
    assert first["at"] >= len("made by ")
    assert first["a"] != first["b"]
    assert left(lab) == []


def left(lab: Lab) -> list[str]:
    assert lab.engine is not None
    images = [tag for image in lab.engine.images() for tag in image["RepoTags"] or []]
    return [tag for tag in images if tag.startswith("pybuild-compare-") and tag.endswith(("first", "second"))]


def archive(content: bytes, mode: int = 0o644) -> io.BytesIO:
    entries = [(tar.TarEntry(name, tar.FILE, mode, 0, 0, len(content)), content) for name in (b"a", b"b")]
    return io.BytesIO(b"".join(tar.write(entries)))


def test_a_byte_of_a_header_and_one_of_a_content_are_told_apart() -> None:
    same, other = archive(b"hello"), archive(b"hellO")

    assert first_byte(same, archive(b"hello"), layer="l") is None
    found = first_byte(same, other, layer="l")
    assert found is not None
    assert (found.path, found.at, found.a, found.b) == ("a", 4, ord("o"), ord("O"))
    changed = first_byte(same, archive(b"hello", mode=0o600), layer="l")
    assert changed is not None
    assert (changed.path, changed.at) == ("a", None)


def test_where_one_ends_sooner_there_is_no_byte() -> None:
    whole, short = archive(b"hello"), io.BytesIO(archive(b"hello").getvalue()[:600])

    found = first_byte(whole, short, layer="l")

    assert found is not None
    assert (found.offset, found.a is None, found.b) == (600, False, None)
