"""Restoring: which layers come back (decided), and what is left in the layers directory (done, on this machine)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import RestoreError
from pybuild.lifecycle.cache import CacheIndex, KeptLayer
from pybuild.lifecycle.restore import RestoreInputs, plan_restore, restore
from pybuild.spec.api import ApiVersion
from pybuild.spec.labels import BuildpackLayers, LayerMetadata, LifecycleMetadata
from pybuild.spec.launch import StoreToml
from pybuild.spec.order import Group, GroupElement

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pybuild.buildenv.api import Listing

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
GROUP = Group(buildpacks=(GroupElement(id="acme/go", version="1", api="0.10"),))


def types(word: str) -> dict[str, bool]:
    """Types from `BCL`, `-C-` and so on."""
    return {"build": "B" in word, "cache": "C" in word, "launch": "L" in word}


def exported(word: str, *, sha: str = ONE) -> dict[str, LayerMetadata]:
    return {"dist": LayerMetadata(sha=sha, data={"from": "image"}, **types(word))} if word else {}


def kept(
    word: str, *, diff_id: str = ONE, stamp: str = "stamp", sboms: Mapping[str, str] | None = None
) -> KeptLayer:
    return KeptLayer(
        diff_id=diff_id if "L" in word else "",
        size=9,
        stamp=stamp,
        metadata={"from": "cache"},
        build="B" in word,
        cache="C" in word,
        launch="L" in word,
        sboms=sboms or {},
    )


def inputs(
    image: Mapping[str, LayerMetadata] | None = None,
    cache: Mapping[str, KeptLayer] | None = None,
    *,
    api: int = 14,
    buildpack: str = "acme/go",
    store: StoreToml | None = None,
    skip: bool = False,
    layers_dir: str = "/layers",
) -> RestoreInputs:
    previous = LifecycleMetadata(buildpacks=(BuildpackLayers(id=buildpack, layers=image, store=store),))
    return RestoreInputs(
        group=GROUP,
        layers_dir=layers_dir,
        platform_api=ApiVersion(0, api),
        previous=None if image is None else previous,
        cache=None if cache is None else CacheIndex(owner="app", layers={buildpack: cache}),
        skip_layers=skip,
    )


def outcome(asked: RestoreInputs) -> str:
    """nothing, or whose metadata comes back and whether the contents do."""
    planned = plan_restore(asked)
    if not planned:
        return "nothing"
    (layer,) = planned
    assert layer.metadata == {"from": layer.source.removeprefix("app ")}
    return f"metadata of {layer.source}" + (" and contents" if layer.kept else "")


@pytest.mark.parametrize(
    ("in_image", "in_cache", "expected"),
    [
        ("BCL", "BCL", "metadata of app image and contents"),
        ("", "BC-", "metadata of cache and contents"),
        ("B-L", "", "nothing"),
        ("-CL", "-CL", "metadata of app image and contents"),
        ("", "-C-", "metadata of cache and contents"),
        ("--L", "--L", "metadata of app image"),
        ("--L", "", "metadata of app image"),
        ("", "--L", "nothing"),
        ("---", "", "nothing"),
        # The image is another build's than the cache.
        ("BCL", "", "nothing"),
        ("-CL", "-C-", "metadata of cache and contents"),
        ("--L", "-C-", "metadata of app image"),
    ],
)
def test_types_decide_what_comes_back(in_image: str, in_cache: str, expected: str) -> None:
    """RST-04, RST-06, RST-07, GO-71: the matrix of buildpack.md, "Layer Types"."""
    cache = {"dist": kept(in_cache)} if in_cache else None

    assert outcome(inputs(exported(in_image), cache)) == expected


def test_a_cached_launch_layer_comes_back_only_if_image_and_cache_name_the_same_contents() -> None:
    """RST-08, CCH-03"""
    assert outcome(inputs(exported("-CL", sha=OTHER), {"dist": kept("-CL")})) == "nothing"


@pytest.mark.parametrize(("api", "expected"), [(13, "nothing"), (14, "metadata of cache and contents")])
def test_without_the_image_a_cached_launch_layer_comes_back_since_platform_api_014(
    api: int, expected: str
) -> None:
    assert outcome(inputs(None, {"dist": kept("-CL")}, api=api)) == expected


def test_nothing_comes_back_for_buildpacks_outside_the_group() -> None:
    """RST-03"""
    assert outcome(inputs(exported("--L"), {"dist": kept("-C-")}, buildpack="acme/other")) == "nothing"


def test_nothing_comes_back_when_layers_are_to_be_skipped() -> None:
    """RST-02"""
    assert outcome(inputs(exported("-CL"), {"dist": kept("-CL")}, skip=True)) == "nothing"


class Place:
    """A layers directory with one buildpack's folder in it."""

    def __init__(self, root: Path) -> None:
        self.env = LocalBuildEnv()
        self.layers = root / "layers"
        self.own = self.layers / "acme_go"
        self.own.mkdir(parents=True)
        self.heard: list[events.Event] = []

    def layer(self, name: str = "dist") -> Path:
        folder = self.own / name
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "go").write_text("program")
        (folder / "link").symlink_to("bin/go")
        return folder

    def scan(self, path: Path) -> Listing:
        return self.env.scan([str(path)])[0]

    def kept(self, word: str = "-C-", name: str = "dist") -> KeptLayer:
        sboms = {
            path.name.removeprefix(f"{name}."): self.scan(path).stamp
            for path in self.own.glob(f"{name}.sbom.*")
        }
        return kept(word, stamp=self.scan(self.own / name).stamp, sboms=sboms)

    def restore(self, cache: Mapping[str, KeptLayer] | None = None, **options: object) -> list[str]:
        with events.listening(self.heard.append):
            asked = inputs(cache=cache, layers_dir=str(self.layers), **options)  # type: ignore[arg-type]
            return [layer.name for layer in restore(self.env, asked)]

    @property
    def there(self) -> list[str]:
        return sorted(str(path.relative_to(self.layers)) for path in self.layers.rglob("*"))

    @property
    def dropped(self) -> list[str]:
        return [
            event.reason
            for event in self.heard
            if isinstance(event, events.LayerDecided) and event.action == "dropped"
        ]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_an_unaltered_layer_stays_and_gets_its_metadata_without_types(place: Place) -> None:
    """RST-05, RST-06"""
    folder = place.layer()
    before = place.kept()

    assert place.restore({"dist": before}) == ["dist"]

    assert (place.own / "dist.toml").read_text() == '[metadata]\n  from = "cache"\n'
    assert place.scan(folder).stamp == before.stamp
    restored = [event for event in place.heard if isinstance(event, events.LayerDecided)]
    assert [(event.action, event.layer, event.size) for event in restored] == [("restored", "dist", 9)]


