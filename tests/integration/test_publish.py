"""`pybuild build --publish`, to Debian's docker-registry and to one that fails: nothing is sent twice, denied is told early."""

from __future__ import annotations

import base64
import concurrent.futures
import json
import os
import platform
import shutil
import signal
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import InvalidInput, PybuildError, RegistryDenied, RegistryError
from pybuild.oci.digest import sha256
from support.buildpacks import SERVE_WITH_LAYER as BUILD
from support.cli import result
from support.pace import allowed
from support.registry import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

    from support.cli import Lab, Outcome
    from support.registry import DebianRegistry, Registry

pytestmark = pytest.mark.docker


@pytest.fixture
def run_image(engine: docker.APIClient, gnu_image: str, debian_registry: DebianRegistry) -> Iterator[str]:
    """The tests' run image, in the registry."""
    name = f"{debian_registry.host}/acme/run"
    _push(engine, gnu_image, name)
    yield f"{name}:1"
    engine.remove_image(f"{name}:1", force=True)


def _push(engine: docker.APIClient, image: str, name: str) -> None:
    """Push an image of the engine as NAME:1."""
    engine.tag(image, name, "1")
    login = {"username": USER, "password": PASSWORD}
    pushed = list(engine.push(name, "1", auth_config=login, stream=True, decode=True))
    assert not any("error" in step for step in pushed), pushed


def publish(lab: Lab, image: str, *words: str, **environ: str) -> Outcome:
    options = ("--builder", lab.builder, "--network", "none", "--no-color", "--publish")
    return lab.run("build", image, *options, *words, **environ)


def test_an_image_is_published_once_and_only_what_changed_is_sent_again(
    engine: docker.APIClient, lab: Lab, debian_registry: DebianRegistry, run_image: str
) -> None:
    image = f"{debian_registry.host}/acme/app"
    other = f"{image}:2"
    words = ("--run-image", run_image, "--tag", other, "--buildpack", lab.buildpack(build=BUILD), "--json")
    config = {"DOCKER_CONFIG": str(debian_registry.config)}

    first = result(publish(lab, image, *words, **config))
    after_first = len(debian_registry.writes())
    second = result(publish(lab, image, *words, **config))
    after_second = debian_registry.writes()[after_first:]
    (lab.app / "file.txt").write_text("another app\n")
    third = result(publish(lab, image, *words, **config))

    assert first["changed"] is True
    assert after_first > 0
    assert (second["changed"], second["sent_bytes"], second["digest"]) == (False, 0, first["digest"])
    # To see whether a push is allowed an upload is begun and taken back; nothing else.
    assert [write.split("/")[0].strip() for write in after_second] in ([], ["POST", "DELETE"])
    assert third["changed"] is True
    assert 0 < int(str(third["sent_bytes"])) < 1000
    assert third["digest"] != first["digest"]
    auth = {"username": "builder", "password": "correct horse"}
    engine.pull(f"{debian_registry.host}/acme/app", tag="2", auth_config=auth)
    assert _run(engine, other) == "another app\n"


def _run(engine: docker.APIClient, image: str) -> str:
    made = engine.create_container(image, network_disabled=True)
    try:
        engine.start(made)
        assert engine.wait(made)["StatusCode"] == 0
        return str(engine.logs(made).decode())
    finally:
        engine.remove_container(made, force=True)
        engine.remove_image(image, force=True)


def test_a_run_image_of_pybuilds_own_goes_along_from_the_engine(
    engine: docker.APIClient, lab: Lab, debian_registry: DebianRegistry, gnu_image: str, test_run: str
) -> None:
    """`pybuild/…` images are made on this machine: no registry has them, and none is asked."""
    engine.tag(gnu_image, f"pybuild/{test_run}", "1")
    image = f"{debian_registry.host}/acme/whole"
    words = ("--run-image", f"pybuild/{test_run}:1", "--buildpack", lab.buildpack(build=BUILD), "--json")
    config = {"DOCKER_CONFIG": str(debian_registry.config)}
    try:
        first = result(publish(lab, image, *words, **config))
        again = result(publish(lab, image, *words, **config))
    finally:
        engine.remove_image(f"pybuild/{test_run}:1")

    assert int(str(first["sent_bytes"])) > 1_000_000
    assert (again["changed"], again["sent_bytes"]) == (False, 0)
    engine.pull(image, tag="latest", auth_config={"username": "builder", "password": "correct horse"})
    assert _run(engine, f"{image}:latest") == "an app\n"


