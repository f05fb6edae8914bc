"""`-cache-image` of restorer and exporter: interchangeable with the Go lifecycle's, and never a reason to fail.

RST-14, EXP-20, CCH-02, CCH-04, ANA-05, ANA-06, GO-04 to GO-07, GO-80, F-13. Where `CNB_LIFECYCLE_DIR` names the Go programs,
either side writes and the other reads.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pybuild.oci import model
from pybuild.oci.reference import Reference
from pybuild.spec.cache import CACHE_METADATA
from pybuild.stores.api import Layer
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore
from support import phase_programs
from support.buildpacks import Folders
from support.registry import PASSWORD, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from support.registry import DebianRegistry, Registry

GO = Path(os.environ.get("CNB_LIFECYCLE_DIR", "/no/such")) / "lifecycle"
needs_go = pytest.mark.skipif(not GO.is_file(), reason="CNB_LIFECYCLE_DIR names no folder with the lifecycle")
Who = Literal["ours", "go"]


@dataclass
class Ended:
    code: int
    said: str


@dataclass
class App:
    """What the phases of one build work on, below one folder that every user may use."""

    root: Path
    host: str
    api: str = "0.14"

    @property
    def layers(self) -> Path:
        return self.root / "layers"

    def build(self, **contents: str) -> None:
        """What a builder leaves: a launch layer and a build layer, both cached."""
        shutil.rmtree(self.layers / "acme_one", ignore_errors=True)
        made = {"dep/file": "a dependency", "dep/deep/er": "another", "tool/bin": "a tool"} | contents
        for name, text in made.items():
            path = self.layers / "acme_one" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        sbom = self.layers / "sbom/cache/acme_one/dep/sbom.cdx.json"
        sbom.parent.mkdir(parents=True, exist_ok=True)
        sbom.write_text("{}")
        (self.layers / "acme_one/dep.toml").write_text(
            '[types]\nlaunch = true\ncache = true\n[metadata]\nversion = "1"\n'
        )
        (self.layers / "acme_one/tool.toml").write_text("[types]\nbuild = true\ncache = true\n")
        (self.layers / "group.toml").write_text('[[group]]\nid = "acme/one"\nversion = "1"\napi = "0.10"\n')
        (self.layers / "config").mkdir(exist_ok=True)
        (self.layers / "config/metadata.toml").write_text("buildpacks = []\n")
        self._open()

    def forget(self) -> None:
        """What a machine that keeps nothing has before its next build."""
        group = (self.layers / "group.toml").read_bytes()
        shutil.rmtree(self.layers)
        self.layers.mkdir()
        (self.layers / "group.toml").write_bytes(group)
        self._open()

    def _open(self) -> None:
        for path in (self.layers, *self.layers.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
            if os.geteuid() == 0:
                os.chown(path, 1000, 1000)

    def left(self) -> dict[str, str]:
        """The files of the layers directory's only buildpack."""
        folder = self.layers / "acme_one"
        return {
            str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()
        }

    def analyze(self, who: Who = "ours", **environ: str) -> Ended:
        words = ("-layers", str(self.layers), "-run-image", f"{self.host}/acme/run")
        return self._run(who, "analyzer", *words, *self._cache(), f"{self.host}/acme/app", **environ)

    def restore(self, who: Who = "ours", **environ: str) -> Ended:
        return self._run(who, "restorer", "-layers", str(self.layers), *self._cache(), **environ)

    def export(self, who: Who = "ours", **environ: str) -> Ended:
        words = ("-layers", str(self.layers), "-app", str(self.root / "app"), "-launcher")
        launcher = str(self.root / "launcher")
        name = f"{self.host}/acme/app"
        return self._run(who, "exporter", *words, launcher, *self._cache(), name, **environ)

    def _cache(self) -> tuple[str, str]:
        return ("-cache-image", f"{self.host}/acme/cache")

    def _run(self, who: Who, *words: str, as_user: bool = False, **environ: str) -> Ended:
        user, group = (1000, 1000) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
        given = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "CNB_PLATFORM_API": self.api,
            "CNB_USER_ID": str(user),
            "CNB_GROUP_ID": str(group),
            **environ,
        }
        if who == "go":
            done = subprocess.run(
                words, executable=GO, env=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
            )
            return Ended(done.returncode, done.stdout.decode())

        done = phase_programs.call(words, given, None, uid=user if as_user else None)
        return Ended(done.exit_code, done.output)


@pytest.fixture
def app(registry: Registry) -> Iterator[App]:
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])
    with tempfile.TemporaryDirectory(prefix="pybuild-cache-image-") as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "app").mkdir()
        (root / "app/file").write_text("an app")
        (root / "launcher").write_text("a launcher")
        (root / "launcher").chmod(0o755)
        (root / "layers").mkdir()
        made = App(root, registry.host)
        made.build()
        yield made


