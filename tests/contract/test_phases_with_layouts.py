"""analyzer, exporter and creator with `-layout`: images in OCI image layouts, as the Go lifecycle has them.

GEN-10, GEN-11, ANA-10, EXP-22, ANT-01, ANT-03, GO-27, GO-34. Where `CNB_LIFECYCLE_DIR` names the Go programs, both do
the same builds, and what they leave must be the same but for the compressed form of layers.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pybuild.oci import validate
from pybuild.oci.reference import Reference
from pybuild.stores.places import open_place
from support import phase_programs
from support.exports import IDENTITY
from support.layouts import LAYER, REF_NAME, LayoutMaker, digest_of, layer_of
from support.peers import identity_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GO = Path(os.environ.get("CNB_LIFECYCLE_DIR", "/no/such")) / "lifecycle"
needs_go = pytest.mark.skipif(not GO.is_file(), reason="CNB_LIFECYCLE_DIR names no folder with the lifecycle")
Who = Literal["ours", "go"]
DOCKER = "application/vnd.docker.distribution.manifest.v2+json"
EMPTY = "sha256:9bff545fd88403019875bc484da593c84761e6c89bae9058b76d1054d54548d0"
METADATA = """
[[processes]]
  type = "web"
  command = ["serve"]
  args = []
  direct = true
  default = true
  buildpack-id = "acme/one"

[[buildpacks]]
  api = "0.10"
  id = "acme/one"
  version = "1"
"""
LAYERS = (layer_of(one="1"), layer_of(two="2"))


@dataclass
class Ended:
    code: int
    said: str


@dataclass
class Build:
    """What the phases of one build work on, below one folder that every user may use."""

    root: Path
    who: Who = "ours"
    api: str = "0.14"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def app(self) -> Path:
        """The layout of the app image."""
        return self.images / "index.docker.io/acme/app/latest"

    @property
    def base(self) -> Path:
        """The layout of the run image."""
        return self.images / "registry.example.com/acme/run/1.0"

    def put_base(self, *, kind: str = "oci", sparse: bool = False) -> LayoutMaker:
        made = LayoutMaker(self.base)
        config = {
            "history": [{"created_by": "one"}, {"created_by": "two"}],
            "created": "2020-01-01T00:00:00Z",
        }
        image = made.image(LAYERS, config=config)
        if kind == "docker":
            manifest = json.loads(made.path(image["digest"]).read_bytes())
            image = made.json({**manifest, "mediaType": DOCKER, "annotations": {"x": "y"}}, DOCKER)
        made.index(image)
        if sparse:
            for layer in LAYERS:
                made.path(digest_of(gzip.compress(layer, mtime=0))).unlink()
        self.open()
        return made

    def build(self, dep: str = "a dependency") -> None:
        """What a builder leaves: an app, and a launch layer, which comes back without its content later."""
        files = {
            "app/index.html": "hello",
            "layers/acme_one/dep/file": dep,
            "layers/acme_one/dep.toml": '[types]\nlaunch = true\n[metadata]\nversion = "1"\n',
            "layers/group.toml": '[[group]]\nid = "acme/one"\nversion = "1"\napi = "0.10"\n',
            "layers/config/metadata.toml": METADATA,
            "layers/sbom/launch/acme_one/dep/sbom.cdx.json": "{}",
            "launcher": "#!/bin/sh\n",
            "run.toml": '[[images]]\nimage = "registry.example.com/acme/run:1.0"\nmirrors = ["example.org/run"]\n',
        }
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.open()

    def open(self) -> None:
        for path in (self.root, *self.root.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
            if os.geteuid() == 0:
                os.chown(path, 1000, 1000)

    def analyze(self, *words: str, name: str = "acme/app", **environ: str) -> Ended:
        words = (*self._places(), "-run-image", "registry.example.com/acme/run:1.0", *words, name)
        return self.run("analyzer", *words, **environ)

    def export(self, *names: str, **environ: str) -> Ended:
        report = ("-report", str(self.root / "report.toml"), "-launcher", str(self.root / "launcher"))
        where = ("-app", str(self.root / "app"), *self._places(), *report)
        return self.run("exporter", *where, *(names or ("acme/app",)), **environ)

    def run(self, *words: str, **environ: str) -> Ended:
        user, group = (1000, 1000) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        given = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "CNB_PLATFORM_API": self.api,
            "CNB_USER_ID": str(user),
            "CNB_GROUP_ID": str(group),
            "CNB_EXPERIMENTAL_MODE": "warn",
            **environ,
        }
        if self.who == "go":
            done = subprocess.run(
                words, executable=GO, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            return Ended(done.returncode, done.stdout.decode())
        identity = identity_of(GO) if GO.is_file() else IDENTITY
        ours = phase_programs.call(words, given, None, identity=identity)
        return Ended(ours.exit_code, ours.output)

    def text(self, name: str) -> str:
        return (self.root / name).read_text()

    def _places(self) -> Sequence[str]:
        layers, run = str(self.root / "layers"), str(self.root / "run.toml")
        return ("-layers", layers, "-run", run, "-layout", "-layout-dir", str(self.images))


@pytest.fixture
def ours() -> Iterator[Build]:
    with tempfile.TemporaryDirectory(prefix="pybuild-layouts-") as name:
        made = Build(Path(name))
        made.images.mkdir()
        made.build()
        yield made


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _manifest(layout: Path) -> tuple[bytes, bytes]:
    """Texts of the manifest and the configuration of a layout's only image."""
    (entry,) = _json(layout / "index.json")["manifests"]
    manifest = (layout / "blobs" / entry["digest"].replace(":", "/")).read_bytes()
    config = json.loads(manifest)["config"]["digest"]
    return manifest, (layout / "blobs" / config.replace(":", "/")).read_bytes()


