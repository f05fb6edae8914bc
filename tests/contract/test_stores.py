"""What every place for images must do: Docker Engine, registry, layout, archives (GO-35, EXP-02, promise "names last")."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tracemalloc
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import ExportError, InvalidReference
from pybuild.oci import model, tar, validate
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.stores.api import Layer, StoredImage, Written
from pybuild.stores.archive_store import ArchiveStore
from pybuild.stores.daemon import DaemonStore
from pybuild.stores.files import Folder
from pybuild.stores.keychain import Keychain
from pybuild.stores.layout import LayoutReader, LayoutStore
from pybuild.stores.registry import RegistryStore
from support.layouts import LayoutMaker, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import docker

    from pybuild.stores.api import ImageStore


class TidyStore(DaemonStore):
    """The store under test, which remembers its images: those that lost their name would stay behind."""

    written: list[str]

    def write(self, *args: Any, **options: Any) -> Written:
        made = super().write(*args, **options)
        self.written.append(made.image_id)
        return made


@pytest.fixture
def daemon(engine: docker.APIClient) -> Iterator[TidyStore]:
    made = TidyStore(engine)
    made.written = []
    yield made
    for image_id in made.written:
        if image := made.find(image_id):
            made.delete(image)
    made.close()


@pytest.fixture
def daemon_base(daemon: TidyStore, tiny_image: str) -> StoredImage:
    found = daemon.find(tiny_image)
    assert found is not None
    return found


@pytest.fixture
def daemon_name(test_run: str, request: pytest.FixtureRequest) -> Reference:
    return Reference.parse(f"{test_run}/store-{_digits(request)}")


@pytest.fixture(
    params=[
        pytest.param("daemon", marks=pytest.mark.docker),
        "registry",
        "oci",
        "oci-archive",
        "docker-archive",
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, request: pytest.FixtureRequest) -> Iterator[ImageStore]:
    """Each of the stores that there are."""
    if kind == "daemon":
        yield request.getfixturevalue("daemon")
        return
    if kind != "registry":
        yield request.getfixturevalue("on_disk")
        return
    request.getfixturevalue("registry").put_image("acme/run", "latest", [bytes(1024)])
    environ = {"HOME": "/nonexistent"}
    made = RegistryStore(Keychain(environ), environ=environ)
    yield made
    made.close()


@pytest.fixture
def on_disk(kind: str, tmp_path: Path) -> ImageStore:
    """A layout or an archive, with a base in a layout beside it."""
    lender = LayoutMaker(tmp_path / "lender")
    lender.index(lender.image([bytes(1024)], **named("run", "docker.io/library/acme-run:latest")))
    loan: Any = {
        "lender": LayoutReader(Folder(lender.folder)),
        "lends": Reference.parse("acme-run").__eq__,
    }
    if kind == "oci":
        return LayoutStore(tmp_path / "out", **loan)
    return ArchiveStore(tmp_path / "out.tar", docker=kind == "docker-archive", **loan)


@pytest.fixture
def base_name(kind: str, request: pytest.FixtureRequest) -> str:
    if kind == "daemon":
        return str(request.getfixturevalue("tiny_image"))
    if kind != "registry":
        return "acme-run:latest"
    return f"{request.getfixturevalue('registry').host}/acme/run:latest"


@pytest.fixture
def base(store: ImageStore, base_name: str) -> StoredImage:
    found = store.find(base_name)
    assert found is not None
    return found


@pytest.fixture
def name(kind: str, request: pytest.FixtureRequest) -> Reference:
    if kind == "daemon":
        found: Reference = request.getfixturevalue("daemon_name")
        return found
    if kind != "registry":
        return Reference.parse(f"acme/store-{_digits(request)}")
    return Reference.parse(f"{request.getfixturevalue('registry').host}/acme/store-{_digits(request)}")


def _digits(request: pytest.FixtureRequest) -> str:
    return hashlib.sha256(request.node.name.encode()).hexdigest()[:8]


def _layer(content: str, *, known: bool = True) -> Layer:
    """A layer with the file /content; `known`: whether its diff id is told before it is read."""
    data = content.encode()
    entry = tar.TarEntry(b"/content", tar.FILE, 0o644, 0, 0, len(data))
    archive = b"".join(tar.write([(entry, data)]))
    return Layer(
        diff_id=sha256(archive) if known else None,
        size=len(archive),
        open=lambda: iter([archive]),
        created_by=content,
    )


def _unreadable(layer: Layer) -> Layer:
    """The same layer, whose content must not be asked for."""

    def refuse() -> Iterator[bytes]:
        raise AssertionError("the content of a layer that the store has was read")

    return replace(layer, open=refuse)


def _config(base: StoredImage, label: str = "") -> Callable[[Sequence[str]], bytes]:
    def make(diff_ids: Sequence[str]) -> bytes:
        config: Any = base.config["config"]
        return model.encode_config(
            {
                **base.config,
                "created": "1980-01-01T00:00:01Z",
                "history": [],
                "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
                "config": {**config, "Labels": {"label": label}, "Cmd": ["cat", "/content"]},
            }
        )

    return make


def _all_images(kind: str, request: pytest.FixtureRequest) -> set[object]:
    if kind == "registry":
        return set(request.getfixturevalue("registry").manifests)
    if kind != "daemon":
        folder = request.getfixturevalue("tmp_path")
        return {(str(path), path.is_file() and path.read_bytes()) for path in folder.rglob("*")}
    return {image["Id"] for image in request.getfixturevalue("engine").images(all=True)}


def _run(engine: docker.APIClient, image: str) -> str:
    container = engine.create_container(image, network_disabled=True)["Id"]
    try:
        engine.start(container)
        assert engine.wait(container)["StatusCode"] == 0
        return engine.logs(container).decode()
    finally:
        engine.remove_container(container, force=True)


def _saved(engine: docker.APIClient, image: str) -> tuple[bytes, list[str]]:
    """The configuration file and the digests of the layers as the engine gives them out."""
    data = io.BytesIO(b"".join(engine.get_image(image)))
    with tarfile.open(fileobj=data) as archive:

        def content(member: str) -> bytes:
            file = archive.extractfile(member)
            assert file is not None
            return file.read()

        (entry,) = json.loads(content("manifest.json"))
        return content(entry["Config"]), [sha256(content(layer)) for layer in entry["Layers"]]


def test_a_name_that_nobody_has_is_not_found(store: ImageStore, name: Reference) -> None:
    assert store.find(name) is None


def test_a_found_image_tells_its_layers_names_and_configuration(base: StoredImage, base_name: str) -> None:
    assert base_name in base.names
    assert base.config["rootfs"] == {"type": "layers", "diff_ids": list(base.diff_ids)}
    assert (base.config["os"], base.size > 0) == ("linux", True)


@pytest.mark.docker
def test_a_new_image_has_the_layers_of_its_base_and_its_own_and_runs(
    engine: docker.APIClient, daemon: TidyStore, daemon_base: StoredImage, daemon_name: Reference
) -> None:
    layers = [_layer("one", known=False), _layer("two")]

    written = daemon.write(daemon_base, layers, _config(daemon_base), [daemon_name], None)

    assert written.changed
    assert written.sent_bytes == sum(layer.size for layer in layers)
    config, saved = _saved(engine, written.image_id)
    assert (
        saved
        == list(written.diff_ids)
        == [*daemon_base.diff_ids, *(_layer(text).diff_id for text in ("one", "two"))]
    )
    assert sha256(config) == written.image_id
    assert validate.image_faults(config, saved) == []
    assert _run(engine, daemon_name.familiar) == "two"


def test_only_the_configuration_is_sent_when_all_layers_are_there(
    store: ImageStore, base: StoredImage, name: Reference
) -> None:
    layers = [_layer("one"), _layer("two")]
    store.write(base, layers, _config(base, "old"), [name], None)

    written = store.write(
        base, list(map(_unreadable, layers)), _config(base, "new"), [name], store.find(name)
    )

    assert (written.changed, written.sent_bytes) == (True, 0)
    found = store.find(name)
    assert found is not None
    assert (found.id, found.labels) == (written.image_id, {"label": "new"})


@pytest.mark.docker
def test_from_the_first_changed_layer_on_all_are_sent(
    engine: docker.APIClient, daemon: TidyStore, daemon_base: StoredImage, daemon_name: Reference
) -> None:
    low, old, high = (_layer(text) for text in ("low", "old", "high"))
    daemon.write(daemon_base, [low, old, high], _config(daemon_base), [daemon_name], None)
    new = _layer("new", known=False)

    written = daemon.write(
        daemon_base,
        [_unreadable(low), new, high],
        _config(daemon_base),
        [daemon_name],
        daemon.find(daemon_name),
    )

    assert written.sent_bytes == new.size + high.size
    assert _run(engine, daemon_name.familiar) == "high"


def test_an_unchanged_image_is_not_sent_at_all(
    kind: str, store: ImageStore, base: StoredImage, name: Reference
) -> None:
    layers = [_layer("same")]
    first = store.write(base, layers, _config(base), [name], None)
    other = replace(name, tag="2")

    again = store.write(base, list(map(_unreadable, layers)), _config(base), [name, other], store.find(name))

    # Another name is a change to all but an engine, which keeps names apart from images.
    assert again == replace(first, changed=kind != "daemon", sent_bytes=0)
    found = store.find(other)
    assert found is not None
    assert found.id == first.image_id
    assert other.familiar in found.names
    unnamed = store.write(base, list(map(_unreadable, layers)), _config(base), [name, other], found)
    assert unnamed == replace(first, changed=False, sent_bytes=0)


@pytest.mark.parametrize("fault", ["breaks off", "too short", "too long", "other digest", "bad config"])
def test_whatever_fails_the_old_image_keeps_its_name_and_nothing_is_left(
    kind: str,
    store: ImageStore,
    base: StoredImage,
    name: Reference,
    fault: str,
    request: pytest.FixtureRequest,
) -> None:
    old = store.write(base, [_layer("old")], _config(base), [name], None)
    images = _all_images(kind, request)
    new = _layer("new content")

    def broken() -> Iterator[bytes]:
        (data,) = list(new.open())
        if fault == "breaks off":
            yield data[:700]
            raise ExportError("the file changed")
        yield {"too short": data[:-512], "too long": data + bytes(512)}.get(fault, data.upper())

    def no_config(_: Sequence[str]) -> bytes:
        raise ExportError("no configuration")

    make_config = no_config if fault == "bad config" else _config(base)
    source = replace(new, diff_id=None) if fault == "bad config" else replace(new, open=broken)
    with pytest.raises(ExportError, match=r"changed|no configuration"):
        store.write(base, [source], make_config, [name], None)

    found = store.find(name)
    assert found is not None
    assert found.id == old.image_id
    assert _all_images(kind, request) == images
    assert b"".join(store.read_layer(found, old.diff_ids[-1])) == b"".join(_layer("old").open())


@pytest.mark.docker
def test_the_engines_refusal_is_an_error_and_leaves_the_old_image(
    daemon: TidyStore, daemon_base: StoredImage, daemon_name: Reference
) -> None:
    old = daemon.write(daemon_base, [_layer("old")], _config(daemon_base), [daemon_name], None)
    junk = Layer(
        diff_id=None, size=2048, open=lambda: iter([b"no tar at all" * 157 + bytes(7)]), created_by=""
    )

    with pytest.raises(ExportError, match="would not take the image"):
        daemon.write(daemon_base, [junk], _config(daemon_base), [daemon_name], None)

    found = daemon.find(daemon_name)
    assert found is not None
    assert found.id == old.image_id


@pytest.mark.docker
def test_layers_that_the_engine_lost_are_sent_after_all(
    engine: docker.APIClient, daemon: TidyStore, daemon_base: StoredImage, daemon_name: Reference
) -> None:
    layers = [_layer("lost layer 1"), _layer("lost layer 2")]
    gone = replace(daemon_base, diff_ids=(*daemon_base.diff_ids, *(str(layer.diff_id) for layer in layers)))

    written = daemon.write(daemon_base, layers, _config(daemon_base), [daemon_name], gone)

    assert _run(engine, daemon_name.familiar) == "lost layer 2"
    # The second attempt has everything, the daemon_base too.
    assert written.sent_bytes > sum(layer.size for layer in layers)


@pytest.mark.docker
def test_an_engine_that_keeps_images_in_containerd_gets_every_layer(
    engine: docker.APIClient,
    daemon: TidyStore,
    daemon_base: StoredImage,
    daemon_name: Reference,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status = [["driver-type", "io.containerd.snapshotter.v1"]]
    monkeypatch.setattr(engine, "info", lambda: {"DriverStatus": status})
    layer = _layer("complete")

    written = daemon.write(daemon_base, [layer], _config(daemon_base), [daemon_name], None)

    assert written.sent_bytes == layer.size + sum(
        len(b"".join(daemon.read_layer(daemon_base, diff_id))) for diff_id in daemon_base.diff_ids
    )
    assert _run(engine, daemon_name.familiar) == "complete"


@pytest.mark.docker
def test_an_engine_that_says_null_for_no_history_has_the_image_all_the_same(
    engine: docker.APIClient, daemon: TidyStore, daemon_base: StoredImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker 26 with containerd's image store."""
    monkeypatch.setattr(engine, "history", lambda _: None)

    found = daemon.find(daemon_base.id)

    assert found is not None
    assert found.config["history"] == []