def good(ended: Ended) -> str:
    assert ended.code == 0, ended.said
    return ended.said


def cache_of(registry: Registry) -> Any:
    """Manifest and configuration of the cache image."""
    manifest = registry.manifest("acme/cache", "latest")
    return manifest, registry.blobs["acme/cache", manifest["config"]["digest"]]


CAME_BACK = {
    "dep/file": "a dependency",
    "dep/deep/er": "another",
    "tool/bin": "a tool",
    "dep.sbom.cdx.json": "{}",
}


@pytest.mark.parametrize(
    ("writer", "reader"),
    [
        ("ours", "ours"),
        pytest.param("ours", "go", marks=[needs_go, pytest.mark.peer]),
        pytest.param("go", "ours", marks=[needs_go, pytest.mark.peer]),
    ],
)
def test_what_one_lifecycle_keeps_the_other_brings_back(
    app: App, registry: Registry, writer: Who, reader: Who
) -> None:
    """RST-14, RST-06, EXP-20, CCH-02, GO-04, GO-05."""
    good(app.analyze(writer))
    assert "Adding cache layer 'acme/one:dep'" in good(app.export(writer))
    first = cache_of(registry)
    app.forget()

    good(app.analyze(reader))
    said = good(app.restore(reader))

    assert 'Restoring metadata for "acme/one:dep" from app image' in said
    assert 'Restoring metadata for "acme/one:tool" from cache' in said
    left = app.left()
    assert {name: left.get(name) for name in CAME_BACK} == CAME_BACK
    assert left["dep.toml"] == '[metadata]\n  version = "1"\n'

    app.build()
    registry.seen.clear()
    good(app.export(reader))
    assert json.loads(cache_of(registry)[1])["config"] == json.loads(first[1])["config"]
    if reader == "ours":
        assert cache_of(registry)[1] == first[1]
        assert registry.asked("PUT", "/acme/cache/") == []


@needs_go
@pytest.mark.peer
def test_a_cache_image_of_ours_has_the_configuration_of_the_go_lifecycles(
    app: App, registry: Registry
) -> None:
    """GO-04, GO-05; media types too, but for a blob that the app image has already."""
    good(app.analyze("go"))
    good(app.export("go"))
    theirs, config = cache_of(registry)
    registry.manifests.clear()
    registry.put_image("acme/run", "latest", [b"".ljust(1024, b"\0")])

    good(app.analyze())
    good(app.export())

    ours, ours_config = cache_of(registry)
    assert ours_config == config
    assert ours["config"] == theirs["config"]
    assert ours["mediaType"] == theirs["mediaType"]
    assert ours["layers"][1]["mediaType"] == theirs["layers"][1]["mediaType"]


def test_a_layer_that_the_app_image_has_is_mounted_and_not_sent_again(app: App, registry: Registry) -> None:
    good(app.analyze())
    good(app.export())

    (dep, *_) = cache_of(registry)[0]["layers"]
    assert dep["digest"] in {layer["digest"] for layer in registry.manifest("acme/app", "latest")["layers"]}
    assert any(dep["digest"].removeprefix("sha256:") in path for path in registry.asked("POST", "mount="))


def test_only_what_changed_is_sent_again(app: App, registry: Registry) -> None:
    good(app.analyze())
    good(app.export())
    app.build(**{"tool/bin": "a new tool"})
    registry.seen.clear()

    said = good(app.export())

    assert "Reusing cache layer 'acme/one:dep'" in said
    assert "Adding cache layer 'acme/one:tool'" in said
    assert len(registry.asked("PUT", "/acme/cache/blobs/uploads/")) == 2  # the layer and the configuration


def test_a_cache_without_layers_is_an_image_all_the_same(app: App, registry: Registry) -> None:
    """GO-04."""
    shutil.rmtree(app.layers / "acme_one")
    shutil.rmtree(app.layers / "sbom")
    good(app.analyze())

    good(app.export())

    manifest, config = cache_of(registry)
    assert len(manifest["layers"]) == len(json.loads(config)["rootfs"]["diff_ids"]) == 1
    app.forget()
    good(app.restore())


def test_every_other_reader_tolerates_a_layer_that_is_there_twice(app: App, registry: Registry) -> None:
    """GO-06: as the Go lifecycle leaves them."""
    good(app.analyze())
    good(app.export())
    manifest, config = cache_of(registry)
    value = json.loads(config)
    value["rootfs"]["diff_ids"] *= 2
    value["history"] *= 2
    _replace(registry, manifest | {"layers": manifest["layers"] * 2}, json.dumps(value).encode())
    app.forget()

    good(app.analyze())
    good(app.restore())

    assert app.left()["tool/bin"] == "a tool"