def test_images_are_found_and_written_at_the_paths_of_their_names(ours: Build) -> None:
    """GEN-11, ANA-10, EXP-22, ANT-01, ANT-03, GO-34."""
    made = ours.put_base()
    base = _json(made.folder / "index.json")["manifests"][0]["digest"]

    analyzed, exported = ours.analyze(), ours.export()

    assert (analyzed.code, exported.code) == (0, 0), analyzed.said + exported.said
    text = ours.text("layers/analyzed.toml")
    assert f'reference = "{ours.base}@{base}"' in text
    assert f'image = "{ours.base}"' in text
    assert f"Saving {ours.app}" in exported.said
    (entry,) = _json(ours.app / "index.json")["manifests"]
    assert entry["annotations"] == {REF_NAME: "latest"}
    manifest, config = _manifest(ours.app)
    assert json.loads(manifest)["annotations"] == {REF_NAME: "latest"}
    assert validate.manifest_faults(manifest, config) == []
    assert f'tags = ["{ours.app}"]' in ours.text("report.toml")
    assert f"manifest-size = {len(manifest)}" in ours.text("report.toml")
    assert "digest" not in ours.text("report.toml")
    store, name = open_place(f"oci:{ours.app}")
    image = store.find(name)
    assert image is not None
    for diff_id in image.diff_ids:
        assert digest_of(b"".join(store.read_layer(image, diff_id))) == diff_id
    assert store.read_file(image, f"{ours.root}/app/index.html") == b"hello"


def test_a_second_build_uses_the_layers_of_the_first_and_writes_nothing_that_is_there(ours: Build) -> None:
    """A launch layer without content comes back from the previous image."""
    ours.put_base()
    ours.analyze()
    ours.export()
    first = {path: path.stat().st_ino for path in ours.app.rglob("*") if path.is_file()}
    shutil.rmtree(ours.root / "layers/acme_one/dep")

    analyzed, exported = ours.analyze(), ours.export()

    assert (analyzed.code, exported.code) == (0, 0), analyzed.said + exported.said
    (entry,) = _json(ours.app / "index.json")["manifests"]
    assert f'reference = "{ours.app}@{entry["digest"]}"' in ours.text("layers/analyzed.toml")
    assert "Reusing layer 'acme/one:dep'" in exported.said
    assert {path: path.stat().st_ino for path in ours.app.rglob("*") if path.is_file()} == first


def test_every_further_name_has_a_layout_of_its_own(ours: Build) -> None:
    ours.put_base()
    ours.analyze()

    ended = ours.export("acme/app", "acme/app:2", "acme/app/latest:3")

    assert ended.code == 0, ended.said
    other = ours.images / "index.docker.io/acme/app/2"
    assert _manifest(other) == _manifest(ours.app)
    nested = ours.app / "3"  # one image's layout may lie inside another's
    assert _manifest(nested) == _manifest(ours.app)
    assert f'tags = ["{ours.app}", "{other}", "{nested}"]' in ours.text("report.toml")


