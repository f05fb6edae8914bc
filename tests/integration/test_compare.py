"""`pybuild compare` on images in a real engine, in registries and archives, sound ones and hostile ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import InvalidArchive, InvalidInput
from pybuild.oci import tar
from pybuild.oci.digest import sha256
from pybuild.stores.daemon import DaemonStore
from support.rebasing import put_app, put_run_image

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from support.cli import Lab, Outcome
    from support.registry import DebianRegistry, Registry

pytestmark = pytest.mark.docker

BUILD = """\
mkdir -p "$1/dep"
echo "a dependency" > "$1/dep/file"
printf '[types]\\nlaunch = true\\n' > "$1/dep.toml"
version=$(cat sbom-version)
echo '{"components": [{"name": "left-pad", "version": "'$version'"}]}' > "$1/dep.sbom.cdx.json"
cat > "$1/launch.toml" <<'TOML'
[[processes]]
type = "web"
command = ["/bin/cat", "file.txt"]
default = true
TOML"""


def compared(outcome: Outcome, code: int) -> Any:
    assert outcome.code == code, outcome.text()
    return json.loads(outcome.stdout)


@pytest.fixture
def one_build(lab: Lab) -> Lab:
    """The image one, with an SBOM."""
    buildpack = lab.buildpack(build=BUILD)
    descriptor = lab.root / "cnb" / "buildpacks" / "acme_bp" / "1" / "buildpack.toml"
    text = descriptor.read_text()
    descriptor.write_text(
        text.replace("[buildpack]\n", '[buildpack]\nsbom-formats = ["application/vnd.cyclonedx+json"]\n')
    )
    (lab.app / "sbom-version").write_text("1.0\n")
    assert lab.build("--buildpack", buildpack, name="one").code == 0
    return lab


@pytest.fixture
def two_builds(one_build: Lab) -> Lab:
    """And the image two, in which one file differs, and the SBOM."""
    lab = one_build
    buildpack = str(lab.root / "cnb" / "buildpacks" / "acme_bp" / "1")
    (lab.app / "file.txt").write_text("a changed app\n")
    (lab.app / "sbom-version").write_text("2.0\n")
    assert lab.build("--buildpack", buildpack, name="two").code == 0
    return lab


def test_two_builds_with_one_changed_file(two_builds: Lab, tmp_path: Path, engine: docker.APIClient) -> None:
    lab = two_builds
    one, two = lab.name("one"), lab.name("two")

    found = compared(lab.run("compare", one, f"docker:{two}", "--json"), 1)
    table = lab.run("compare", one, two, COLUMNS="80")
    quiet = lab.run("compare", one, two, "--quiet")
    same = lab.run("compare", lab.image_id("one"), lab.image_id("one")[7:19], COLUMNS="80")

    assert [pair["owner"] for pair in found["layers"] if pair["change"] != "same"] == ["sbom", "app slice 1"]
    assert {pair["owner"] for pair in found["layers"]} >= {"run image", "acme/bp:dep", "launcher", "config"}
    assert [(files["owner"], files["changed"]) for files in found["files"]] == [("sbom", 1)]
    assert found["sbom"] == [
        {
            "file": "acme_bp/dep (cdx)",
            "change": "changed",
            "added": ["left-pad@2.0"],
            "removed": ["left-pad@1.0"],
            "fault": None,
        }
    ]
    assert {item["section"] for item in found["differences"]} <= {"image", "labels"}
    assert {item["at"] for item in found["differences"] if item["section"] == "labels"} == {
        ".app[0].sha",
        ".sbom.sha",
    }

    every = compared(lab.run("compare", one, two, "--json", "--all-layers"), 1)
    (app,) = (files for files in every["files"] if files["owner"] == "app slice 1")
    assert [(file["path"], file["what"]) for file in app["files"]] == [
        ("/workspace/file.txt", ["content", "size"]),
        ("/workspace/sbom-version", ["content"]),
    ]
    assert app["files"][0]["b"]["digest"] == sha256(b"a changed app\n")

    assert (table.code, "\x1b" in table.stdout) == (1, False)
    assert "  ~ /layers/sbom/launch/acme_bp/dep/sbom.cdx.json  content" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80
    assert (quiet.code, quiet.stdout, quiet.stderr) == (1, "", "")

    assert same.code == 0
    assert "They are the same image" in same.stdout
    assert "Reading" not in same.stderr

    archive = tmp_path / "one.tar"
    with archive.open("wb") as file:
        for chunk in engine.get_image(one):
            file.write(chunk)
    saved = f"docker-archive:{archive}"
    assert compared(lab.run("compare", saved, one, "--json"), 0)["identical"]
    assert compared(lab.run("compare", saved, two, "--json"), 1)["files"] == found["files"]


def test_an_image_that_no_buildpacks_made(one_build: Lab, gnu_image: str) -> None:
    found = compared(one_build.run("compare", gnu_image, one_build.name("one"), "--json"), 1)

    assert next(pair["change"] for pair in found["layers"]) == "same"
    assert {pair["change"] for pair in found["layers"][1:]} == {"added"}
    assert found["files"] == []
    assert found["sbom"][0]["added"] == ["left-pad@1.0"]
    assert any("has no label" in note for note in found["notes"])


def test_a_rebased_image_differs_in_nothing_but_its_base(lab: Lab, engine: docker.APIClient) -> None:
    store, old, new = DaemonStore(engine), lab.name("run:old"), lab.name("run:new")
    base = put_run_image(store, old, "debian", "patch 1")
    put_run_image(store, new, "debian", "patch 2")
    put_app(store, lab.name("app"), base, new, "app")
    words = ("--previous-image", lab.name("app"), "--pull-policy", "never")
    rebased = lab.run("rebase", lab.name("rebased"), *words)
    assert rebased.code == 0, rebased.text()

    found = compared(lab.run("compare", lab.name("app"), lab.name("rebased"), "--json"), 1)

    assert [(pair["owner"], pair["change"]) for pair in found["layers"]] == [
        ("run image", "same"),
        ("run image", "changed"),
        ("app slice 1", "same"),
    ]
    assert [(files["added"], files["removed"]) for files in found["files"]] == [(1, 1)]
    assert {each["section"] for each in found["differences"]} == {"image", "base", "history", "labels"}


def test_an_image_is_the_same_in_engine_and_registry(
    engine: docker.APIClient, gnu_image: str, lab: Lab, debian_registry: DebianRegistry
) -> None:
    name = f"{debian_registry.host}/acme/compared"
    auth = {"username": "builder", "password": "correct horse"}
    engine.tag(gnu_image, name, "1")
    try:
        for step in engine.push(name, "1", auth_config=auth, stream=True, decode=True):
            assert "error" not in step, step
    finally:
        engine.remove_image(f"{name}:1", force=True)

    words = ("compare", gnu_image, f"registry:{name}:1", "--json")
    found = compared(lab.run(*words, DOCKER_CONFIG=str(debian_registry.config)), 0)

    assert found["identical"]
    assert found["images"][0]["id"] == found["images"][1]["config_digest"]
    lab.run(*words).failed(13, "401")


def test_an_image_that_is_missing_is_named_with_the_next_step(lab: Lab, registry: Registry) -> None:
    lab.run("compare", "no/such", "no/such").failed(InvalidInput.exit_code, "there is no image no/such")
    missing = f"registry:{registry.host}/no/such"
    lab.run("compare", missing, missing).failed(InvalidInput.exit_code, missing)


def _tar(*names: bytes) -> bytes:
    return b"".join(tar.write([(tar.TarEntry(name, tar.FILE, 0o644, 0, 0, 1), b"x") for name in names]))


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (_tar(b"/a")[:700], "cut off"),
        (b"junk" * 1000, "instead of a number"),
        (tar.header(tar.TarEntry(b"/huge", tar.FILE, 0o644, 0, 0, 1 << 50)), "larger than"),
        (b"", "cut off"),
    ],
)
def test_a_hostile_layer_ends_in_one_clear_error(
    words_lab: Lab, registry: Registry, layer: bytes, said: str
) -> None:
    registry.put_image("acme/good", "latest", [_tar(b"/a")])
    registry.put_image("acme/bad", "latest", [layer])
    words = [f"registry:{registry.host}/acme/{name}" for name in ("good", "bad")]

    outcome = words_lab.run("compare", *words)

    outcome.failed(InvalidArchive.exit_code, said, "the layer 'layer 1' of", "acme/bad")


def test_names_in_a_hostile_layer_are_shown_and_never_used(words_lab: Lab, registry: Registry) -> None:
    registry.put_image("acme/good", "latest", [_tar(b"/a")])
    registry.put_image("acme/bad", "latest", [_tar(b"../../../etc/passwd", b"/\xff\x1b]0;title\x07")])
    words = [f"registry:{registry.host}/acme/{name}" for name in ("good", "bad")]

    outcome = words_lab.run("compare", *words)

    assert outcome.code == 1
    assert "  + /etc/passwd" in outcome.stdout
    assert "\\xff\\x1b]0;title\\x07" in outcome.stdout


def test_a_layer_that_is_not_what_its_digest_says_is_no_difference_but_an_error(
    words_lab: Lab, registry: Registry
) -> None:
    for name, content in (("good", b"/a"), ("bad", b"/b")):
        registry.put_image(f"acme/{name}", "latest", [_tar(content)])
    (blob,) = {
        key for key, value in registry.blobs.items() if key[0] == "acme/bad" and not value.startswith(b"{")
    }
    registry.blobs[blob] = bytes(len(registry.blobs[blob]))
    words = [f"registry:{registry.host}/acme/{name}" for name in ("good", "bad")]

    outcome = words_lab.run("compare", *words)

    assert outcome.code > 1
    assert len(outcome.errors) == 1
