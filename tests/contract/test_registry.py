"""Reading from and writing to a registry that fails in every way: F-07 to F-12, F-15, S-40 to S-43."""

from __future__ import annotations

import itertools
import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import ExportError, InvalidArchive, PybuildError, RegistryDenied, RegistryError
from pybuild.oci import model, tar, validate
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.stores.api import Layer, StoredImage, Written
from pybuild.stores.exchange import Patience
from pybuild.stores.image_manifest import DOCKER_INDEX, OCI_INDEX, Platform
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore
from support.images import FolderStore
from support.pace import allowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from support.registry import Registry

HASTY = Patience(connect=2, idle=0.7, total=2, pause=0.01, longest_pause=0.05, least_rate=1 << 20)
BASE = [b"base layer".ljust(1024, b"\0")]
AUTH = {"CNB_REGISTRY_AUTH": "{}"}


def store_for(registry: Registry, environ: dict[str, str] | None = None, **options: Any) -> RegistryStore:
    options.setdefault("patience", HASTY)
    given = {"HOME": "/nonexistent", **(environ or {})}
    return RegistryStore(Keychain(given), environ=given, **options)


def credentials(registry: Registry) -> dict[str, str]:
    """The right ones, as a platform gives them."""
    import base64

    from support.registry import PASSWORD, USER

    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    return {"CNB_REGISTRY_AUTH": json.dumps({registry.host: f"Basic {basic}"})}


def layer(content: str, *, size: int = 0, known: bool = True) -> Layer:
    data = content.encode().ljust(size, b".")
    entry = tar.TarEntry(b"/content", tar.FILE, 0o644, 0, 0, len(data))
    archive = b"".join(tar.write([(entry, data)]))
    return Layer(
        diff_id=sha256(archive) if known else None,
        size=len(archive),
        open=lambda: iter([archive]),
        created_by=content[:20],
    )


def noise(size: int) -> Layer:
    """A layer that does not get smaller."""
    import random

    data = random.Random(1).randbytes(size)
    entry = tar.TarEntry(b"/noise", tar.FILE, 0o644, 0, 0, len(data))
    archive = b"".join(tar.write([(entry, data)]))
    return Layer(diff_id=None, size=len(archive), open=lambda: iter([archive]), created_by="noise")


def config_of(base: StoredImage, label: str = "") -> Callable[[Sequence[str]], bytes]:
    def make(diff_ids: Sequence[str]) -> bytes:
        config: Any = base.config["config"]
        return model.encode_config(
            {
                **base.config,
                "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
                "config": {**config, "Labels": {"label": label}},
            }
        )

    return make


def push(
    store: RegistryStore,
    registry: Registry,
    layers: Sequence[Layer],
    *,
    names: Sequence[str] = ("acme/app",),
    label: str = "",
    previous: bool = False,
) -> Written:
    base = store.find(f"{registry.host}/acme/run")
    assert base is not None
    refs = [Reference.parse(f"{registry.host}/{name}") for name in names]
    old = store.find(refs[0]) if previous else None
    return store.write(base, layers, config_of(base, label), refs, old)


def check_whole(registry: Registry, repository: str = "acme/app", tag: str = "latest") -> Any:
    """The manifest, after every blob that it names has been found sound in that repository."""
    text = registry.manifests[repository, tag][1]
    manifest = json.loads(text)
    for item in [manifest["config"], *manifest["layers"]]:
        assert len(registry.blobs[repository, item["digest"]]) == item["size"]
    assert validate.manifest_faults(text, registry.blobs[repository, manifest["config"]["digest"]]) == []
    return manifest


@pytest.fixture
def with_base(registry: Registry) -> Registry:
    registry.put_image("acme/run", "latest", BASE)
    return registry