def test_a_builder_for_two_platforms_is_an_index_in_the_registry(
    engine: docker.APIClient, lab: Lab, debian_registry: DebianRegistry, run_image: str, tiny_builder: str
) -> None:
    """On a base of one platform: that is told, and the two images are the same."""
    base, name = f"{debian_registry.host}/acme/base", f"{debian_registry.host}/acme/two"
    _push(engine, tiny_builder, base)
    (lab.app / "builder.toml").write_text(
        f'[build]\nimage = "{base}:1"\n[run]\n[[run.images]]\nimage = "{run_image}"\n'
        f'[[buildpacks]]\nuri = "{lab.buildpack()}"\n[[order]]\n[[order.group]]\nid = "acme/bp"\n'
    )
    config = {"DOCKER_CONFIG": str(debian_registry.config)}
    words = ("--config", "builder.toml", "--publish", "--target", "linux/amd64", "--target", "linux/arm64")

    made = lab.run("builder", "create", name, *words, **config)

    assert made.code == 0, made.text()
    other = "arm64" if platform.machine() == "x86_64" else "amd64"
    warnings = [line for line in made.stderr.splitlines() if line.startswith("Warning: the build image")]
    assert len(warnings) == 1, made.text()
    assert warnings[0].endswith(f"so is the builder for the target linux/{other}")
    used = publish(lab, f"{debian_registry.host}/acme/built", "--builder", name, **config)
    assert used.code == 0, used.text()
    engine.remove_image(name, force=True)
    shown = lab.run("builder", "inspect", name, "--json", **config)
    assert shown.code == 0, shown.text()
    index = _manifest(debian_registry, "acme/two", "latest")
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert len({each["digest"] for each in index["manifests"]}) == 1


