"""Reading OCI image layouts and archives, with damage of every kind (issue 4, point 12)."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import InvalidArchive, InvalidInput, PybuildError, SourceUnusable
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.stores.places import open_place
from support.layouts import INDEX, MANIFEST, LayoutMaker, layer_of, named, platform
from support.phase import in_child

if TYPE_CHECKING:
    from collections.abc import Callable

LOW, HIGH = layer_of(low="low"), layer_of(high="high", **{"etc/os-release": "ID=test\n"})


@pytest.fixture
def made(tmp_path: Path) -> LayoutMaker:
    return LayoutMaker(tmp_path / "layout")


def _read(place: str) -> list[bytes]:
    """All layers of the image."""
    store, name = open_place(place, environ={})
    image = store.find(name)
    assert image is not None
    return [b"".join(store.read_layer(image, diff_id)) for diff_id in image.diff_ids]


@pytest.mark.parametrize("compress", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize("kind", ["folder", "tar", "tar.gz"])
def test_the_only_image_of_a_layout_is_found_and_read(
    made: LayoutMaker, tmp_path: Path, kind: str, compress: bool
) -> None:
    descriptor = made.image([LOW, HIGH], compress=compress)
    made.index(descriptor)
    place = f"oci:{made.folder}"
    if kind != "folder":
        mode = "w:gz" if kind == "tar.gz" else "w"
        place = f"oci-archive:{made.archive(tmp_path / 'file.tar', mode=mode)}"

    store, name = open_place(place, environ={})
    image = store.find(name)

    assert image is not None
    assert (image.id, image.diff_ids) == (descriptor["digest"], (sha256(LOW), sha256(HIGH)))
    assert image.labels == {"made-by": "test"}
    assert _read(place) == [LOW, HIGH]
    assert store.read_file(image, "/etc/os-release") == b"ID=test\n"
    assert store.read_file(image, "/etc/none") is None


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("one", "one"),
        ("two", "two"),
        ("myapp:two", "two"),
        (Reference.parse("docker.io/library/myapp:two"), "two"),
        (Reference.parse("other:one"), "one"),  # only its tag is written down
        (Reference.parse("other:two"), ""),
        ("three", ""),
    ],
)
def test_an_image_is_found_by_its_tag_or_by_its_whole_name(
    made: LayoutMaker, asked: Reference | str, found: str
) -> None:
    one = made.image([LOW], **named("one"))
    two = made.image([HIGH], **named("two", "docker.io/library/myapp:two"))
    made.index(one, two)
    store, _ = open_place(f"oci:{made.folder}")

    image = store.find(asked)

    assert (image.id if image else "") == {"one": one["digest"], "two": two["digest"], "": ""}[found]


def test_an_image_is_found_by_the_digest_of_its_manifest_or_configuration(made: LayoutMaker) -> None:
    one, two = made.image([LOW]), made.image([HIGH])
    made.index(one, two)
    store, _ = open_place(f"oci:{made.folder}")
    config = json.loads(made.path(two["digest"]).read_bytes())["config"]["digest"]

    by_manifest, by_config = store.find(two["digest"]), store.find(config)

    assert by_manifest is not None
    assert by_manifest == by_config
    assert by_manifest.diff_ids == (sha256(HIGH),)


def test_of_an_index_our_platform_is_taken_and_attestations_are_left_alone(made: LayoutMaker) -> None:
    arm = made.image([HIGH], arch="arm64", **platform("arm64"))
    amd = made.image([LOW], **platform("amd64"))
    proof = made.image([], **platform("unknown", "unknown"))
    nested = made.json(
        {"schemaVersion": 2, "mediaType": INDEX, "manifests": [proof, arm, amd]}, INDEX, **named("nested")
    )

    made.index(arm, amd, proof)
    flat = _read(f"oci:{made.folder}")
    made.index(nested)

    assert _read(f"oci:{made.folder}:nested") == flat == [LOW]


def test_a_path_with_colons_is_told_from_a_tag(tmp_path: Path) -> None:
    made = LayoutMaker(tmp_path / "my:layout")
    made.index(made.image([LOW], **named("v:1")))

    assert _read(f"oci:{made.folder}") == _read(f"oci:{made.folder}:v:1") == [LOW]


def _blob(made: LayoutMaker, digest: str, change: Callable[[bytes], bytes]) -> None:
    path = made.path(digest)
    path.write_bytes(change(path.read_bytes()))


def _index(**keys: Any) -> Callable[[LayoutMaker, dict[str, Any]], None]:
    """Index.json with other values in its descriptor."""
    return lambda made, image: made.index({**image, **keys})


def _manifest(**keys: Any) -> Callable[[LayoutMaker, dict[str, Any]], None]:
    """A manifest with other values."""

    def change(made: LayoutMaker, image: dict[str, Any]) -> None:
        value = json.loads(made.path(image["digest"]).read_bytes())
        made.index(made.json({**value, **keys}, MANIFEST))

    return change


def _file(name: str, content: str | None) -> Callable[[LayoutMaker, dict[str, Any]], None]:
    def change(made: LayoutMaker, image: dict[str, Any]) -> None:
        path = made.folder / name
        path.unlink()
        if content is not None:
            path.write_text(content)

    return change


def _link(made: LayoutMaker, image: dict[str, Any]) -> None:
    made.path(image["digest"]).unlink()
    made.path(image["digest"]).symlink_to("/etc/passwd")


def _linked_folder(made: LayoutMaker, image: dict[str, Any]) -> None:
    (made.folder / "blobs").rename(made.folder.parent / "elsewhere")
    (made.folder / "blobs").symlink_to(made.folder.parent / "elsewhere")


def _fifo(made: LayoutMaker, image: dict[str, Any]) -> None:
    made.path(image["digest"]).unlink()
    os.mkfifo(made.path(image["digest"]))


def _nested(made: LayoutMaker, image: dict[str, Any]) -> None:
    for _ in range(6):
        image = made.json(
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**image, **platform("amd64")}]}, INDEX
        )
    made.index(image)


def _several(made: LayoutMaker, image: dict[str, Any]) -> None:
    made.index({**image, **named("a")}, made.image([HIGH], **named("b")))


def _only_arm(made: LayoutMaker, image: dict[str, Any]) -> None:
    arm, s390 = ({**image, **platform(arch)} for arch in ("arm64", "s390x"))
    made.index(made.json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [arm, s390]}, INDEX))


def _cut(made: LayoutMaker, image: dict[str, Any]) -> None:
    layer = json.loads(made.path(image["digest"]).read_bytes())["layers"][0]["digest"]
    _blob(made, layer, lambda content: content[:-5])


def _flipped(made: LayoutMaker, image: dict[str, Any]) -> None:
    layer = json.loads(made.path(image["digest"]).read_bytes())["layers"][0]["digest"]
    _blob(made, layer, lambda content: content[:-1] + bytes([content[-1] ^ 1]))


def _other(made: LayoutMaker, image: dict[str, Any]) -> None:
    layer = json.loads(made.path(image["digest"]).read_bytes())["layers"][0]["digest"]
    # The time in gzip's header: the tar is the same, the blob is not.
    _blob(made, layer, lambda content: content[:4] + b"\1\2\3\4" + content[8:])


def _gone(made: LayoutMaker, image: dict[str, Any]) -> None:
    made.path(json.loads(made.path(image["digest"]).read_bytes())["layers"][0]["digest"]).unlink()


def _wrong_config(made: LayoutMaker, image: dict[str, Any]) -> None:
    config = json.loads(made.path(image["digest"]).read_bytes())["config"]["digest"]
    _blob(made, config, lambda content: content.replace(b"linux", b"minix"))


def _huge(made: LayoutMaker, image: dict[str, Any]) -> None:
    made.index(made.blob(b" " * (5 << 20), MANIFEST))


DAMAGE: dict[str, tuple[Callable[[LayoutMaker, dict[str, Any]], None], str]] = {
    "no layout file": (_file("oci-layout", None), r"no OCI image layout: it has no oci-layout"),
    "other version": (_file("oci-layout", '{"imageLayoutVersion":"2.0"}'), r"'2\.0', expected 1\.0\.0"),
    "no version": (_file("oci-layout", "{}"), "imageLayoutVersion"),
    "layout file is a list": (_file("oci-layout", "[]"), "no JSON object"),
    "no index": (_file("index.json", None), r"it has no index\.json"),
    "index is empty": (_file("index.json", ""), r"index\.json"),
    "index is junk": (_file("index.json", "{" * 10000), r"index\.json"),
    "index has no list": (_file("index.json", '{"manifests": 3}'), "no list of manifests"),
    "index has no image": (_file("index.json", '{"manifests": []}'), "holds no image"),
    "index of numbers": (_file("index.json", '{"manifests": [1]}'), r"manifests\[0\].*expected an object"),
    "index is too large": (_file("index.json", " " * (5 << 20)), "5242880 bytes, 4194304 are allowed"),
    "index with a path": (_index(digest="sha256:../../../etc/passwd"), r"manifests\[0\].*sha256"),
    "index with another algorithm": (_index(digest="sha512:" + "0" * 128), r"manifests\[0\].*sha256"),
    "index without a size": (_index(size=-1), "no digest or size"),
    "index with a text for a size": (_index(size="1"), "whole number"),
    "manifest is missing": (_index(digest="sha256:" + "0" * 64), "is missing"),
    "manifest is too large": (_huge, "larger than 4 MiB"),
    "manifest has another size": (_index(size=7), "bytes, expected 7"),
    "manifest has another media type": (
        _manifest(mediaType="application/vnd.oci.image.manifest.v2+json"),
        "media type 'application/vnd.oci.image.manifest.v2",
    ),
    "unknown media type": (_index(mediaType="application/vnd.cncf.helm.config.v1+json"), "holds no image"),
    "an artifact": (
        _manifest(config={"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 2}),
        "is missing",
    ),
    "too few layers": (_manifest(layers=[]), "0 layers, its configuration names 2"),
    "layers are no list": (_manifest(layers="all"), "expected an array"),
    "configuration is damaged": (_wrong_config, "other content than its digest says"),
    "indexes in indexes": (_nested, "has no image for linux/amd64: it has nothing"),
    "several images": (_several, r"several images: a, b"),
    "not our platform": (_only_arm, r"no image for linux/amd64: it has linux/arm64, linux/s390x"),
    "a layer is cut off": (_cut, r"bytes, expected \d+"),
    "a layer is damaged": (_flipped, "cannot be decompressed"),
    "a layer is another": (_other, "other content than its digest says"),
    "a layer is missing": (_gone, "is missing"),
    "a link out of the layout": (_link, "links and other things are not followed"),
    "a link to a folder": (_linked_folder, "links and other things are not followed"),
    "a fifo": (_fifo, "no regular file"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_layout_is_one_clear_error(made: LayoutMaker, kind: str) -> None:
    damage, message = DAMAGE[kind]
    image = made.image([LOW, HIGH])
    made.index(image)
    damage(made, image)

    with pytest.raises(InvalidArchive, match=message) as caught:
        _read(f"oci:{made.folder}")

    assert caught.value.hint
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("name", ["blobs", "index.json"])
def test_what_may_not_be_read_is_said(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="pybuild-layout-") as folder:
        Path(folder).chmod(0o755)
        made = LayoutMaker(Path(folder) / "layout")
        made.index(made.image([LOW]))
        (made.folder / name).chmod(0)

        def read() -> tuple[str, str]:
            if os.geteuid() == 0:
                os.setuid(1000)
            try:
                _read(f"oci:{made.folder}")
            except InvalidArchive as exc:
                return str(exc), exc.hint
            return "", ""

        said, hint = in_child(read)
        (made.folder / name).chmod(0o755)

    assert "cannot be read: Permission denied" in said
    assert hint == f"chmod -R u+rX {made.folder}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut off"),
        (b"junk" * 1000, "damaged, or no tar"),
        (b"BZh9", "compressed with bzip2"),
        (b"\x1f\x8bjunk", "ends too soon"),
        (bytes(1024), "no oci-layout"),
    ],
)
def test_a_file_that_is_no_archive_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.tar"
    path.write_bytes(content)

    with pytest.raises(PybuildError) as caught:
        _read(f"oci-archive:{path}")

    assert message in f"{caught.value} {caught.value.hint}"
    assert str(path) in str(caught.value)


def test_an_archive_that_was_cut_off_is_refused_at_once(made: LayoutMaker, tmp_path: Path) -> None:
    made.index(made.image([LOW], compress=False))
    path = made.archive(tmp_path / "file.tar")
    path.write_bytes(path.read_bytes()[:-15000])

    with pytest.raises(InvalidArchive, match="cut off"):
        open_place(f"oci-archive:{path}")


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("oci:/nowhere/at:all", SourceUnusable, "there is no /nowhere/at"),
        ("docker-archive:/nowhere.tar", SourceUnusable, "there is no /nowhere"),
        ("oci-archive:/etc", SourceUnusable, "no regular file"),
        ("oci-archive:/dev/zero", SourceUnusable, "no regular file"),
        ("oci:/etc/passwd", SourceUnusable, "not the folder of an OCI image layout"),
        ("oci:", InvalidInput, "names no image"),
        ("registry:UPPER", InvalidInput, "no image name"),
        ("", InvalidInput, "names no image"),
    ],
)
def test_a_place_that_is_none_is_one_clear_error(place: str, error: type[PybuildError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        open_place(place, environ={})

    assert caught.value.hint


def test_a_registrys_image_is_named_with_its_word(tmp_path: Path) -> None:
    store, name = open_place("registry:registry.example.com/app:1", environ={"HOME": str(tmp_path)})

    assert (type(store).__name__, str(name)) == ("RegistryStore", "registry.example.com/app:1")