def test_an_image_is_written_whole_and_found_again(with_base: Registry) -> None:
    store = store_for(with_base)

    written = push(store, with_base, [layer("one"), layer("two", known=False)], label="x")

    manifest = check_whole(with_base)
    found = store.find(f"{with_base.host}/acme/app")
    assert found is not None
    assert (found.id, found.labels, found.diff_ids) == (written.digest, {"label": "x"}, written.diff_ids)
    assert found.reference == f"{with_base.host}/acme/app@{written.digest}"
    assert written.manifest_size == len(with_base.manifests["acme/app", "latest"][1])
    assert written.sent_bytes == sum(item["size"] for item in manifest["layers"][1:])
    assert (written.changed, manifest["mediaType"]) == (True, model.DOCKER_MANIFEST)
    content = b"".join(store.read_layer(found, written.diff_ids[1]))
    assert content == b"".join(layer("one").open())


def test_manifests_go_last_and_after_every_blob(with_base: Registry) -> None:
    push(store_for(with_base), with_base, [layer("one"), layer("two")], names=("acme/app", "acme/app:2"))

    writes = [
        f"{seen.method} {seen.path}" for seen in with_base.seen if seen.method in ("POST", "PATCH", "PUT")
    ]
    assert [write.split("/")[-1] for write in writes[-2:]] == ["latest", "2"]
    assert not any("/manifests/" in write for write in writes[:-2])


def test_an_image_that_did_not_change_sends_nothing_and_is_not_pushed_again(with_base: Registry) -> None:
    store = store_for(with_base)
    first = push(store, with_base, [layer("one"), layer("two")])
    with_base.seen.clear()

    again = push(store_for(with_base), with_base, [layer("one"), layer("two")], previous=True)

    assert (again.changed, again.sent_bytes, again.digest) == (False, 0, first.digest)
    assert {seen.method for seen in with_base.seen} == {"GET", "HEAD"}


def test_a_reused_layer_keeps_its_descriptor_and_is_not_read(with_base: Registry) -> None:
    """GEN-17; layers that another tool compressed stay as they are."""
    one = layer("one")
    tarred = b"".join(one.open())
    with_base.put_image("acme/app", "latest", [*BASE, tarred])
    old = with_base.manifest("acme/app", "latest")

    def refuse() -> Iterator[bytes]:
        raise AssertionError("it was read")

    unread = Layer(diff_id=one.diff_id, size=one.size, open=refuse, created_by="")
    written = push(store_for(with_base), with_base, [unread, layer("new")], previous=True)

    new = check_whole(with_base)
    assert new["layers"][:2] == old["layers"]
    assert written.sent_bytes == new["layers"][2]["size"]


def test_layers_of_the_base_are_mounted_from_its_repository_where_the_registry_does_that(
    with_base: Registry,
) -> None:
    push(store_for(with_base), with_base, [])
    assert len(with_base.asked("POST", "mount=")) == 1
    assert with_base.sent == check_whole(with_base)["config"]["size"]


def test_a_registry_that_does_not_mount_gets_the_layers_sent(with_base: Registry) -> None:
    with_base.mounts = False

    push(store_for(with_base), with_base, [])

    manifest = check_whole(with_base)
    assert with_base.sent == sum(item["size"] for item in [manifest["config"], *manifest["layers"]])


def test_a_base_from_another_registry_is_sent_along(with_base: Registry, other_registry: Registry) -> None:
    store = store_for(with_base)
    base = store.find(f"{with_base.host}/acme/run")
    assert base is not None

    store.write(base, [layer("x")], config_of(base), [Reference.parse(f"{other_registry.host}/a/b")], None)

    assert (
        check_whole(other_registry, "a/b")["layers"][0]
        == with_base.manifest("acme/run", "latest")["layers"][0]
    )


def test_names_in_several_repositories_all_get_every_blob(with_base: Registry) -> None:
    push(store_for(with_base), with_base, [layer("x")], names=("acme/app", "acme/other:1"))

    assert check_whole(with_base) == check_whole(with_base, "acme/other", "1")


def test_an_oci_base_gives_an_oci_manifest_with_its_annotations_and_docker_layers(registry: Registry) -> None:
    registry.put_image("acme/run", "latest", BASE, oci=True, annotations={"b": "2", "a": "1"})

    push(store_for(registry), registry, [layer("x")])

    manifest = check_whole(registry)
    assert manifest["mediaType"] == model.OCI_MANIFEST
    assert manifest["annotations"] == {"a": "1", "b": "2"}
    assert manifest["layers"][1]["mediaType"] == model.DOCKER_LAYER