def test_a_layer_can_be_read_back(store: ImageStore, base: StoredImage, name: Reference) -> None:
    layer = _layer("to be read")
    store.write(base, [layer], _config(base), [name], None)
    image = store.find(name)
    assert image is not None

    for _ in range(2):
        assert b"".join(store.read_layer(image, str(layer.diff_id))) == b"".join(layer.open())


@pytest.mark.docker
def test_a_file_can_be_read_through_links_and_no_container_is_left(
    engine: docker.APIClient, daemon: TidyStore, daemon_base: StoredImage, daemon_name: Reference
) -> None:
    entries = [
        (tar.TarEntry(b"/etc/os-release", tar.SYMLINK, 0o777, 0, 0, 0, b"../usr/lib/os-release"), b""),
        (tar.TarEntry(b"/usr/lib/os-release", tar.FILE, 0o644, 0, 0, 4), b"ID=x"),
        (tar.TarEntry(b"/dangling", tar.SYMLINK, 0o777, 0, 0, 0, b"/none"), b""),
    ]
    archive = b"".join(tar.write(entries))
    layer = Layer(diff_id=None, size=len(archive), open=lambda: iter([archive]), created_by="")
    daemon.write(daemon_base, [layer], _config(daemon_base), [daemon_name], None)
    image = daemon.find(daemon_name)
    assert image is not None
    before = len(engine.containers(all=True, filters={"ancestor": image.id}))

    read = [daemon.read_file(image, path) for path in ("/etc/os-release", "/dangling", "/missing", "/etc")]

    assert read == [b"ID=x", None, None, None]
    assert len(engine.containers(all=True, filters={"ancestor": image.id})) == before