def _create(ours: Build, *scripts: str, **environ: str) -> Ended:
    """The creator's run with buildpacks `acme/one`, `acme/two`, whose bin/build these are."""
    ours.put_base()
    shutil.rmtree(ours.root / "layers")
    order = "[[order]]\n"
    for name in ("layers", "platform"):
        (ours.root / name).mkdir()
    for id_ in ("one", "two")[: len(scripts)]:
        folder = ours.root / f"buildpacks/acme_{id_}/1"
        (folder / "bin").mkdir(parents=True)
        (folder / "buildpack.toml").write_text(
            f'api = "0.10"\n[buildpack]\nid = "acme/{id_}"\nversion = "1"\n'
        )
        order += f'[[order.group]]\nid = "acme/{id_}"\nversion = "1"\n'
    (ours.root / "order.toml").write_text(order)
    ours.open()
    for id_, script in zip(("one", "two"), scripts, strict=False):
        for name, text in (("detect", "exit 0"), ("build", script)):
            program = ours.root / f"buildpacks/acme_{id_}/1/bin/{name}"
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)
    places = {name: str(ours.root / name) for name in ("app", "buildpacks", "layers", "platform", "launcher")}
    words = [word for name, path in places.items() for word in (f"-{name}", path)]
    words += ["-order", f"{ours.root}/order.toml", "-run", f"{ours.root}/run.toml", "-layout"]
    words += ["-layout-dir", str(ours.images), "registry.example.com/acme/app:2"]
    return ours.run("creator", *words, **environ)


ONE = 'mkdir $1/dep; echo "[types]\nlaunch = true" > $1/dep.toml'


def test_the_creator_does_it_all(ours: Build) -> None:
    """GEN-11, CRE-01."""
    ended = _create(ours, ONE)

    assert ended.code == 0, ended.said
    path = ours.images / "registry.example.com/acme/app/2"
    assert f'tags = ["{path}"]' in ours.text("layers/report.toml")
    assert validate.manifest_faults(*_manifest(path)) == []


@pytest.mark.parametrize(("trusted", "code", "word"), [("", 54, "ERROR"), ("true", 0, "Warning")])
def test_in_the_creator_a_buildpack_must_not_change_an_earlier_ones_layer(
    ours: Build, trusted: str, code: int, word: str
) -> None:
    ended = _create(ours, ONE, "echo evil > $1/../acme_one/dep/evil", PYBUILD_TRUST_BUILDER=trusted)

    assert ended.code == code, ended.said
    assert re.search(
        f"{word}: buildpack acme/two@1 changed what acme/one@1 had made: .*/dep/evil", ended.said
    )
    assert (ours.images / "registry.example.com/acme/app/2").exists() == (not code)


@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_the_new_manifest_is_of_the_bases_kind(ours: Build, kind: str) -> None:
    """GO-27: new layers have Docker's media type in either."""
    ours.put_base(kind=kind)
    ours.analyze()
    ours.export()

    manifest = json.loads(_manifest(ours.app)[0])

    assert (manifest["mediaType"] == DOCKER) == (kind == "docker")
    assert manifest["annotations"].get("x") == ("y" if kind == "docker" else None)
    types = [layer["mediaType"] for layer in manifest["layers"]]
    assert types[:2] == [f"{LAYER}+gzip"] * 2
    assert set(types[2:]) == {"application/vnd.docker.image.rootfs.diff.tar.gzip"}


def test_layers_that_a_sparse_base_lacks_are_lacking_in_the_app_too(ours: Build) -> None:
    ours.put_base(sparse=True)
    ours.analyze()

    ended = ours.export()

    assert ended.code == 0, ended.said
    layers = json.loads(_manifest(ours.app)[0])["layers"]
    there = [(ours.app / "blobs" / layer["digest"].replace(":", "/")).exists() for layer in layers]
    assert there == [False, False, *[True] * (len(layers) - 2)]