VERBS = [
    ("GET", "/v2/"),
    ("GET", "/token"),
    ("GET", "/manifests/"),
    ("HEAD", "/manifests/"),
    ("HEAD", "/blobs/sha256"),
    ("GET", "/blobs/sha256"),
    ("POST", "/blobs/uploads/"),
    ("POST", "mount="),
    ("PATCH", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("PUT", "/manifests/"),
]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb))
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_any_request_survives_one_passing_fault(
    with_base: Registry, verb: tuple[str, str], status: int
) -> None:
    """F-07, F-08, G6: the status decides, whatever the body says."""
    with_base.auth = "bearer"
    fault = with_base.fail(*verb, status=status, body=b'{"errors":[{"code":"STRANGE","message":"x"}]}')

    push(store_for(with_base, credentials(with_base)), with_base, [layer("one"), layer("two")])

    assert fault.seen == 1
    check_whole(with_base)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb))
@pytest.mark.parametrize("how", ["reset", "lost", "long", "hang"])
def test_any_request_survives_one_broken_connection(
    with_base: Registry, verb: tuple[str, str], how: str
) -> None:
    """F-09, F-12."""
    with_base.auth = "bearer"
    fault = with_base.fail(*verb, how=how)

    push(store_for(with_base, credentials(with_base)), with_base, [layer("one"), layer("two")])

    assert fault.seen == 1
    check_whole(with_base)


@pytest.mark.parametrize(
    "verb", [verb for verb in VERBS if verb[1] != "mount="], ids=lambda verb: " ".join(verb)
)
def test_a_fault_that_stays_ends_after_five_tries_with_the_name_unchanged(
    with_base: Registry, verb: tuple[str, str]
) -> None:
    """F-07."""
    with_base.auth = "bearer"
    with_base.put_image("acme/app", "latest", [*BASE, b"old".ljust(1024)])
    before = dict(with_base.manifests)
    fault = with_base.fail(*verb, status=503, times=1000)

    with pytest.raises(RegistryError, match="503"):
        push(store_for(with_base, credentials(with_base)), with_base, [layer("one")])

    assert fault.seen <= 5 * 4  # several requests of the kind may be under way
    assert with_base.manifests == before


def test_retry_after_is_honoured_up_to_a_limit(with_base: Registry) -> None:
    """F-07."""
    patient = Patience(pause=0.01, longest_pause=0.3)
    with_base.fail("PUT", "/manifests/", status=429, headers={"Retry-After": "3600"})
    start = time.monotonic()

    push(store_for(with_base, patience=patient), with_base, [])

    assert 0.3 <= time.monotonic() - start < allowed(5)


def test_an_upload_that_breaks_off_is_continued_where_it_stopped(with_base: Registry) -> None:
    """F-09."""
    with_base.fail("PATCH", "/uploads/", how="reset body", after=200_000)

    push(store_for(with_base), with_base, [noise(1_000_000)])

    size = check_whole(with_base)["layers"][1]["size"]
    second = [seen for seen in with_base.seen if seen.method == "PATCH" and "content-range" in seen.headers]
    assert len(second) == 1
    assert 200_000 <= size - second[0].body < size


def test_a_registry_that_forgets_a_broken_upload_gets_it_from_the_start(with_base: Registry) -> None:
    """F-09: 404 for the upload."""
    with_base.resumes = False
    with_base.fail("PATCH", "/uploads/", how="reset body", after=200_000)

    push(store_for(with_base), with_base, [noise(1_000_000)])

    check_whole(with_base)


def test_a_wrong_range_is_asked_for_and_corrected(with_base: Registry) -> None:
    """F-09: the 416 path."""
    with_base.fail("PATCH", "/uploads/", status=416)

    push(store_for(with_base), with_base, [layer("one")])

    check_whole(with_base)