def edited(folder: Path) -> None:
    (folder / "bin" / "go").write_text("changed")


def edited_with_its_old_time(folder: Path) -> None:
    file = folder / "bin" / "go"
    times = file.stat()
    file.write_text("PROGRAM")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize(
    "alter",
    [
        edited,
        edited_with_its_old_time,
        lambda folder: (folder / "bin" / "go").unlink(),
        lambda folder: (folder / "new").touch(),
        lambda folder: (folder / "bin" / "go").chmod(0o700),
        lambda folder: (folder / "bin" / "go").touch(),
        lambda folder: (folder / "bin" / "go").rename(folder / "bin" / "gone"),
        lambda folder: folder.rename(folder.with_name("elsewhere")),
        lambda folder: ((folder / "link").unlink(), (folder / "link").symlink_to("/etc/passwd")),
        lambda folder: (folder.rename(folder.with_name("x")), folder.symlink_to("x")),
    ],
    ids=[
        *("edited", "edited-quietly", "deleted", "added", "chmod", "touched", "renamed", "moved", "relinked"),
        "symlinked",
    ],
)
def test_an_altered_layer_is_noticed_and_dropped_alone(place: Place, alter: object) -> None:
    """Promise G4; RST-07."""
    folder, other = place.layer(), place.layer("other")
    cache = {"dist": place.kept(), "other": place.kept(name="other")}
    alter(folder)  # type: ignore[operator]

    assert place.restore(cache) == ["other"]

    assert place.dropped == ["its files are not as the last good build left them"]
    assert other.exists()
    assert sorted(path.name for path in place.own.iterdir()) == ["other", "other.toml"]


def test_a_layer_that_was_never_stamped_is_dropped(place: Place) -> None:
    place.layer()

    assert place.restore({"dist": kept("-C-", stamp="")}) == []

    assert (place.there, place.dropped) == ([], ["nothing here could tell whether it changed"])


def test_sboms_come_back_with_their_layer(place: Place) -> None:
    """RST-09"""
    place.layer()
    (place.own / "dist.sbom.cdx.json").write_text("{}")
    (place.own / "launch.sbom.cdx.json").write_text("{}")
    (place.own / "build.sbom.cdx.json").write_text("{}")

    assert place.restore({"dist": place.kept()}) == ["dist"]

    assert [name for name in place.there if "sbom" in name] == ["acme_go/dist.sbom.cdx.json"]


def test_the_sbom_of_a_launch_layer_comes_back_without_the_layer(place: Place) -> None:
    """RST-06 (FFT), RST-09"""
    (place.own / "dist.sbom.cdx.json").write_text("{}")
    launched = kept("--L", stamp="", sboms=place.kept().sboms)

    assert place.restore({"dist": launched}, image=exported("--L")) == ["dist"]

    assert place.there == ["acme_go", "acme_go/dist.sbom.cdx.json", "acme_go/dist.toml"]


