"""Layers out of a cache of tars and back into it: what comes back, byte for byte, and what a hostile tar cannot do."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.lifecycle.build import Built, BuiltBuildpack, BuiltLayer
from pybuild.lifecycle.cache import CacheIndex, KeptLayer
from pybuild.lifecycle.cached_layers import index_of_image, keep_layers, restore_from
from pybuild.lifecycle.exportable import collect
from pybuild.lifecycle.restore import RestoreInputs
from pybuild.oci import tar
from pybuild.spec.api import ApiVersion
from pybuild.spec.cache import CacheMetadata
from pybuild.spec.labels import BuildpackLayers, LayerMetadata, LifecycleMetadata
from pybuild.spec.launch import Metadata
from pybuild.spec.layer import LayerToml
from pybuild.spec.order import Group, GroupElement
from pybuild.stores.tar_cache import TarCache

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ELEMENT = GroupElement(id="ex/a", version="1", api="0.10")
API = ApiVersion(0, 14)


@dataclass
class Place:
    """A layers directory and a cache, both below one folder."""

    root: Path

    @property
    def layers(self) -> Path:
        return self.root / "layers"

    def cache(self) -> TarCache:
        return TarCache.open(str(self.root / "cache"))

    def built(self, layers: dict[str, LayerToml]) -> Built:
        return Built(
            metadata=Metadata(),
            metadata_toml=b"",
            buildpacks=(
                BuiltBuildpack(
                    module=ELEMENT,
                    layers=tuple(
                        BuiltLayer(
                            name=name,
                            path=f"{self.layers}/ex_a/{name}",
                            toml=toml,
                            has_directory=(self.layers / "ex_a" / name).is_dir(),
                        )
                        for name, toml in layers.items()
                    ),
                ),
            ),
            sbom_dirs=frozenset({"cache"}) if (self.layers / "sbom/cache").exists() else frozenset(),
        )

    def keep(
        self, layers: dict[str, LayerToml], ids: dict[tuple[str, str], str] | None = None
    ) -> CacheMetadata:
        env, built = LocalBuildEnv(), self.built(layers)
        found = collect(env, built, layers_dir=str(self.layers), app_dir=str(self.root / "app"))
        keep_layers(env, self.cache(), built, found, _index(ids or {}), API)
        return self.cache().metadata()

    def restore(self, previous: LifecycleMetadata | None = None, *, skip: bool = False) -> list[str]:
        shutil.rmtree(self.layers)
        self.layers.mkdir()
        inputs = RestoreInputs(
            group=Group(buildpacks=(ELEMENT,)),
            layers_dir=str(self.layers),
            platform_api=API,
            previous=previous,
            cache=None,
            skip_layers=skip,
        )
        return [layer.name for layer in restore_from(LocalBuildEnv(), inputs, self.cache())]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    for name in ("layers/ex_a", "cache", "app"):
        (tmp_path / name).mkdir(parents=True)
    return Place(tmp_path)


def test_a_cached_layer_comes_back_as_it_was_with_its_metadata_and_sbom(place: Place) -> None:
    """RST-05, RST-06, RST-07, RST-09, EXP-20, CCH-02, GO-08."""
    layer = place.layers / "ex_a/l"
    (layer / "bin").mkdir(parents=True)
    (layer / "bin/tool").write_text("x" * 5000)
    (layer / "bin/tool").chmod(0o751)
    (layer / "link").symlink_to("/etc/hostname")
    (layer / "bin/\udcff").write_bytes(b"")
    (place.layers / "sbom/cache/ex_a/l").mkdir(parents=True)
    (place.layers / "sbom/cache/ex_a/l/sbom.cdx.json").write_text("{}")
    place.keep({"l": LayerToml(cache=True, metadata={"v": 1})})

    assert place.restore() == ["l"]

    assert (layer / "bin/tool").read_text() == "x" * 5000
    assert (layer / "bin/tool").stat().st_mode & 0o7777 == 0o751
    assert (layer / "link").readlink().as_posix() == "/etc/hostname"
    assert sorted(path.name for path in (layer / "bin").iterdir()) == ["tool", "\udcff"]
    assert (place.layers / "ex_a/l.toml").read_text() == "[metadata]\n  v = 1.0\n"
    assert (place.layers / "ex_a/l.sbom.cdx.json").read_text() == "{}"
    assert not (place.layers / "sbom").exists()


def test_only_cached_layers_with_contents_are_kept(place: Place) -> None:
    for name in ("a", "b"):
        (place.layers / "ex_a" / name).mkdir()

    metadata = place.keep(
        {"a": LayerToml(cache=True), "b": LayerToml(launch=True), "none": LayerToml(cache=True)}
    )

    (buildpack,) = metadata.buildpacks
    assert list(buildpack.layers or {}) == ["a"]


def test_a_layer_that_the_image_has_too_is_kept_without_reading_it(place: Place) -> None:
    """CCH-03."""
    (place.layers / "ex_a/l").mkdir()
    (place.layers / "ex_a/l/f").write_text("one")
    toml = LayerToml(cache=True, launch=True)
    first = (place.keep({"l": toml}).buildpacks[0].layers or {})["l"].sha
    (place.layers / "ex_a/l/f").unlink()

    again = place.keep({"l": toml}, {("ex/a", "l"): first})

    assert (again.buildpacks[0].layers or {})["l"].sha == first


def test_a_launch_layer_comes_back_only_if_it_is_the_images(place: Place) -> None:
    """RST-08, GO-71."""
    (place.layers / "ex_a/l").mkdir()
    toml = LayerToml(cache=True, launch=True, metadata={"v": 1})
    sha = (place.keep({"l": toml}).buildpacks[0].layers or {})["l"].sha

    def previous(found: str) -> LifecycleMetadata:
        layers = {"l": LayerMetadata(sha=found, data={"v": 2}, launch=True, cache=True)}
        return LifecycleMetadata(buildpacks=(BuildpackLayers(id="ex/a", layers=layers),))

    assert place.restore(previous("sha256:" + "0" * 64)) == []
    assert not (place.layers / "ex_a/l").exists()
    assert not (place.layers / "ex_a/l.toml").exists()
    assert place.restore(previous(sha)) == ["l"]
    assert (place.layers / "ex_a/l.toml").read_text() == "[metadata]\n  v = 2\n"


def test_skipping_layers_brings_back_none(place: Place) -> None:
    """RST-01, RST-02."""
    (place.layers / "ex_a/l").mkdir()
    place.keep({"l": LayerToml(cache=True)})

    assert place.restore(skip=True) == []
    assert list(place.layers.iterdir()) == []


def test_a_damaged_layer_does_not_come_back_and_the_build_goes_on(place: Place) -> None:
    """GO-07, RST-07, CCH-04."""
    (place.layers / "ex_a/l").mkdir()
    sha = (place.keep({"l": LayerToml(cache=True)}).buildpacks[0].layers or {})["l"].sha
    (place.root / "cache/committed" / f"{sha}.tar").write_bytes(b"x")
    told: list[events.Event] = []

    with events.listening(told.append):
        assert place.restore() == []

    assert [path for path in place.layers.rglob("*") if path.name != "ex_a"] == []
    (warning,) = (each for each in told if isinstance(each, events.Warned))
    assert "Skipping restore for layer ex/a:l" in warning.text


def _index(ids: dict[tuple[str, str], str]) -> CacheIndex:
    layers: dict[str, dict[str, KeptLayer]] = {}
    for (buildpack, name), diff_id in ids.items():
        kept = KeptLayer(diff_id=diff_id, size=1, stamp="", launch=True, build=False, cache=True)
        layers.setdefault(buildpack, {})[name] = kept
    return CacheIndex(owner="", layers=layers)


def entry(
    name: str, kind: bytes = tar.FILE, *, link: str = "", content: bytes = b""
) -> tuple[tar.TarEntry, bytes]:
    made = tar.TarEntry(
        name=name.encode(), kind=kind, mode=0o755, uid=0, gid=0, size=len(content), linkname=link.encode()
    )
    return made, content


@pytest.mark.parametrize(
    "entries",
    [
        [entry("{root}/outside", content=b"bad")],
        [entry("{layers}/ex_a/other/file", content=b"bad")],
        [entry("{layers}/ex_a/l/../../../outside", content=b"bad")],
        [entry("{layers}/ex_a/l/way", tar.SYMLINK, link="{root}"), entry("{layers}/ex_a/l/way/outside", content=b"bad")],
        [entry("{layers}/ex_a/l/hard", tar.HARD_LINK, link="/etc/passwd")],
        [entry("{layers}/ex_a/l/device", tar.CHARACTER)],
        [entry("{layers}/ex_a/l", tar.SYMLINK, link="{root}"), entry("{layers}/ex_a/l/outside", content=b"bad")],
    ],
    ids=["elsewhere", "another-layer", "dots", "symlink", "hard-link", "device", "root-is-link"],
)  # fmt: skip
def test_a_tar_writes_nothing_outside_its_layer(
    place: Place, entries: Sequence[tuple[tar.TarEntry, bytes]]
) -> None:
    """S-26, S-27: the digest is right, the contents are hostile."""

    def filled(text: bytes) -> bytes:
        return text.replace(b"{root}", os.fsencode(place.root)).replace(
            b"{layers}", os.fsencode(place.layers)
        )

    made = [
        (
            tar.TarEntry(
                name=filled(each.name), kind=each.kind, mode=each.mode, uid=0, gid=0, size=each.size,
                linkname=filled(each.linkname),
            ),
            content,
        )
        for each, content in entries
    ]  # fmt: skip
    cache = place.cache()
    sha = cache.add(tar.write(made))
    layers = {"l": LayerMetadata(sha=sha, cache=True)}
    cache.commit(CacheMetadata(buildpacks=(BuildpackLayers(id="ex/a", version="1", layers=layers),)))

    assert place.restore() == []

    assert not (place.root / "outside").exists()
    assert not (place.layers / "ex_a/l").exists()
    assert not (place.layers / "ex_a/other").exists()


def test_layers_of_the_previous_image_are_known_by_digest_and_where_the_launch_cache_has_them_by_size(
    place: Place,
) -> None:
    """ANA-09."""
    cache = place.cache()
    sha = cache.add([b"layer"])
    cache.commit()
    other = "sha256:" + "1" * 64
    layers = {
        "l": LayerMetadata(sha=sha, launch=True, data={"v": 1}),
        "m": LayerMetadata(sha=other, launch=True),
    }
    previous = LifecycleMetadata(app=(sha, other), buildpacks=(BuildpackLayers(id="ex/a", layers=layers),))

    index = index_of_image(previous, place.cache().size)

    kept = index.layer("ex/a", "l")
    assert kept is not None
    assert (kept.diff_id, kept.size, kept.stamp, kept.metadata) == (sha, 5, "", {"v": 1})
    unsized = index.layer("ex/a", "m")
    assert unsized is not None
    assert (unsized.diff_id, unsized.size) == (other, 0)
    assert index.app is not None
    assert index.app.layers == ((sha, 5), (other, 0))