def _manifest(registry: DebianRegistry, repository: str, tag: str) -> dict[str, Any]:
    """What the registry itself says, asked without any code of ours."""
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    accept = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"
    request = urllib.request.Request(
        f"http://{registry.host}/v2/{repository}/manifests/{tag}",
        headers={"Authorization": f"Basic {login}", "Accept": accept},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def test_who_may_not_push_learns_it_before_the_build_starts(
    lab: Lab, debian_registry: DebianRegistry
) -> None:
    """F-11."""
    words = ("--run-image", "x", "--buildpack", lab.buildpack(build="echo ran >&2"))

    outcome = publish(lab, f"{debian_registry.host}/acme/app", *words)

    outcome.failed(RegistryDenied.exit_code, "401")
    assert "DETECTING" not in outcome.stderr
    assert f"docker login {debian_registry.host}" in outcome.stderr


def test_a_run_image_that_the_registry_lacks_is_named(lab: Lab, registry: Registry) -> None:
    words = ("--run-image", f"{registry.host}/no/run", "--buildpack", lab.buildpack(build=BUILD))

    publish(lab, f"{registry.host}/acme/app", *words).failed(1, f"{registry.host}/no/run", "not found")


def test_a_registry_that_fails_at_the_end_leaves_name_and_cache(
    lab: Lab, registry: Registry, engine: docker.APIClient
) -> None:
    """F-07: E0."""
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
    registry.put_image("acme/app", "latest", [b"".ljust(1024, b"\0")])
    before = dict(registry.manifests)
    words = ("--run-image", f"{registry.host}/acme/run", "--buildpack", lab.buildpack(build=BUILD))
    fault = registry.fail("PUT", "/manifests/", status=400, times=100)

    outcome = publish(lab, f"{registry.host}/acme/app", *words)

    outcome.failed(RegistryError.exit_code, "status 400")
    assert registry.manifests == before
    fault.times = 0
    assert publish(lab, f"{registry.host}/acme/app", *words).code == 0
    assert registry.manifests != before


def test_ctrl_c_ends_a_push_to_a_registry_that_hangs(lab: Lab, registry: Registry) -> None:
    """F-12, F-20, G2."""
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
    registry.fail("PATCH", "/uploads/", how="hang", times=100)
    words = ("--run-image", f"{registry.host}/acme/run", "--buildpack", lab.buildpack(build=BUILD))
    options = ("--builder", lab.builder, "--network", "none", "--no-color", "--publish")
    running = lab.start("build", f"{registry.host}/acme/app", *options, *words)
    running.wait_for("===> EXPORTING")
    _wait_for(lambda: bool(registry.asked("PATCH")))

    outcome = running.stop(signal.SIGINT)

    assert (outcome.code, outcome.seconds < allowed(2)) == (130, True)


def _wait_for(holds: object) -> None:
    import time

    until = time.monotonic() + 120
    assert callable(holds)
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def _junk_manifest(registry: Registry) -> None:
    registry.put_manifest("acme/app", "latest", "application/vnd.oci.image.manifest.v1+json", b"{junk")


def _lost_configuration(registry: Registry) -> None:
    del registry.blobs["acme/app", registry.manifest("acme/app", "latest")["config"]["digest"]]


def _other_configuration(registry: Registry) -> None:
    described = registry.manifest("acme/app", "latest")["config"]
    registry.blobs["acme/app", described["digest"]] = b"x" * described["size"]


def _gone(registry: Registry) -> None:
    del registry.manifests["acme/app", "latest"]


@pytest.mark.parametrize("damage", [_junk_manifest, _lost_configuration, _other_configuration, _gone])
def test_a_damaged_previous_image_is_no_obstacle(
    lab: Lab, registry: Registry, damage: Callable[[Registry], None]
) -> None:
    """F-14, G1: a warning, a build without reuse, and the very image that is published where there was none."""
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
    words = ("--run-image", f"{registry.host}/acme/run", "--buildpack", lab.buildpack(build=BUILD))
    assert publish(lab, f"{registry.host}/acme/app", *words).code == 0
    whole = registry.manifest("acme/app", "latest")
    damage(registry)

    outcome = publish(lab, f"{registry.host}/acme/app", *words)

    assert outcome.code == 0, outcome.text()
    assert ("nothing of the previous image" in outcome.stderr) == (damage is not _gone)
    assert registry.manifest("acme/app", "latest") == whole
    if damage is not _other_configuration:
        # Nobody can mend what a registry keeps under a digest that it does not have, and says that it has.
        config = registry.blobs["acme/app", whole["config"]["digest"]]
        assert sha256(config) == whole["config"]["digest"]


@pytest.mark.parametrize(("status", "code"), [(403, RegistryDenied), (503, RegistryError)])
def test_a_previous_image_out_of_reach_ends_the_build_before_it_starts(
    lab: Lab, registry: Registry, status: int, code: type[PybuildError]
) -> None:
    """F-14: else every build would make all layers again, and nobody would know."""
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
    registry.put_image("acme/app", "latest", [b"".ljust(1024, b"\0")])
    before = dict(registry.manifests)
    registry.fail("GET", "/acme/app/manifests/", status=status, times=100)
    registry.fail("HEAD", "/acme/app/manifests/", status=status, times=100)
    words = ("--run-image", f"{registry.host}/acme/run", "--buildpack", lab.buildpack(build=BUILD))

    outcome = publish(lab, f"{registry.host}/acme/app", *words)

    outcome.failed(code.exit_code, "acme/app")
    assert "BUILDING" not in outcome.stderr
    assert registry.manifests == before
    assert lab.leftovers() == []


def test_nothing_is_published_after_kill_9_in_the_middle_of_it(lab: Lab, registry: Registry) -> None:
    """F-18, G1: the next build publishes what a clean one does."""
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
    words = ("--run-image", f"{registry.host}/acme/run", "--buildpack", lab.buildpack(build=BUILD))
    fault = registry.fail("PATCH", "/uploads/", how="hang", times=100)
    options = ("--builder", lab.builder, "--network", "none", "--no-color", "--publish")
    running = lab.start("build", f"{registry.host}/acme/app", *options, *words)
    _wait_for(lambda: fault.seen > 0)

    assert running.stop(signal.SIGKILL).code == -signal.SIGKILL
    fault.times = 0

    assert lab.leftovers() == []
    assert ("acme/app", "latest") not in registry.manifests
    assert publish(lab, f"{registry.host}/acme/app", *words).code == 0
    assert publish(lab, f"{registry.host}/acme/clean", *words).code == 0
    assert registry.manifests["acme/app", "latest"] == registry.manifests["acme/clean", "latest"]


def test_three_builds_at_once_that_publish_with_one_cache_image_all_succeed(
    lab: Lab, registry: Registry
) -> None:
    """F-16, G5: and what they leave is a cache."""
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
    host = registry.host
    keeps = '[ -f "$1/dep/file" ] && echo "dep: kept" || echo "dep: made"\n'
    words = ("--run-image", f"{host}/acme/run", "--cache-image", f"{host}/acme/cache")
    words += ("--buildpack", lab.buildpack(build=keeps + BUILD))

    with concurrent.futures.ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(lambda _: publish(lab, f"{host}/acme/app", *words), range(3)))

    assert [outcome.code for outcome in outcomes] == [0, 0, 0], outcomes[0].text()
    shutil.rmtree(lab.state)
    again = publish(lab, f"{host}/acme/app", *words, "--json")
    assert "dep: kept" in again.stderr
    assert result(again)["changed"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["127.0.0.1:1/a", "--publish", "--tag", "127.0.0.2:1/a"], "127.0.0.2:1"),
        (["a", "--publish", "--insecure-registry", "http://x/"], "http://x/"),
    ],
)
def test_names_that_cannot_be_published_are_refused(words_lab: Lab, words: list[str], said: str) -> None:
    words_lab.run("build", *words).failed(InvalidInput.exit_code, said)