@pytest.mark.parametrize("resumes", [True, False])
def test_a_layer_that_breaks_off_is_read_on(with_base: Registry, resumes: bool) -> None:
    """F-09: with Range, and with a registry that knows no ranges."""
    content = b"".join(noise(300_000).open())
    with_base.put_image("acme/app", "latest", [content])
    with_base.resumes = resumes
    store = store_for(with_base)
    image = store.find(f"{with_base.host}/acme/app")
    assert image is not None
    with_base.seen.clear()
    with_base.fail("GET", "/blobs/", how="truncate", times=2)

    assert b"".join(store.read_layer(image, image.diff_ids[0])) == content
    assert len(with_base.asked("GET", "/blobs/")) == 3


@pytest.mark.parametrize(
    "verb", [("PATCH", "/uploads/"), ("PUT", "/uploads/"), ("PUT", "/manifests/"), ("POST", "/uploads/")]
)
def test_a_token_may_expire_at_any_moment(with_base: Registry, verb: tuple[str, str]) -> None:
    """F-10: 401 in the middle, by a server whose clock is wrong."""
    with_base.auth = "bearer"
    challenge = f'Bearer realm="http://{with_base.host}/token",service="test"'
    fault = with_base.fail(*verb, status=401, headers={"WWW-Authenticate": challenge})

    push(store_for(with_base, credentials(with_base)), with_base, [noise(400_000)])

    assert fault.seen == 1
    check_whole(with_base)


def test_tokens_that_serve_few_requests_are_enough(with_base: Registry) -> None:
    """F-10."""
    with_base.auth, with_base.token_uses = "bearer", 6

    push(
        store_for(with_base, credentials(with_base)), with_base, [layer("one"), layer("two"), layer("three")]
    )

    check_whole(with_base)


def test_basic_credentials_are_enough_for_a_registry_that_wants_them(with_base: Registry) -> None:
    with_base.auth = "basic"

    push(store_for(with_base, credentials(with_base)), with_base, [layer("one")])

    check_whole(with_base)


def test_who_may_not_push_is_told_before_anything_is_done(with_base: Registry) -> None:
    """F-11."""
    with_base.denied_push = {"app"}
    store = store_for(with_base)

    with pytest.raises(RegistryDenied, match=r"403.*DENIED") as caught:
        store.check_push([Reference.parse(f"{with_base.host}/acme/app")])

    assert caught.value.hint == f"docker login {with_base.host}"


def test_to_look_whether_a_push_is_allowed_leaves_no_upload_open(with_base: Registry) -> None:
    store_for(with_base).check_push([Reference.parse(f"{with_base.host}/acme/app")])

    assert with_base.uploads == {}


def test_wrong_credentials_end_in_one_error_without_the_password(with_base: Registry) -> None:
    with_base.auth = "bearer"
    wrong = {"CNB_REGISTRY_AUTH": json.dumps({with_base.host: "Basic dXNlcjp3cm9uZy1wYXNz"})}

    with pytest.raises(RegistryDenied) as caught:
        push(store_for(with_base, wrong), with_base, [])

    assert "wrong-pass" not in str(caught.value)


def test_a_blob_that_the_registry_lost_is_sent_again(with_base: Registry) -> None:
    """F-11: BLOB_UNKNOWN at the manifest."""
    store = store_for(with_base)
    push(store, with_base, [layer("one")])
    lost = with_base.manifest("acme/app", "latest")["layers"][1]["digest"]
    del with_base.blobs["acme/app", lost]

    push(store, with_base, [layer("one"), layer("two")], previous=True)

    check_whole(with_base)


def test_a_manifest_that_is_refused_ends_the_push(with_base: Registry) -> None:
    """F-11: 413."""
    with_base.fail("PUT", "/manifests/", status=413, times=10)

    with pytest.raises(RegistryError, match="413"):
        push(store_for(with_base), with_base, [])


def test_tags_that_were_written_are_named_when_one_is_refused(with_base: Registry) -> None:
    """F-15, GO-81."""
    with_base.fail("PUT", "/manifests/two", status=403, times=10)

    with pytest.raises(RegistryDenied, match=r"acme/app:two: .*403") as caught:
        push(store_for(with_base), with_base, [], names=("acme/app:one", "acme/app:two", "acme/app:three"))

    assert str(caught.value).endswith(
        f"(names that are the new image now: {with_base.host}/acme/app:one, {with_base.host}/acme/app:three)"
    )
    assert ("acme/app", "one") in with_base.manifests
    assert ("acme/app", "three") in with_base.manifests


