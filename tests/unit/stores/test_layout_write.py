"""Writing layouts and archives: what is there stays, two writers do not disturb each other, several places are one build."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import DiskFull, ExportError, InvalidArchive, PybuildError, RegistryError
from pybuild.oci import model, validate
from pybuild.oci.reference import Reference
from pybuild.stores.api import Layer, StoredImage
from pybuild.stores.archive_store import ArchiveStore
from pybuild.stores.coming import Coming
from pybuild.stores.layout import LayoutStore
from pybuild.stores.places import open_place
from pybuild.stores.several import Place, SeveralStores
from support.images import FolderStore
from support.layouts import LayoutMaker, digest_of, layer_of, named
from support.phase import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pybuild.stores.api import ImageStore, OpenStore, Written

NAME = Reference.parse("myapp:1")
NOTHING = StoredImage(id="", config={}, diff_ids=(), labels={})
LOW, HIGH = layer_of(low="low"), layer_of(high="high")


def _layer(tar: bytes, *, seen: list[str] | None = None, known: bool = True) -> Layer:
    def opened() -> Iterator[bytes]:
        if seen is not None:
            seen.append(digest_of(tar))
        yield tar

    return Layer(diff_id=digest_of(tar) if known else None, size=len(tar), open=opened, created_by="a layer")


def _config(diff_ids: Sequence[str]) -> bytes:
    return model.encode_config(
        {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
            "config": {"Cmd": ["x"]},
        }
    )


def _write(store: ImageStore, *tars: bytes, name: Reference = NAME) -> Written:
    return store.write(NOTHING, [_layer(tar) for tar in tars], _config, [name], None)


def _index(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "index.json").read_bytes())["manifests"]
    return found


def _files(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_an_image_of_ours_is_sound_in_every_eye(tmp_path: Path) -> None:
    written = _write(LayoutStore(tmp_path / "out"), LOW, HIGH)

    (entry,) = _index(tmp_path / "out")
    manifest = (tmp_path / "out/blobs" / entry["digest"].replace(":", "/")).read_bytes()
    config = (tmp_path / "out/blobs" / written.config_digest.replace(":", "/")).read_bytes()
    assert validate.manifest_faults(manifest, config) == []
    assert validate.image_faults(config, [digest_of(LOW), digest_of(HIGH)]) == []
    assert {layer["mediaType"] for layer in json.loads(manifest)["layers"]} == {
        "application/vnd.oci.image.layer.v1.tar+gzip"
    }
    for path in (tmp_path / "out").rglob("blobs/sha256/*"):
        assert digest_of(path.read_bytes()) == f"sha256:{path.name}"
        assert path.stat().st_mode & 0o777 == 0o644
    assert written.digest == entry["digest"]


def test_other_images_of_a_layout_stay_and_a_name_moves(tmp_path: Path) -> None:
    """A tag that another tool wrote without a whole name is the same tag."""
    made = LayoutMaker(tmp_path / "out")
    made.index(
        made.image([LOW], **named("other")),
        made.image([LOW], **named("1")),
        made.image([LOW], **named("1", "docker.io/library/else:1")),
        made.image([LOW]),
    )

    _write(LayoutStore(made.folder), HIGH)
    written = _write(LayoutStore(made.folder), LOW, HIGH)

    found = [list(entry.get("annotations", {}).values()) for entry in _index(made.folder)]
    assert found == [["other"], ["1", "docker.io/library/else:1"], [], ["docker.io/library/myapp:1", "1"]]
    assert _index(made.folder)[-1]["digest"] == written.digest


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "out")
    first = _write(store, LOW, HIGH)
    before = _files(store.path)

    again = _write(LayoutStore(tmp_path / "out"), LOW, HIGH)
    _write(store, LOW, HIGH, layer_of(more="more"))

    assert (again.changed, again.sent_bytes, again.digest) == (False, 0, first.digest)
    assert before.items() - _files(store.path).items() == {("index.json", before["index.json"])}


def test_a_blob_that_was_cut_off_is_written_anew(tmp_path: Path) -> None:
    store = LayoutStore(tmp_path / "out")
    _write(store, LOW)
    for path in store.path.rglob("blobs/sha256/*"):
        path.write_bytes(path.read_bytes()[:-1])

    _write(LayoutStore(store.path), LOW)

    found, name = open_place(f"oci:{store.path}")
    image = found.find(name)
    assert image is not None
    assert b"".join(found.read_layer(image, digest_of(LOW))) == LOW


@pytest.mark.parametrize("content", ["notes.txt", ".git", "index.html"])
def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / content).write_text("precious")

    with pytest.raises(ExportError, match=f"no OCI image layout: it has {content}"):
        _write(LayoutStore(tmp_path / "out"), LOW)

    assert list(_files(tmp_path / "out")) == [content]


def test_a_layout_with_a_damaged_index_is_left_alone(tmp_path: Path) -> None:
    _write(LayoutStore(tmp_path / "out"), LOW)
    (tmp_path / "out/index.json").write_text("junk")
    before = _files(tmp_path / "out")

    with pytest.raises(InvalidArchive, match=r"index\.json"):
        _write(LayoutStore(tmp_path / "out"), HIGH)

    assert _files(tmp_path / "out") == before


def test_two_writers_at_once_both_have_their_image_there(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(5):
                tars = (LOW, layer_of(**{f"file{number}": str(turn)}))
                _write(LayoutStore(tmp_path / "out"), *tars, name=Reference.parse(f"app{number}"))
        except BaseException as exc:  # noqa: BLE001 - told below
            failures.append(exc)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(_index(tmp_path / "out")) == 3
    store, _ = open_place(f"oci:{tmp_path / 'out'}")
    for number in range(3):
        image = store.find(Reference.parse(f"app{number}"))
        assert image is not None
        assert [digest_of(b"".join(store.read_layer(image, each))) for each in image.diff_ids] == [
            *image.diff_ids
        ]
    assert not list(tmp_path.rglob(".coming-*"))


def test_what_a_killed_writer_left_is_removed_and_what_a_living_one_has_is_not(tmp_path: Path) -> None:
    (tmp_path / ".coming-killed").mkdir()
    (tmp_path / ".coming-killed" / "half").write_text("half")

    with Coming(tmp_path) as living:
        living.add([b"content"])
        with Coming(tmp_path):
            assert not (tmp_path / ".coming-killed").exists()
            assert living.blobs[digest_of(b"content")].read_bytes() == b"content"

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["oci", "oci-archive", "docker-archive"])
def test_a_disk_that_is_full_leaves_the_old_image(tmp_path: Path, kind: str) -> None:
    def store() -> OpenStore:
        if kind == "oci":
            return LayoutStore(tmp_path / "out")
        return ArchiveStore(tmp_path / "out.tar", docker=kind == "docker-archive")

    _write(store(), LOW)
    before = _files(tmp_path)
    large = layer_of(large=os.urandom(200_000).hex())

    def fail() -> str:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            _write(store(), large)
        except DiskFull as exc:
            return f"{exc} {exc.hint}"
        return ""

    said = in_child(fail)

    assert f"no space left in {tmp_path}" in said
    assert "df -h" in said
    assert _files(tmp_path) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_folder_that_may_not_be_written_is_one_clear_error(tmp_path: Path) -> None:
    _write(LayoutStore(tmp_path / "out"), LOW)
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == 0 and str(path).startswith("/tmp/pytest"):
            path.chmod(0o755)

    def fail(store: Callable[[], OpenStore]) -> str:
        os.setuid(1000)
        try:
            _write(store(), HIGH)
        except ExportError as exc:
            return str(exc)
        return ""

    found = [
        in_child(lambda store=store: fail(store))
        for store in (
            lambda: LayoutStore(tmp_path / "out"),
            lambda: LayoutStore(tmp_path / "new"),
            lambda: ArchiveStore(tmp_path / "new.tar"),
        )
    ]

    assert all("cannot be written: Permission denied" in said for said in found), found


@pytest.mark.parametrize("docker", [True, False])
def test_equal_images_are_equal_archives(tmp_path: Path, docker: bool) -> None:
    """Whether they were made at once, or one upon the other."""
    one, two = (ArchiveStore(tmp_path / name, docker=docker) for name in ("one.tar", "two.tar"))
    _write(one, HIGH)
    _write(one, LOW, HIGH)
    _write(two, LOW, HIGH)
    before = (tmp_path / "two.tar").stat()

    again = _write(ArchiveStore(tmp_path / "two.tar", docker=docker), LOW, HIGH)

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert (again.changed, again.sent_bytes) == (False, 0)
    assert (tmp_path / "two.tar").stat() == before
    with tarfile.open(tmp_path / "one.tar") as archive:
        names = archive.getnames()
        assert ("manifest.json" in names) == docker
        assert {member.mtime for member in archive} == {315532801}


def test_an_archive_for_docker_is_read_by_both_readers(tmp_path: Path) -> None:
    path = tmp_path / "app.tar"
    written = _write(ArchiveStore(path, docker=True), LOW, HIGH)

    for place in (f"docker-archive:{path}", f"docker-archive:{path}:myapp:1", f"oci-archive:{path}:1"):
        store, name = open_place(place)
        image = store.find(name)
        assert image is not None
        assert image.names == ("myapp:1",)
        assert [b"".join(store.read_layer(image, diff_id)) for diff_id in image.diff_ids] == [LOW, HIGH]
    store, _ = open_place(f"docker-archive:{path}")
    image = store.find("")
    assert image is not None
    assert image.id == written.config_digest


@pytest.mark.parametrize("content", [b"", b"junk", gzip.compress(b"junk", mtime=0)])
def test_a_file_that_is_no_archive_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(content)

    _write(ArchiveStore(path), LOW)

    store, name = open_place(f"oci-archive:{path}")
    assert store.find(name) is not None


def test_an_archive_cannot_take_the_place_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no regular file"):
        ArchiveStore(tmp_path)


class Broken(FolderStore):
    """A store that fails when it is written to."""

    def write(self, *_: object, **__: object) -> Written:
        raise RegistryError("the registry is on fire", hint="call somebody")

    def close(self) -> None:
        """Nothing is held."""


def _places(tmp_path: Path) -> list[Place]:
    stores: dict[str, OpenStore] = {
        "oci:layout": LayoutStore(tmp_path / "layout"),
        "oci-archive:one.tar": ArchiveStore(tmp_path / "one.tar"),
        "docker-archive:two.tar": ArchiveStore(tmp_path / "two.tar", docker=True),
    }
    return [Place(where=where, store=store, names=[NAME], base=None) for where, store in stores.items()]


def test_several_places_have_the_same_image_and_each_layer_is_read_once(tmp_path: Path) -> None:
    first, *others = _places(tmp_path)
    seen: list[str] = []
    layers = [_layer(LOW, seen=seen, known=False), _layer(HIGH, seen=seen)]

    written = SeveralStores(first, others).write(NOTHING, layers, _config, [NAME], None)

    assert seen == [digest_of(LOW), digest_of(HIGH)]
    assert [copy.where for copy in written.copies] == ["oci-archive:one.tar", "docker-archive:two.tar"]
    found = [copy.written for copy in written.copies if copy.written]
    assert {each.config_digest for each in found} == {written.config_digest}
    assert found[0].digest == written.digest


def test_a_place_that_was_lost_gets_all_layers_again_and_the_others_nothing(tmp_path: Path) -> None:
    first, *others = _places(tmp_path)
    layers = [_layer(LOW), _layer(HIGH)]
    SeveralStores(first, others).write(NOTHING, layers, _config, [NAME], None)
    shutil.rmtree(tmp_path / "layout")

    again = SeveralStores(*_split(_places(tmp_path))).write(NOTHING, layers, _config, [NAME], None)

    assert again.changed
    assert [copy.written and copy.written.changed for copy in again.copies] == [False, False]


def _split(places: list[Place]) -> tuple[Place, list[Place]]:
    return places[0], places[1:]


def test_a_place_that_fails_keeps_no_other_from_its_image(tmp_path: Path) -> None:
    first, second, third = _places(tmp_path)
    broken = Place(where="registry:x/y", store=Broken(tmp_path / "broken"), names=[NAME], base=None)

    written = SeveralStores(first, [broken, second, third]).write(
        NOTHING, [_layer(LOW)], _config, [NAME], None
    )

    assert [type(copy.failure) for copy in written.copies] == [RegistryError, type(None), type(None)]
    for place in (
        f"oci:{tmp_path}/layout",
        f"oci-archive:{tmp_path}/one.tar",
        f"docker-archive:{tmp_path}/two.tar",
    ):
        store, name = open_place(place)
        assert store.find(name) is not None


def test_what_the_first_place_fails_with_is_what_is_told_and_no_other_is_tried(tmp_path: Path) -> None:
    first, second, _ = _places(tmp_path)
    broken = Place(where="registry:x/y", store=Broken(tmp_path / "broken"), names=[NAME], base=None)

    with pytest.raises(RegistryError, match="on fire"):
        SeveralStores(broken, [first, second]).write(NOTHING, [_layer(LOW)], _config, [NAME], None)

    assert not (tmp_path / "layout").exists()
    assert not (tmp_path / "one.tar").exists()


def test_a_layer_that_changed_while_it_was_read_spoils_nothing(tmp_path: Path) -> None:
    places = _places(tmp_path)
    SeveralStores(*_split(places)).write(NOTHING, [_layer(LOW)], _config, [NAME], None)
    before = _files(tmp_path)
    other = Layer(diff_id=digest_of(HIGH), size=len(HIGH), open=lambda: iter([LOW]), created_by="moving")

    with pytest.raises(PybuildError, match="'moving' changed while it was being read"):
        SeveralStores(*_split(places)).write(NOTHING, [other], _config, [NAME], None)

    assert _files(tmp_path) == before