def test_a_deleted_image_is_gone_and_deleting_it_again_is_no_error(
    store: ImageStore, base: StoredImage, name: Reference
) -> None:
    store.write(base, [_layer("short-lived")], _config(base), [name], None)
    image = store.find(name)
    assert image is not None

    store.delete(image)
    store.delete(image)

    assert store.find(name) is None


def test_a_digest_cannot_be_given_as_a_name(store: ImageStore, base: StoredImage) -> None:
    with pytest.raises(InvalidReference, match="cannot be given"):
        store.write(base, [], _config(base), [Reference.parse(f"x@sha256:{'0' * 64}")], None)


def test_a_large_layer_passes_with_little_memory(
    store: ImageStore, base: StoredImage, name: Reference
) -> None:
    size = 64 << 20
    entry = tar.TarEntry(b"/large", tar.FILE, 0o644, 0, 0, size)
    piece = bytes(1 << 20)

    def content() -> Iterator[bytes]:
        yield tar.header(entry)
        yield from (piece for _ in range(64))
        yield tar.TRAILER

    layer = Layer(diff_id=None, size=tar.tar_size([entry]), open=content, created_by="")
    tracemalloc.start()
    try:
        written = store.write(base, [layer], _config(base), [name], None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    # The base, which an archive needs as well, has one layer of 1024 bytes.
    assert 0 < written.sent_bytes <= layer.size + 1024
    assert peak < 8 << 20


def test_a_file_of_lower_layers_is_found_unless_a_higher_one_hides_it(
    store: ImageStore, base: StoredImage, name: Reference
) -> None:
    low = [
        (tar.TarEntry(b"/usr/lib/os-release", tar.FILE, 0o644, 0, 0, 4), b"ID=x"),
        (tar.TarEntry(b"/gone", tar.FILE, 0o644, 0, 0, 1), b"1"),
    ]
    high = [
        (tar.TarEntry(b"/etc/os-release", tar.SYMLINK, 0o777, 0, 0, 0, b"../usr/lib/os-release"), b""),
        (tar.TarEntry(b"/.wh.gone", tar.FILE, 0o644, 0, 0, 0), b""),
    ]
    layers = []
    for entries in (low, high):
        archive = b"".join(tar.write(entries))
        layers.append(
            Layer(
                diff_id=None,
                size=len(archive),
                open=partial(lambda data: iter([data]), archive),
                created_by="",
            )
        )
    store.write(base, layers, _config(base), [name], None)
    image = store.find(name)
    assert image is not None

    read = [store.read_file(image, path) for path in ("/etc/os-release", "/gone", "/missing")]

    assert read == [b"ID=x", None, None]


def test_only_a_changed_layer_is_read_again(store: ImageStore, base: StoredImage, name: Reference) -> None:
    low, old, high = (_layer(text) for text in ("low", "old", "high"))
    first = store.write(base, [low, old, high], _config(base), [name], None)

    written = store.write(
        base, [_unreadable(low), _layer("new"), high], _config(base), [name], store.find(name)
    )

    assert written.changed
    assert 0 < written.sent_bytes < 10_000
    assert written.diff_ids[:-2] == first.diff_ids[:-2]
    assert written.diff_ids[-1] == first.diff_ids[-1]