def test_a_hanging_registry_ends_in_an_error_in_its_time(with_base: Registry) -> None:
    """F-12."""
    with_base.fail("PATCH", "/uploads/", how="hang", times=10)
    short = Patience(connect=1, idle=0.2, total=0.5, tries=2, pause=0.01, least_rate=1 << 20)
    start = time.monotonic()

    with pytest.raises(PybuildError, match="PATCH"):
        push(store_for(with_base, patience=short), with_base, [layer("one")])

    assert time.monotonic() - start < allowed(5)


def test_a_registry_that_trickles_is_given_up_on(with_base: Registry) -> None:
    """F-12: every byte comes in time, all of them do not."""
    with_base.fail("GET", "/manifests/", how="slow", times=10)
    short = Patience(connect=1, idle=1, total=0.4, tries=2, pause=0.01, least_rate=1 << 30)

    with pytest.raises(PybuildError, match="too slowly"):
        store_for(with_base, patience=short).find(f"{with_base.host}/acme/run")


@pytest.mark.parametrize("verb", [("PATCH", "/uploads/"), ("GET", "/manifests/"), ("PUT", "/manifests/")])
def test_a_signal_ends_the_wait_for_a_hanging_registry_at_once(
    with_base: Registry, verb: tuple[str, str]
) -> None:
    """F-12, G2."""

    class Stop(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stop

    with_base.fail(*verb, how="hang", times=10)
    old = signal.signal(signal.SIGUSR1, stop)
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    start = time.monotonic()
    try:
        with pytest.raises(Stop):
            push(store_for(with_base, patience=Patience()), with_base, [layer("one")])
    finally:
        signal.signal(signal.SIGUSR1, old)

    assert time.monotonic() - start < allowed(1.5)


def test_a_redirect_to_another_host_takes_no_credentials_along(
    with_base: Registry, other_registry: Registry
) -> None:
    """S-40."""
    with_base.auth = "basic"
    content = b"elsewhere".ljust(1024)
    with_base.put_image("acme/app", "latest", [content])
    store = store_for(with_base, credentials(with_base))
    image = store.find(f"{with_base.host}/acme/app")
    assert image is not None
    blob = with_base.manifest("acme/app", "latest")["layers"][0]["digest"]
    other_registry.blobs["acme/app", blob] = with_base.blobs["acme/app", blob]
    away = f"http://{other_registry.host}/v2/acme/app/blobs/{blob}"
    with_base.fail("GET", "/blobs/", status=307, headers={"Location": away})

    assert b"".join(store.read_layer(image, image.diff_ids[0])) == content

    assert {name for seen in other_registry.seen for name in seen.headers} <= {
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "range",
        "user-agent",
    }


def test_an_upload_on_another_host_gets_no_credentials(with_base: Registry, other_registry: Registry) -> None:
    """S-40."""
    with_base.auth = "basic"
    with_base.upload_host = other_registry.host
    other_registry.uploads = with_base.uploads
    other_registry.blobs = with_base.blobs

    push(store_for(with_base, credentials(with_base)), with_base, [layer("one")])

    assert other_registry.asked("PATCH")
    assert not any("authorization" in seen.headers for seen in other_registry.seen)


def test_a_token_server_on_a_foreign_host_sees_no_credentials(
    with_base: Registry, other_registry: Registry
) -> None:
    """S-40."""
    with_base.auth = "bearer"
    with_base.realm = f"http://{other_registry.host}/token"
    with_base.tokens = other_registry.tokens

    push(store_for(with_base, credentials(with_base)), with_base, [layer("one")])

    assert other_registry.asked("GET", "/token")
    assert not any("authorization" in seen.headers for seen in other_registry.seen)


def test_a_challenge_of_the_place_we_were_sent_to_is_not_answered(
    with_base: Registry, other_registry: Registry
) -> None:
    """S-40."""
    with_base.auth = other_registry.auth = "basic"
    away = f"http://{other_registry.host}/v2/acme/run/manifests/latest"
    with_base.fail("GET", "/manifests/", status=307, headers={"Location": away})

    with pytest.raises(RegistryDenied):
        store_for(with_base, credentials(with_base)).find(f"{with_base.host}/acme/run")

    assert not any("authorization" in seen.headers for seen in other_registry.seen)


@pytest.mark.parametrize("where", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_redirect_to_no_address_is_refused(with_base: Registry, where: str) -> None:
    with_base.fail("GET", "/manifests/", status=302, headers={"Location": where})

    with pytest.raises(RegistryError, match="sends us"):
        store_for(with_base).find(f"{with_base.host}/acme/run")


def test_redirects_in_a_circle_end(with_base: Registry) -> None:
    here = "/v2/acme/run/manifests/latest"
    with_base.fail("GET", "/manifests/", status=302, headers={"Location": here}, times=100)

    with pytest.raises(RegistryError, match="more than 5 times"):
        store_for(with_base).find(f"{with_base.host}/acme/run")


@pytest.mark.parametrize("how", ["wrong", "short"])
def test_a_configuration_with_other_content_is_no_image(with_base: Registry, how: str) -> None:
    """S-41."""
    with_base.fail("GET", "/blobs/", how=how, times=10)

    with pytest.raises((InvalidArchive, RegistryError)):
        store_for(with_base).find(f"{with_base.host}/acme/run")


def test_a_manifest_that_is_not_what_the_registry_says_is_refused(with_base: Registry) -> None:
    """S-42."""
    with_base.fail("GET", "/manifests/", how="wrong", times=10)

    with pytest.raises(InvalidArchive, match="but the registry says"):
        store_for(with_base).find(f"{with_base.host}/acme/run")


@pytest.mark.timeout(60)
def test_an_endless_manifest_is_cut_off(with_base: Registry) -> None:
    """S-43."""
    with_base.fail("GET", "/manifests/", how="endless", times=10)

    with pytest.raises(RegistryError, match="manifest larger than 4 MiB"):
        store_for(with_base).find(f"{with_base.host}/acme/run")


@pytest.mark.parametrize(
    ("media_type", "value", "said"),
    [
        ("application/vnd.docker.distribution.manifest.v1+json", {"schemaVersion": 1}, "no image's"),
        (model.OCI_MANIFEST, b"[1]", "no JSON object"),
        (model.OCI_MANIFEST, b"{", "not JSON"),
        (model.OCI_MANIFEST, b"[" * 100_000, "nested"),
        (model.OCI_MANIFEST, {"mediaType": OCI_INDEX}, "no image's"),
        (model.OCI_MANIFEST, {"layers": "x"}, "layers"),
        (model.OCI_MANIFEST, {"config": {"digest": "sha256:../../x", "size": 1}, "layers": []}, "digest"),
        (OCI_INDEX, {"manifests": [{"platform": 5}, 7]}, "has no image for linux/amd64"),
    ],
)
def test_a_damaged_manifest_is_one_clear_error(
    registry: Registry, media_type: str, value: object, said: str
) -> None:
    registry.put_manifest("acme/run", "latest", media_type, value)

    with pytest.raises(InvalidArchive, match=said):
        store_for(registry).find(f"{registry.host}/acme/run")


def test_a_layer_that_is_compressed_otherwise_than_the_manifest_says_is_refused(with_base: Registry) -> None:
    """S-41: the content would be right. What its gzip header says of the time is not."""
    store = store_for(with_base)
    image = store.find(f"{with_base.host}/acme/run")
    assert image is not None
    place, digest = next(key for key, blob in with_base.blobs.items() if blob[:2] == b"\x1f\x8b")
    blob = bytearray(with_base.blobs[place, digest])
    blob[4] ^= 1
    with_base.blobs[place, digest] = bytes(blob)

    with pytest.raises(RegistryError, match=f"other content for the blob {digest}"):
        list(itertools.chain.from_iterable(store.read_layer(image, each) for each in image.diff_ids))


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_INDEX])
def test_of_an_index_the_image_for_our_platform_is_taken(registry: Registry, media_type: str) -> None:
    ours = registry.put_image("acme/run", "ours", BASE)
    theirs = registry.put_image("acme/run", "theirs", [b"x".ljust(512)])
    entries = [
        {
            "mediaType": model.DOCKER_MANIFEST,
            "digest": digest,
            "size": 1,
            "platform": {"os": "linux", "architecture": arch, "variant": variant},
        }
        for digest, arch, variant in ((theirs, "arm64", ""), (theirs, "arm", "v6"), (ours, "arm", "v7"))
    ]
    registry.put_manifest("acme/run", "latest", media_type, {"mediaType": media_type, "manifests": entries})
    name = f"{registry.host}/acme/run"

    found = store_for(registry, platform=Platform(arch="arm", variant="v7")).find(name)

    assert found is not None
    assert found.id == ours
    with pytest.raises(InvalidArchive, match=r"no image for linux/amd64: it has linux/arm64, linux/arm/v6"):
        store_for(registry).find(name)