def _replace(registry: Registry, manifest: Any, config: bytes) -> None:
    digest = registry.put_blob("acme/cache", config)
    described = {**manifest["config"], "digest": digest, "size": len(config)}
    registry.put_manifest("acme/cache", "latest", manifest["mediaType"], {**manifest, "config": described})


def _label(registry: Registry, text: str) -> None:
    manifest, config = cache_of(registry)
    value = json.loads(config)
    value["config"]["Labels"][CACHE_METADATA] = text
    _replace(registry, manifest, json.dumps(value).encode())


def _put(registry: Registry, **changes: Any) -> None:
    """The manifest with other parts."""
    manifest = cache_of(registry)[0] | changes
    registry.put_manifest("acme/cache", "latest", manifest["mediaType"], manifest)


def _blob(registry: Registry, change: Callable[[bytes], bytes], *, config: bool = False) -> None:
    """What the registry keeps under the digest of the layer `tool`, or of the configuration."""
    manifest = cache_of(registry)[0]
    described = manifest["config"] if config else manifest["layers"][1]
    key = ("acme/cache", described["digest"])
    registry.blobs[key] = change(registry.blobs[key])


def _lose(registry: Registry) -> None:
    del registry.blobs["acme/cache", cache_of(registry)[0]["layers"][1]["digest"]]


def _mix_up(registry: Registry) -> None:
    """A layer whose blob is sound, and not what its diff id says."""
    first, second, *others = cache_of(registry)[0]["layers"]
    other = registry.put_blob("acme/cache", b"other".ljust(1024, b"\0"))
    _put(registry, layers=[first, {**second, "digest": other, "size": 1024}, *others])


LAYOUT = '{"buildpacks": [{"key": "../x", "layers": {"../../y": 7}}]}'
DAMAGES: dict[str, Callable[[Registry], object]] = {
    "no image": lambda it: it.manifests.pop(("acme/cache", "latest")),
    "broken manifest": lambda it: it.put_manifest("acme/cache", "latest", model.OCI_MANIFEST, b"{"),
    "unknown media type": lambda it: _put(it, mediaType="application/x-strange"),
    "oversized manifest": lambda it: _put(it, annotations={"a": "x" * (4 << 20)}),
    "broken configuration": lambda it: _replace(it, cache_of(it)[0], b"[]"),
    "wrong configuration": lambda it: _blob(it, lambda old: b"x" * len(old), config=True),
    "label is no JSON": lambda it: _label(it, "{"),
    "label of another shape": lambda it: _label(it, LAYOUT),
    "deep label": lambda it: _label(it, "[" * 100_000),
    "missing layer": _lose,
    "truncated layer": lambda it: _blob(it, lambda old: old[:-20]),
    "other content": lambda it: _blob(it, lambda old: bytes(len(old))),
    "other layer": _mix_up,
    "fails": lambda it: it.fail("GET", "/acme/cache/", status=500, times=1000),
    "denied": lambda it: it.fail("GET", "/acme/cache/", status=403, times=1000),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_cache_image_is_a_warning_and_a_clean_build(
    app: App, registry: Registry, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-13, CCH-04, GO-07: `tool` is only in the cache and does not come back; the next export makes the cache good."""
    from pybuild.stores.exchange import Patience

    monkeypatch.setattr(
        Patience.__init__, "__kwdefaults__", {**Patience.__init__.__kwdefaults__, "pause": 0.01}
    )
    good(app.analyze())
    good(app.export())
    app.forget()
    DAMAGES[how](registry)

    good(app.analyze())
    said = good(app.restore())

    left = app.left()
    assert "tool/bin" not in left
    assert "tool.toml" not in left
    if how != "no image":
        assert "Warning: " in said
    registry.faults.clear()
    app.build()
    good(app.export())
    app.forget()
    good(app.analyze())
    good(app.restore())
    # Nobody can mend what a registry keeps under a digest that it does not have. The last one is found by who restores:
    # where exporter and restorer are one program, it is mended.
    lasting = ("wrong configuration", "truncated layer", "other content", "other layer")
    assert ("tool/bin" in app.left()) == (how not in lasting)


def test_who_may_not_write_the_cache_image_learns_it_from_the_analyzer(app: App, registry: Registry) -> None:
    """ANA-06: the specification wants the analyzer to see to it; later it is a warning (GO-81)."""
    registry.denied_push.add("acme/cache")

    ended = app.analyze()

    assert (ended.code, "registry write access" in ended.said, "403" in ended.said) == (32, True, True)
    registry.denied_push.clear()
    good(app.analyze())
    registry.denied_push.add("acme/cache")
    said = good(app.export())
    assert "Warning: Failed to export cache: " in said
    assert ("acme/app", "latest") in registry.manifests


@pytest.mark.parametrize("repository", ["acme/app", "acme/run"])
def test_images_that_may_not_be_read_or_written_end_the_analyzer_with_32(
    app: App, registry: Registry, repository: str
) -> None:
    """ANA-06, F-11."""
    registry.fail("*", f"/v2/{repository}/", status=403, times=1000)

    ended = app.analyze()

    assert (ended.code, repository in ended.said, "docker login" in ended.said) == (32, True, True)


def test_an_export_that_the_registry_refuses_ends_with_62(app: App, registry: Registry) -> None:
    good(app.analyze())
    registry.fail("PUT", "/acme/app/manifests/", status=403, times=1000)

    ended = app.export()

    assert (ended.code, "403" in ended.said) == (62, True)
    assert ("acme/cache", "latest") not in registry.manifests


def test_credentials_that_only_root_can_read_are_read_before_root_is_given_up(
    app: App, debian_registry: DebianRegistry
) -> None:
    """GEN-13, GO-80: Docker's config.json in a folder that the build user may not open."""
    app.host = debian_registry.host
    config = {"DOCKER_CONFIG": str(debian_registry.config)}
    _push_run_image(app.host, config)

    denied = app.analyze()
    good(app.analyze(**config))
    good(app.export(**config))
    app.forget()
    good(app.analyze(**config))
    good(app.restore(**config))

    assert (denied.code, "401" in denied.said) == (32, True)
    assert app.left()["tool/bin"] == "a tool"


def test_credentials_from_the_environment_go_first(
    app: App, debian_registry: DebianRegistry, tmp_path: Path
) -> None:
    """GEN-12, GO-80: keys may be URLs."""
    app.host = debian_registry.host
    _push_run_image(app.host, {"DOCKER_CONFIG": str(debian_registry.config)})
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    wrong = base64.b64encode(b"somebody:else").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {app.host: {"auth": wrong}}}))
    given = {"CNB_REGISTRY_AUTH": json.dumps({f"http://{app.host}/v2/": f"Basic {basic}"})}

    good(app.analyze(DOCKER_CONFIG=str(tmp_path), **given))
    damaged = app.analyze(CNB_REGISTRY_AUTH="{")

    assert (damaged.code, "CNB_REGISTRY_AUTH" in damaged.said) == (3, True)