def test_a_password_is_never_shown(lab: Lab, registry: Registry) -> None:
    registry.auth = "basic"
    auth = '{"%s": "Basic dXNlcjpoaWRkZW4tcGFzc3dvcmQ="}' % registry.host  # noqa: UP031

    outcome = publish(lab, f"{registry.host}/acme/app", "--verbose", CNB_REGISTRY_AUTH=auth)

    outcome.failed(RegistryDenied.exit_code, "401")
    assert "hidden-password" not in outcome.text()
    assert "dXNlcjpoaWRkZW4tcGFzc3dvcmQ" not in outcome.text()
    assert os.environ.get("CNB_REGISTRY_AUTH") is None


def test_the_run_images_mirror_in_the_app_images_registry_is_taken_told_and_recorded_by_digest(
    lab: Lab, registry: Registry, gnu_image: str
) -> None:
    """S-48: and no other than those that the builder names, whatever else the registry has."""
    digest = registry.put_image("team/mirror", "1", [b"".ljust(1024, b"\0")])
    registry.put_image(gnu_image.rpartition(":")[0], "1", [b"".ljust(2048, b"\0")])
    mirror = f"{registry.host}/team/mirror:1"
    (lab.app / "builder.toml").write_text(
        f'[build]\nimage = "{lab.builder}"\n'
        f'[run]\n[[run.images]]\nimage = "{gnu_image}"\nmirrors = ["other.invalid/run:1", "{mirror}"]\n'
        f'[[buildpacks]]\nuri = "{lab.buildpack(build=BUILD)}"\n[[order]]\n[[order.group]]\nid = "acme/bp"\n'
    )
    builder = lab.name("with-mirrors")
    made = lab.run("builder", "create", builder, "--config", "builder.toml", "--pull-policy", "never")
    assert made.code == 0, made.text()

    outcome = publish(lab, f"{registry.host}/acme/app", "--builder", builder, "--json", "--verbose")

    assert mirror in outcome.stderr, outcome.text()
    assert str(result(outcome)["run_image"]).startswith(f"{registry.host}/team/mirror")
    manifest = registry.manifest("acme/app", "latest")
    config = json.loads(registry.blobs["acme/app", manifest["config"]["digest"]])
    metadata = json.loads(config["config"]["Labels"]["io.buildpacks.lifecycle.metadata"])
    assert metadata["runImage"]["reference"] == f"{registry.host}/team/mirror@{digest}"
    assert metadata["runImage"]["image"] == gnu_image
    assert registry.asked("GET", gnu_image.rpartition(":")[0]) == []


def test_what_a_run_image_says_is_published_unchanged(lab: Lab, registry: Registry) -> None:
    """F-29: in a registry there is more to it. What no specification knows is left out, as the Go lifecycle does."""
    registry.put_image(
        "acme/run", "latest", [b"".ljust(1024, b"\0")], oci=True, annotations={"org.example": "kept"}
    )
    base = registry.manifest("acme/run", "latest")
    given = {
        "os.features": ["a"],
        "os.version": "7",
        "variant": "v8",
        "author": "them",
    }
    inner = {
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 3000000000, "StartPeriod": 5},
        "StopSignal": "SIGQUIT",
        "Volumes": {"/data": {}},
        "OnBuild": ["RUN true"],
        "ExposedPorts": {"9000/tcp": {}},
    }
    config = json.loads(registry.blobs["acme/run", base["config"]["digest"]]) | given | {"x.unknown": 1}
    config["config"] |= inner | {"Unknown": 1}
    text = json.dumps(config).encode()
    base["config"] |= {"digest": registry.put_blob("acme/run", text), "size": len(text)}
    registry.put_manifest("acme/run", "latest", base["mediaType"], base)
    words = ("--run-image", f"{registry.host}/acme/run", "--buildpack", lab.buildpack(build=BUILD))

    outcome = publish(lab, f"{registry.host}/acme/app", *words)

    assert outcome.code == 0, outcome.text()
    manifest = registry.manifest("acme/app", "latest")
    kept = json.loads(registry.blobs["acme/app", manifest["config"]["digest"]])
    assert {name: kept.get(name) for name in given} == given
    assert {name: kept["config"].get(name) for name in inner} == inner
    assert manifest["annotations"] == {"org.example": "kept"}
    assert {"x.unknown", "Unknown"}.isdisjoint({*kept, *kept["config"]})