@pytest.mark.parametrize(("mode", "code"), [("", 1), ("error", 1), ("warn", 0), ("quiet", 0), ("silent", 0)])
def test_layouts_are_experimental(ours: Build, mode: str, code: int) -> None:
    """GEN-10."""
    ours.put_base()

    ended = ours.analyze(CNB_EXPERIMENTAL_MODE=mode)

    assert ended.code == code, ended.said
    told = "Platform requested experimental feature 'export to OCI layout format'"
    assert (told in ended.said) == (mode not in ("quiet", "silent"))
    assert ("experimental features are disabled by CNB_EXPERIMENTAL_MODE=error" in ended.said) == bool(code)


def test_the_variables_do_what_the_flags_do(ours: Build) -> None:
    ours.put_base()
    words = ("-layers", f"{ours.root}/layers", "-run", f"{ours.root}/run.toml", "acme/app")

    ended = ours.run("analyzer", *words, CNB_USE_LAYOUT="true", CNB_LAYOUT_DIR=str(ours.images))

    assert ended.code == 0, ended.said
    assert f'image = "{ours.base}"' in ours.text("layers/analyzed.toml")


def test_a_layout_needs_its_folder(ours: Build) -> None:
    """GEN-11."""
    ended = ours.run("analyzer", "-layers", f"{ours.root}/layers", "-layout", "-run-image", "x", "acme/app")

    assert ended.code == 3
    assert "-layout-dir" in ended.said


def test_a_run_image_that_is_not_there_is_one_clear_error(ours: Build) -> None:
    ended = ours.analyze()

    assert ended.code == 32
    assert f"was not found in {ours.base}" in ended.said
    assert f"oci:{ours.base}" in ended.said


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("rm index.json", "no OCI image layout"),
        ("echo junk > index.json", "index.json"),
        ("for f in blobs/sha256/*; do : > $f; done", "0 bytes, expected"),
        ("rm -r blobs", "is missing"),
        ("rm index.json; ln -s /etc/passwd index.json", "links and other things are not followed"),
        ("rm -r blobs; ln -s /etc blobs", "links and other things are not followed"),
        ("rm index.json; mkfifo index.json", "no regular file"),
    ],
)
def test_a_damaged_run_image_is_one_clear_error(ours: Build, damage: str, message: str) -> None:
    ours.put_base()
    subprocess.run(["sh", "-c", damage], cwd=ours.base, check=True)

    ended = ours.analyze()

    assert ended.code in (3, 32), ended.said
    assert message in ended.said
    assert len([line for line in ended.said.splitlines() if line.startswith("ERROR")]) <= 2
    assert "bug" not in ended.said


@pytest.mark.parametrize(
    "damage",
    [
        "echo junk > index.json",
        "rm oci-layout",
        "for f in blobs/sha256/*; do : > $f; done",
        "rm -r blobs",
        "rm index.json; ln -s /etc/passwd index.json",
    ],
)
def test_a_damaged_previous_image_is_replaced_by_a_whole_one(ours: Build, damage: str) -> None:
    """F-14: it must not stand in the way of the next good one."""
    ours.put_base()
    ours.analyze()
    ours.export()
    before = _manifest(ours.app)
    subprocess.run(["sh", "-c", damage], cwd=ours.app, check=True)

    analyzed, exported = ours.analyze(), ours.export()

    assert (analyzed.code, exported.code) == (0, 0), analyzed.said + exported.said
    assert "is reused: " in analyzed.said
    assert _manifest(ours.app) == before
    store, name = open_place(f"oci:{ours.app}")
    image = store.find(name)
    assert image is not None
    assert [digest_of(b"".join(store.read_layer(image, each))) for each in image.diff_ids] == list(
        image.diff_ids
    )


def test_nothing_is_written_through_a_link(ours: Build, tmp_path: Path) -> None:
    ours.put_base()
    ours.analyze()
    ours.app.mkdir(parents=True)
    (ours.app / "blobs").symlink_to(tmp_path)
    ours.open()

    ended = ours.export()

    assert ended.code == 62, ended.said
    assert "is a link" in ended.said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_folder_that_may_not_be_written_is_one_clear_error_and_nothing_is_lost(ours: Build) -> None:
    ours.put_base()
    ours.analyze()
    ours.export()
    before = _manifest(ours.app)
    os.chown(ours.app, 0, 0)
    (ours.root / "app/index.html").write_text("changed")

    ended = ours.export()

    assert ended.code == 62
    assert f"{ours.app} cannot be written: Permission denied" in ended.said
    assert _manifest(ours.app) == before