def _push_run_image(host: str, environ: dict[str, str]) -> None:
    layer = Layer(diff_id=None, size=1024, open=lambda: iter([bytes(1024)]), created_by="")

    def config(diff_ids: Sequence[str]) -> bytes:
        rootfs = {"type": "layers", "diff_ids": list(diff_ids)}
        return model.encode_config({"architecture": "amd64", "os": "linux", "rootfs": rootfs})

    store = RegistryStore(Keychain(environ), environ=environ)
    store.write_alone([layer], config, Reference.parse(f"{host}/acme/run"), None)
    store.close()


def test_a_buildpack_learns_no_credential_from_the_creator(app: App, debian_registry: DebianRegistry) -> None:
    """S-24; what /proc shows of the creator: tests/unit/lifecycle/test_privileges.py."""
    app.host = debian_registry.host
    _push_run_image(app.host, {"DOCKER_CONFIG": str(debian_registry.config)})
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    folders = Folders(app.root / "cnb")
    spy = "cat /proc/self/environ"
    module = folders.buildpack("acme/spy", build=spy)
    order = app.root / "order.toml"
    order.write_text(f'[[order]]\n[[order.group]]\nid = "{module.id}"\nversion = "{module.version}"\n')
    for path in (app.root / "cnb", *(app.root / "cnb").rglob("*")):
        path.chmod(0o755)
    shutil.rmtree(app.layers)
    app.layers.mkdir()
    app._open()

    ended = app._run(
        "ours",
        *("creator", "-app", str(app.root / "app"), "-layers", str(app.layers), "-order", str(order)),
        *("-buildpacks", str(folders.buildpacks), "-launcher", str(app.root / "launcher")),
        *(
            "-platform",
            str(app.root / "platform"),
            "-run-image",
            f"{app.host}/acme/run",
            f"{app.host}/acme/app",
        ),
        as_user=True,
        CNB_REGISTRY_AUTH=json.dumps({app.host: f"Basic {basic}"}),
    )

    said = good(ended)
    assert "CNB_BP_PLAN_PATH" in said
    assert basic not in said