@pytest.mark.parametrize("alter", [Path.unlink, Path.touch], ids=["gone", "touched"])
def test_a_layer_whose_sbom_was_altered_is_dropped_with_it(place: Place, alter: object) -> None:
    place.layer()
    sbom = place.own / "dist.sbom.cdx.json"
    sbom.write_text("{}")
    cache = {"dist": place.kept()}
    alter(sbom)  # type: ignore[operator]

    assert place.restore(cache) == []

    assert place.there == []


def test_all_else_is_swept_away(place: Place, tmp_path: Path) -> None:
    place.layer()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    cache = {"dist": place.kept()}
    for odd in ("-rf", "a b", "new\nline", "*", ".hidden", "..dots", "$(x)", "é", "'quote"):
        (place.own / odd).mkdir()
        (place.layers / odd).touch()
    (place.layers / "linked").symlink_to(outside)
    (place.own / "linked").symlink_to(outside)
    (place.own / "nowhere").symlink_to("missing")
    (place.own / "dist.toml").mkdir()
    os.mkfifo(place.layers / "fifo")
    place_other = place.layers / "acme_other" / "dist"
    place_other.mkdir(parents=True)

    assert place.restore(cache) == ["dist"]

    assert [name for name in place.there if not name.startswith("acme_go/dist/")] == [
        "acme_go",
        "acme_go/dist",
        "acme_go/dist.toml",
    ]
    assert (outside / "file").exists()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users may enter; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_read_only_folders_of_the_build_user_go_too(open_folder: Path) -> None:
    place = Place(open_folder)
    folder = place.own / "old" / "deep"
    folder.mkdir(parents=True)
    (folder / "file").touch()
    if os.geteuid() == 0:
        # For root no folder is read-only.
        place.env = LocalBuildEnv(1000, 1000)
        for path in (place.layers, *place.layers.rglob("*")):
            os.chown(path, 1000, 1000)
    folder.chmod(0o500)
    (place.own / "old").chmod(0o000)
    place.own.chmod(0o500)

    assert place.restore({}) == []

    assert place.there == []


def test_a_kept_layer_in_a_read_only_folder_stays_and_its_neighbours_go(place: Place) -> None:
    place.layer()
    (place.own / "old").mkdir()
    cache = {"dist": place.kept()}
    place.own.chmod(0o500)

    assert place.restore(cache) == ["dist"]

    assert sorted(path.name for path in place.own.iterdir()) == ["dist", "dist.toml"]


def test_a_buildpack_folder_that_became_a_symlink_is_removed_with_all_in_it(place: Place) -> None:
    """The layer's own stamp is the same there: only the way to it changed."""
    place.layer()
    cache = {"dist": place.kept()}
    place.own.rename(place.layers / "evil")
    place.own.symlink_to("evil")

    assert place.restore(cache) == []

    assert place.there == []
    assert place.dropped == ["the folder of its buildpack was replaced by something else"]


def test_what_cannot_be_removed_is_one_clear_error(open_folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make what another user cannot remove")
    place = Place(open_folder)
    place.layer()
    place.env = LocalBuildEnv(1000, 1000)

    with pytest.raises(RestoreError, match="cannot be cleared away") as caught:
        place.restore({})

    assert caught.value.hint == "build with --clear-cache"


@pytest.mark.parametrize("skip", [True, False])
def test_what_a_buildpack_stored_comes_back_always(place: Place, skip: bool) -> None:
    """RST-01, CRE-02"""
    (place.own / "store.toml").write_text("# from a build that failed")

    place.restore(image={}, store=StoreToml(metadata={"key": "a\nb", "n": 3.0}), skip=skip)

    assert (place.own / "store.toml").read_text() == '[metadata]\n  key = "a\\nb"\n  n = 3.0\n'


def test_metadata_of_any_shape_comes_back(place: Place) -> None:
    data = {"text": "'\"\\ $(x) \x7f é\r\n", "list": [1, {"a": True}], "sub": {"when": "1979-05-27"}}
    image = {
        "a.b": LayerMetadata(sha=ONE, launch=True, data=data),
        "none": LayerMetadata(sha=ONE, launch=True),
    }

    place.restore(image=image)

    assert (place.own / "none.toml").read_bytes() == b""
    from pybuild.spec.layer import LayerToml

    text = (place.own / "a.b.toml").read_bytes()
    assert LayerToml.read(text, "a.b.toml", ApiVersion(0, 10)).metadata == data


def test_a_thousand_layers_take_a_few_scripts(place: Place) -> None:
    names = [f"layer-{number:04}-{'x' * 100}" for number in range(1000)]
    for name in names:
        (place.own / name).mkdir()
    stamps = [listing.stamp for listing in place.env.scan([str(place.own / name) for name in names])]
    (place.own / "old").mkdir()

    restored = place.restore(
        {name: kept("-C-", stamp=stamp) for name, stamp in zip(names, stamps, strict=True)}
    )

    assert restored == names
    assert len(place.there) == 2001