@needs_go
@pytest.mark.peer
@pytest.mark.parametrize(("kind", "sparse"), [("oci", False), ("docker", False), ("oci", True)])
@pytest.mark.parametrize("api", ["0.12", "0.15"])
def test_the_go_lifecycle_leaves_the_same(ours: Build, kind: str, sparse: bool, api: str) -> None:
    """Two builds of each, at one place: files, configurations, indexes, manifests, but for how layers are compressed.

    In the label, the Go lifecycle names the run image by the digest of an empty image; we say which image it is.
    """
    ours.api = api
    seen: dict[Who, list[object]] = {"ours": [], "go": []}
    for who, found in seen.items():
        shutil.rmtree(ours.root / "layers")
        shutil.rmtree(ours.images)
        ours.who = who
        ours.put_base(kind=kind, sparse=sparse)
        for dep in ("a dependency", "another"):
            ours.build(dep)
            ended = [ours.analyze(), ours.export()]
            assert [each.code for each in ended] == [0, 0], "".join(each.said for each in ended)
            found.append(_left(ours))

    assert seen["ours"] == seen["go"]


def _left(build: Build) -> dict[str, Any]:
    """What a build left, without what depends on how layers are compressed."""
    (entry,) = _json(build.app / "index.json")["manifests"]
    (base,) = _json(build.base / "index.json")["manifests"]
    text, config = map(bytes.decode, _manifest(build.app))
    manifest = json.loads(text)
    assert manifest["config"]["digest"] == digest_of(config.encode())
    for item in (manifest["config"], *manifest["layers"][2:]):
        item["digest"], item["size"] = "", 0
    wrong = {"go": EMPTY, "ours": base["digest"]}[build.who]
    assert config.count(wrong) == 1

    def masked(name: str) -> str:
        found = (build.root / name).read_text().replace(entry["digest"], "APP").replace(EMPTY, base["digest"])
        return re.sub(r"(size\S* [:=]? ?)\d+", r"\1", found)

    return {
        "config": config.replace(EMPTY, base["digest"]),
        "manifest": manifest,
        "index": masked(f"{build.app}/index.json"),
        "layout": (build.app / "oci-layout").read_text(),
        "analyzed": re.sub(r"run/latest@\S+|app/latest@\S+", "APP", masked("layers/analyzed.toml")),
        "report": masked("report.toml"),
        "there": [
            (build.app / "blobs" / layer["digest"].replace(":", "/")).exists()
            for layer in json.loads(text)["layers"]
        ],
    }


@needs_go
@pytest.mark.peer
def test_go_takes_our_image_for_the_previous_one_and_we_take_gos(ours: Build) -> None:
    ours.put_base()
    ours.analyze()
    ours.export()
    shutil.rmtree(ours.root / "layers/acme_one/dep")
    for who in ("go", "ours"):
        ours.who = who  # type: ignore[assignment]

        ended = [ours.analyze(), ours.export()]

        assert [each.code for each in ended] == [0, 0], "".join(each.said for each in ended)
        assert "Reusing layer 'acme/one:dep'" in ended[1].said
    assert Reference.parse("acme/app").layout_path == "index.docker.io/acme/app/latest"


def test_another_run_image_in_the_analyzed_ones_place_is_used_and_said_so(ours: Build) -> None:
    """GO-34: the Go lifecycle looks only at the path."""
    ours.put_base()
    ours.analyze()
    (old,) = _json(ours.base / "index.json")["manifests"]
    shutil.rmtree(ours.base)
    ours.put_base(kind="docker")
    (new,) = _json(ours.base / "index.json")["manifests"]

    exported = ours.export()

    assert exported.code == 0, exported.said
    assert f"holds {new['digest']} instead of {old['digest']}" in exported.said
    blobs = [path.read_bytes() for path in (ours.app / "blobs").rglob("*") if path.is_file()]
    assert any(new["digest"].encode() in blob for blob in blobs), "the label names it"
    assert not any(old["digest"].encode() in blob for blob in blobs)


def test_a_run_image_that_is_in_no_layout_any_more_is_one_clear_error(ours: Build) -> None:
    ours.put_base()
    ours.analyze()
    shutil.rmtree(ours.base)

    exported = ours.export()

    assert exported.code == 62, exported.said
    assert "is not there any more" in exported.said