def test_what_a_buildpack_changes_while_it_is_read_is_not_pushed(with_base: Registry) -> None:
    one = layer("one")
    changed = Layer(diff_id=one.diff_id, size=one.size, open=layer("two").open, created_by="x")

    with pytest.raises(ExportError, match="changed while it was being read"):
        push(store_for(with_base), with_base, [changed])

    assert ("acme/app", "latest") not in with_base.manifests


def test_what_runs_plainly_is_spoken_to_only_if_it_is_named_or_on_this_machine(registry: Registry) -> None:
    """GEN-14. 127.0.0.1 is this machine; the name of a host that is not loopback must be given."""
    registry.put_image("acme/run", "latest", BASE)

    assert store_for(registry).find(f"{registry.host}/acme/run") is not None


def test_a_base_that_only_another_store_has_goes_along_once(registry: Registry, tmp_path: Path) -> None:
    lender = FolderStore(tmp_path, like="daemon")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "history": [],
        "rootfs": {"type": "layers", "diff_ids": [sha256(BASE[0])]},
    }
    lent = Reference.parse("pybuild/run:1")
    lender.add(lent.name, model.encode_config(config), BASE)
    store = store_for(registry).lending(Platform(), lender, [lent])
    base = store.find("pybuild/run:1")
    assert base is not None
    name = Reference.parse(f"{registry.host}/acme/app")

    first = store.write(base, [layer("x")], config_of(base), [name], None)
    again = store.write(base, [layer("x")], config_of(base, "new label"), [name], store.find(name))

    manifest = check_whole(registry)
    assert first.sent_bytes == sum(item["size"] for item in manifest["layers"])
    assert (again.changed, again.sent_bytes) == (True, 0)


