"""`pybuild rebase` as users run it, and what goes wrong on the way: the image from before is always as it was."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild import engine as door
from pybuild.errors import EngineUnavailable, RebaseError, RegistryDenied, RegistryError
from pybuild.oci import model
from pybuild.oci.reference import Reference
from pybuild.stores.daemon import DaemonStore
from pybuild.stores.image_manifest import OCI_INDEX
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore
from support import phase_programs
from support.engine import LABEL
from support.engine_proxy import EngineProxy
from support.rebasing import put_app, put_run_image

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from pybuild.stores.api import StoredImage
    from support.cli import Lab, Outcome
    from support.registry import DebianRegistry, Registry

ENVIRON = {"HOME": "/nonexistent"}


@pytest.fixture
def stall(lab: Lab, engine: docker.APIClient) -> Iterator[Lab]:
    """The lab with an app in the engine, on a run image that was replaced since."""
    store = DaemonStore(engine)
    labels = {LABEL: lab.prefix}
    put_app(
        store,
        lab.name("app"),
        put_run_image(store, lab.name("run"), "old", labels=labels),
        lab.name("run"),
        "app",
    )
    put_run_image(store, lab.name("run"), "new one", "new two", labels=labels)
    yield lab
    for image in engine.images(all=True, filters={"label": f"{LABEL}={lab.prefix}"}):
        if not image["RepoTags"] or image["RepoTags"] == ["<none>:<none>"]:
            engine.remove_image(image["Id"], force=True)


def rebase(lab: Lab, *words: str, **environ: str) -> Outcome:
    return lab.run("rebase", *words, "--pull-policy", "never", "--no-color", **environ)


def test_it_says_what_it_would_do_does_it_and_says_that_nothing_is_left_to_do(stall: Lab) -> None:
    app = stall.name("app")

    told = [rebase(stall, *words, app).text() for words in (["--dry-run"], [], [])]

    name = "RUN/app:latest"
    assert told[0] == (
        "exit 0\n--- stderr\n===> REBASING\n\n"
        f"'{name}' would be rebased\n"
        "  run image            RUN/run\n"
        "  base layers          1 layer up to sha256:ID → 2 layers up to sha256:ID\n"
        "  run image reference  ID → ID\n"
    )
    assert told[1] == (
        f"exit 0\n--- stderr\n===> REBASING\nRebasing '{name}' on run image 'RUN/run'\nSaving {name}...\n"
        f"*** Images (ID):\n      {name}\n\n"
        f"Successfully rebased image '{name}'\n"
        "  run image  RUN/run\n"
        "  layers     2 of the run image, 1 of the app kept, SIZE sent\n"
        "  time       TIME\n"
    )
    assert told[2] == (
        f"exit 0\n--- stderr\n===> REBASING\n\n'{name}' stands on the newest RUN/run already: nothing to do\n"
    )


def test_results_are_data_and_of_many_those_that_fail_are_told_apart(stall: Lab) -> None:
    app, run = stall.name("app"), stall.name("run")

    outcome = rebase(stall, app, run, "--json")

    assert outcome.code == RebaseError.exit_code
    assert outcome.errors == [f"ERROR: 1 of 2 images were not rebased, they are as they were: {run}:latest"]
    done, failed = json.loads(outcome.stdout)["images"]
    assert (done["image"], done["state"], done["error"]) == (f"{app}:latest", "rebased", None)
    assert done["image_id"] == stall.image_id()
    assert (failed["state"], failed["error"]["exit_code"]) == ("failed", RebaseError.exit_code)
    assert f"Warning: {run}:latest was not rebased: " in outcome.stderr


def test_quiet_prints_the_ids_and_nothing_else(stall: Lab) -> None:
    outcome = rebase(stall, stall.name("app"), "--quiet")

    assert (outcome.stdout, outcome.stderr) == (f"{stall.image_id()}\n", "")


def test_the_engine_is_given_no_layer_of_the_run_image(
    stall: Lab, engine: docker.APIClient, tmp_path: Path
) -> None:
    store = DaemonStore(engine)
    labels = {LABEL: stall.prefix}
    put_run_image(store, stall.name("run"), "x" * 3_000_000, labels=labels)
    with _proxy(tmp_path) as proxy:
        rebase(stall, stall.name("app"), "--quiet", DOCKER_HOST=proxy.host)

    assert proxy.asked.count("GET images/sha256:ID/get") == 1
    assert proxy.sent < 200_000


@pytest.mark.parametrize("gone_at", ["GET images/sha256:ID/get", "POST images/load"])
def test_an_engine_that_is_lost_on_the_way_leaves_the_image(stall: Lab, gone_at: str, tmp_path: Path) -> None:
    before = stall.image_id()
    with _proxy(tmp_path) as proxy:
        proxy.gone_at = gone_at
        outcome = rebase(stall, stall.name("app"), DOCKER_HOST=proxy.host)

    outcome.failed(EngineUnavailable.exit_code)
    assert gone_at in proxy.asked
    assert stall.image_id() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_program_rebases_in_the_engine_as_the_build_user(stall: Lab, engine: docker.APIClient) -> None:
    """REB-02, REB-10, GO-14"""
    names = [stall.name("app"), stall.name("other")]
    environ = {**stall.environ, "CNB_PLATFORM_API": "0.15", "CNB_USER_ID": "1000", "CNB_GROUP_ID": "1000"}
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 1000, 1000)
        report = f"{folder}/report.toml"
        words = ["rebaser", "-daemon", "-report", report, *names]

        ended = phase_programs.call(words, environ, None, read=[report])

        assert ended.exit_code == 0, ended.output
        assert Path(report).stat().st_uid == 1000
    (image_id,) = {engine.inspect_image(name)["Id"] for name in names}
    assert ended.files[report] == (
        f'[image]\n  tags = ["{names[0]}", "{names[1]}"]\n  image-id = "{image_id[7:]}"\n'
    )


def _proxy(folder: Path) -> EngineProxy:
    return EngineProxy(folder / "engine.sock", door.find_endpoint(os.environ).host.removeprefix("unix://"))


def test_without_an_engine_the_error_says_so(words_lab: Lab) -> None:
    rebase(words_lab, "app").failed(EngineUnavailable.exit_code, "/nope/docker.sock")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a", "b", "--previous-image", "c"], "--previous-image is about one image, but 2 are named"),
        (["a", "b", "--report-output-dir", "out"], "--report-output-dir is about one image"),
        ([f"a@sha256:{'1' * 64}"], "has a digest: the new image is named by a tag"),
        (["A B"], "'A B' is no image name"),
        (["a", "--run-image", "A B"], "'A B' is no image name"),
        (["a", "--insecure-registry", "http://x"], "'http://x' is no registry"),
    ],
)
def test_words_that_mean_nothing_are_refused_before_an_engine_is_asked(
    words_lab: Lab, words: list[str], said: str
) -> None:
    rebase(words_lab, *words).failed(3, said)


@pytest.fixture
def published(registry: Registry) -> Registry:
    """A registry with an app on a run image that was replaced since."""
    store = _store()
    base = put_run_image(store, f"{registry.host}/acme/run", "old")
    put_app(store, f"{registry.host}/acme/app", base, f"{registry.host}/acme/run", "app")
    put_run_image(store, f"{registry.host}/acme/run", "new one", "new two")
    registry.seen.clear()
    return registry


def _store(environ: dict[str, str] | None = None) -> RegistryStore:
    return RegistryStore(Keychain(environ or ENVIRON), environ=environ or ENVIRON)


def publish(lab: Lab, *words: str, **environ: str) -> Outcome:
    return lab.run("rebase", "--publish", *words, "--no-color", **environ)


def image_at(registry: Registry, repository: str) -> Any:
    return registry.manifests[repository, "latest"]


def test_a_registry_needs_no_engine_and_the_run_image_is_read_once(
    words_lab: Lab, published: Registry
) -> None:
    host = published.host
    store = _store()
    base = put_run_image(store, f"{host}/acme/first", "first")
    for number in range(3):
        put_app(store, f"{host}/acme/app-{number}", base, f"{host}/acme/run", f"app {number}")
    published.seen.clear()

    outcome = publish(words_lab, *(f"{host}/acme/app-{number}" for number in range(3)), "--json")

    assert outcome.code == 0, outcome.text()
    results = json.loads(outcome.stdout)["images"]
    assert [(each["state"], each["sent_bytes"]) for each in results] == [("rebased", 0)] * 3
    assert len(published.asked("GET", "/acme/run/manifests/")) == 1
    # Configurations and manifests, and not a byte of any layer.
    layers = {item["digest"] for item in json.loads(image_at(published, "acme/app-0")[1])["layers"]}
    assert not layers & {path.rpartition("/")[2] for path in published.asked("GET", "/blobs/")}
    assert len(published.asked("POST", "mount=")) == 6


def test_an_oci_image_becomes_one_of_docker_as_with_the_go_lifecycle(
    words_lab: Lab, published: Registry
) -> None:
    """GO-79: the manifest is made anew; layers keep their descriptors."""
    for repository in ("acme/app", "acme/run"):
        _, text = image_at(published, repository)
        value = {**json.loads(text), "mediaType": model.OCI_MANIFEST, "annotations": {"a": "b"}}
        value["config"]["mediaType"] = model.OCI_CONFIG
        value["layers"][-1]["mediaType"] = model.OCI_LAYER
        published.put_manifest(repository, "latest", model.OCI_MANIFEST, value)

    outcome = publish(words_lab, f"{published.host}/acme/app")

    assert outcome.code == 0, outcome.text()
    media_type, text = image_at(published, "acme/app")
    manifest = json.loads(text)
    assert (media_type, manifest["config"]["mediaType"]) == (model.DOCKER_MANIFEST, model.DOCKER_CONFIG)
    kinds = [layer["mediaType"] for layer in manifest["layers"]]
    assert kinds == [model.DOCKER_LAYER, model.OCI_LAYER, model.OCI_LAYER]
    assert "annotations" not in manifest


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ({"denied": "acme/app"}, RegistryDenied.exit_code, "denied"),
        ({"method": "PUT", "path": "/manifests/", "status": 400, "times": 99}, RegistryError.exit_code, "400"),
        ({"method": "GET", "path": "/acme/run/manifests", "status": 403, "times": 99}, RegistryDenied.exit_code, "run"),
        ({"method": "GET", "path": "/acme/app/manifests", "status": 403, "times": 99}, RegistryDenied.exit_code, "app"),
        ({"method": "GET", "path": "/acme/run/blobs", "how": "wrong", "times": 99}, 3, "no usable configuration"),
    ],
)  # fmt: skip
def test_a_registry_that_refuses_or_fails_keeps_the_image_as_it_was(
    words_lab: Lab, published: Registry, fault: dict[str, Any], code: int, said: str
) -> None:
    """F-07, F-11"""
    before = image_at(published, "acme/app")
    if "denied" in fault:
        published.denied_push.add(fault["denied"])
    else:
        published.fail(**fault)

    outcome = publish(words_lab, f"{published.host}/acme/app")

    outcome.failed(code)
    assert said in outcome.stderr.lower()
    assert image_at(published, "acme/app") == before


def test_a_blob_that_the_registry_lost_is_told(words_lab: Lab, published: Registry) -> None:
    """F-12"""
    before = image_at(published, "acme/app")
    top = json.loads(before[1])["layers"][-1]["digest"]
    del published.blobs["acme/app", top]

    outcome = publish(words_lab, f"{published.host}/acme/app")

    assert outcome.code == RegistryError.exit_code, outcome.text()
    assert top in outcome.stderr
    assert image_at(published, "acme/app") == before


def test_an_index_is_not_replaced_by_one_of_its_images(words_lab: Lab, published: Registry) -> None:
    media_type, text = image_at(published, "acme/app")
    digest = published.put_manifest("acme/app", "one", media_type, text)
    entry = {"mediaType": media_type, "digest": digest, "size": len(text)}
    platform = {"os": "linux", "architecture": "amd64"}
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [{**entry, "platform": platform}]}
    published.put_manifest("acme/app", "latest", OCI_INDEX, index)
    name = f"{published.host}/acme/app"

    outcome = publish(words_lab, name)
    other = publish(words_lab, f"{name}:two", "--previous-image", f"{name}@{digest}")

    outcome.failed(RebaseError.exit_code, "is an index of images for several platforms")
    assert json.loads(image_at(published, "acme/app")[1]) == index
    assert other.code == 0, other.text()
    assert ("acme/app", "two") in published.manifests


@pytest.mark.docker
def test_a_run_image_of_pybuilds_own_goes_along_from_the_engine(
    engine: docker.APIClient, lab: Lab, debian_registry: DebianRegistry
) -> None:
    """In a real registry with credentials; layers that go over mounts come from the old run image's repository."""
    config = {"DOCKER_CONFIG": str(debian_registry.config), "HOME": "/nonexistent"}
    store, host = _store(config), debian_registry.host
    ours = f"pybuild/{lab.prefix}:1"
    base = put_run_image(store, f"{host}/acme/rebase-run", "old")
    app = put_app(store, f"{host}/acme/rebase-app", base, ours, "app")
    new = put_run_image(DaemonStore(engine), ours, "lent one", "lent two")
    try:
        done = [
            json.loads(publish(lab, f"{host}/acme/rebase-app", "--json", **config).stdout)["images"][0]
            for _ in range(2)
        ]
    finally:
        engine.remove_image(ours, force=True)

    found: StoredImage | None = _store(config).find(Reference.parse(f"{host}/acme/rebase-app"))
    assert found is not None
    assert found.diff_ids == (*new.diff_ids, *app.diff_ids[1:])
    assert [each["state"] for each in done] == ["rebased", "unchanged"]
    assert done[0]["digest"] == done[1]["digest"] == found.id