def test_a_mirror_is_asked_before_docker_hub_and_one_that_fails_is_passed_over(
    registry: Registry, other_registry: Registry
) -> None:
    """As `registry-mirrors` of the engine's daemon.json."""
    registry.fail("*", "/v2/library/run", status=403, times=100)
    digest = other_registry.put_image("library/run", "1", BASE)
    mirrors = ("nonsense://a b", f"http://{registry.host}/", f"http://{other_registry.host}")
    store = store_for(registry, mirrors=lambda: mirrors)

    found = store.find("run:1")

    assert found is not None
    assert found.reference == f"index.docker.io/library/run@{digest}"
    assert b"".join(store.read_layer(found, found.diff_ids[0])) == BASE[0]
    again = store.find(found.id)
    assert again is not None
    assert again.reference == found.reference


def test_layers_that_are_compressed_with_zstd_are_read(with_base: Registry) -> None:
    zstd = pytest.importorskip("backports.zstd")
    manifest = with_base.manifest("acme/run", "latest")
    blob = zstd.compress(BASE[0])
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "size": len(blob)}
    layer["digest"] = with_base.put_blob("acme/run", blob)
    with_base.put_manifest("acme/run", "zstd", manifest["mediaType"], manifest | {"layers": [layer]})
    store = store_for(with_base)

    found = store.find(f"{with_base.host}/acme/run:zstd")

    assert found is not None
    assert b"".join(store.read_layer(found, found.diff_ids[0])) == BASE[0]
