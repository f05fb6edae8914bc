"""Builders as registries and engines get them: made for several platforms, looked into, built with (BTM-01 to BTM-08)."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from pybuild import events
from pybuild.errors import BuilderUnusable, InvalidInput
from pybuild.oci import model
from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from pybuild.platform.builders import made
from pybuild.platform.builders.builder_create import BuilderRequest, create_builder
from pybuild.platform.builders.builder_inspect import inspect, settings
from pybuild.spec.builder_toml import BuilderToml
from pybuild.spec.target import TargetSpec
from pybuild.stores.image_manifest import OCI_INDEX, Platform
from pybuild.stores.keychain import Keychain
from pybuild.stores.registry import RegistryStore

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Lab
    from support.registry import Registry

ENVIRON = {"HOME": "/nonexistent"}
EMPTY = b"\0" * 1024


def put_base(registry: Registry, *architectures: str) -> str:
    """A build image for each architecture, and an index of them."""
    entries = [_put_image(registry, each) for each in architectures]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    registry.put_manifest("acme/build", "1", OCI_INDEX, index)
    return f"{registry.host}/acme/build:1"


def _put_image(registry: Registry, arch: str) -> dict[str, Any]:
    config = json.dumps(
        {
            "architecture": arch,
            "os": "linux",
            "config": {
                "Env": ["CNB_USER_ID=1000", "CNB_GROUP_ID=1000"],
                "Labels": {"io.buildpacks.stack.id": "s"},
            },
            "rootfs": {"type": "layers", "diff_ids": [sha256(EMPTY)]},
        }
    ).encode()
    blob = gzip.compress(EMPTY, mtime=0)
    layer = {"mediaType": model.OCI_LAYER, "size": len(blob), "digest": registry.put_blob("acme/build", blob)}
    value = {
        "schemaVersion": 2,
        "mediaType": model.OCI_MANIFEST,
        "config": {
            "mediaType": model.OCI_CONFIG,
            "size": len(config),
            "digest": registry.put_blob("acme/build", config),
        },
        "layers": [layer],
    }
    digest = registry.put_manifest("acme/build", arch, model.OCI_MANIFEST, value)
    size = len(registry.manifests["acme/build", digest][1])
    platform = {"os": "linux", "architecture": arch}
    return {"mediaType": model.OCI_MANIFEST, "size": size, "digest": digest, "platform": platform}


def buildpack(folder: Path, name: str, rest: str = "", *, api: str = "0.10") -> None:
    root = folder / name
    (root / "bin").mkdir(parents=True)
    (root / "buildpack.toml").write_text(
        f'api = "{api}"\n[buildpack]\nid = "acme/{name}"\nversion = "1.0.0"\n{rest}'
    )
    for program in ("detect", "build"):
        (root / "bin" / program).write_text("#!/bin/sh\n")
        (root / "bin" / program).chmod(0o755)


SETTINGS = """
[[metadata.configurations]]
name = "BP_ONE"
description = "what it is for"
default = "1"
build = true
"""


def request(
    registry: Registry, folder: Path, lifecycle: Path, more: str = "", **words: Any
) -> BuilderRequest:
    base = words.pop("base", "") or put_base(registry, "amd64", "arm64")
    text = (
        f'[build]\nimage = "{base}"\n[run]\n[[run.images]]\nimage = "{base}"\n[lifecycle]\nuri = "{lifecycle}"\n'
        f'[[buildpacks]]\nuri = "one"\n[[order]]\n[[order.group]]\nid = "acme/one"\n{more}'
    )
    name = Reference.parse(f"{registry.host}/acme/builder:1")
    where = made.Where(names=(name,), publish=True, environ=ENVIRON, suffix=words.pop("suffix", False))
    return BuilderRequest(
        toml=BuilderToml.read(text.encode(), "builder.toml"), folder=folder, where=where, **words
    )


def store(arch: str) -> RegistryStore:
    return RegistryStore(Keychain(ENVIRON), environ=ENVIRON, platform=Platform(arch=arch))


def test_a_builder_is_published_for_each_target_with_an_index(
    tmp_path: Path, registry: Registry, lifecycle_archive: Path
) -> None:
    """T2-36, BTM-01, BTM-05."""
    buildpack(tmp_path, "one", SETTINGS)
    targets = tuple(TargetSpec(os="linux", arch=arch) for arch in ("amd64", "arm64"))

    done = create_builder(request(registry, tmp_path, lifecycle_archive, targets=targets))

    index = registry.manifest("acme/builder", "1")
    assert [each["platform"]["architecture"] for each in index["manifests"]] == ["amd64", "arm64"]
    assert [each.digest for each in done.images] == [each["digest"] for each in index["manifests"]]
    for arch in ("amd64", "arm64"):
        reader = store(arch)
        image = reader.find(f"{registry.host}/acme/builder:1")
        assert image is not None
        assert image.config["architecture"] == arch
        assert image.labels["io.buildpacks.lifecycle.version"] == inspect(image).lifecycle
        ((module, found),) = settings(reader, image)
        assert str(module) == "acme/one@1.0.0"
        assert [(each.name, each.default, each.when) for each in found] == [("BP_ONE", "1", ("build",))]


def test_a_build_image_of_one_platform_is_told_where_a_builder_is_made_for_two(
    tmp_path: Path, registry: Registry, lifecycle_archive: Path
) -> None:
    buildpack(tmp_path, "one")
    put_base(registry, "amd64")
    base = f"{registry.host}/acme/build:amd64"
    targets = tuple(TargetSpec(os="linux", arch=arch) for arch in ("amd64", "arm64"))
    heard: list[events.Event] = []

    with events.listening(heard.append):
        create_builder(request(registry, tmp_path, lifecycle_archive, targets=targets, base=base))

    assert [event.text for event in heard if isinstance(event, events.Warned)] == [
        f"the build image {base} is for linux/amd64, and so is the builder for the target linux/arm64"
    ]


def test_each_image_of_an_index_may_have_a_tag_of_its_own(
    tmp_path: Path, registry: Registry, lifecycle_archive: Path
) -> None:
    buildpack(tmp_path, "one")
    targets = tuple(TargetSpec(os="linux", arch=arch) for arch in ("amd64", "arm64"))

    create_builder(request(registry, tmp_path, lifecycle_archive, targets=targets, suffix=True))

    tags = {tag for name, tag in registry.manifests if name == "acme/builder" and ":" not in tag}
    assert tags == {"1", "1-linux-amd64", "1-linux-arm64"}


def test_a_builder_on_a_builder_has_the_buildpacks_of_both(
    tmp_path: Path, registry: Registry, lifecycle_archive: Path
) -> None:
    """As pack does it; but other content under a name that is taken is refused."""
    buildpack(tmp_path, "one")
    buildpack(tmp_path, "two")
    create_builder(request(registry, tmp_path, lifecycle_archive))
    below = f"{registry.host}/acme/builder:1"
    text = (
        f'[build]\nimage = "{below}"\n[run]\n[[run.images]]\nimage = "{registry.host}/acme/build:1"\n'
        f'[lifecycle]\nuri = "{lifecycle_archive}"\n[[buildpacks]]\nuri = "one"\n[[buildpacks]]\nuri = "two"\n'
        '[[order]]\n[[order.group]]\nid = "acme/two"\n[[order.group]]\nid = "acme/one"\n'
    )
    name = Reference.parse(f"{registry.host}/acme/second:1")
    second = BuilderRequest(
        toml=BuilderToml.read(text.encode(), "builder.toml"),
        folder=tmp_path,
        where=made.Where(names=(name,), publish=True, environ=ENVIRON),
    )

    create_builder(second)

    first, made_now = store("amd64").find(below), store("amd64").find(name)
    assert first is not None
    assert made_now is not None
    one = json.loads(first.labels["io.buildpacks.buildpack.layers"])["acme/one"]["1.0.0"]["layerDiffID"]
    assert made_now.diff_ids.count(one) == 1
    assert set(json.loads(made_now.labels["io.buildpacks.buildpack.layers"])) == {"acme/one", "acme/two"}
    assert [str(each) for each in inspect(made_now).buildpacks] == ["acme/one@1.0.0", "acme/two@1.0.0"]
    (tmp_path / "one/bin/build").write_text("#!/bin/sh\n# changed\n")
    with pytest.raises(BuilderUnusable, match=r"has acme/one@1\.0\.0 already, with other content"):
        create_builder(second)


@pytest.mark.parametrize(
    ("more", "rest", "error", "message"),
    [
        (
            'version = "2.0.0"\n',
            "",
            BuilderUnusable,
            "the order names acme/one@2.0.0, which is not in the builder",
        ),
        ('[[order.group]]\nid = "acme/two"\n', "", BuilderUnusable, "the order names acme/two, which is not"),
        ('[[buildpacks]]\nuri = "none"\n', "", InvalidInput, "there is no buildpack none: no such path"),
        (
            '[[buildpacks]]\nuri = "old"\n',
            "",
            BuilderUnusable,
            r"Buildpack API 0.6\) is incompatible with lifecycle",
        ),
        ('[[buildpacks]]\nuri = "one"\nid = "acme/x"\n', "", BuilderUnusable, "does not match ID 'acme/x'"),
        ('[[buildpacks]]\nuri = "one"\nversion = "2"\n', "", BuilderUnusable, "does not match version '2'"),
        (
            '[[buildpacks]]\nuri = "arm"\n',
            "",
            BuilderUnusable,
            "unable to satisfy target os/arch constraints",
        ),
        ('[[buildpacks]]\nuri = "old-stack"\n', "", BuilderUnusable, "does not support stack 's'"),
        ('[[buildpacks]]\nuri = "mixed"\n', "", BuilderUnusable, r"requires missing mixin\(s\): build:git"),
        ('[stack]\nid = "other"\n', "", BuilderUnusable, "stack 'other' from builder config is incompatible"),
    ],
)
def test_a_builder_that_could_not_work_is_not_made(
    tmp_path: Path,
    registry: Registry,
    lifecycle_archive: Path,
    more: str,
    rest: str,
    error: type[Exception],
    message: str,
) -> None:
    """BTM-07."""
    buildpack(tmp_path, "one", rest)
    buildpack(tmp_path, "old", api="0.6")
    buildpack(tmp_path, "old-stack", '[[stacks]]\nid = "bionic"\n')
    buildpack(tmp_path, "mixed", '[[stacks]]\nid = "s"\nmixins = ["build:git", "run:x"]\n')
    buildpack(tmp_path, "arm", '[[targets]]\nos = "linux"\narch = "arm64"\n')

    with pytest.raises(error, match=message) as caught:
        create_builder(request(registry, tmp_path, lifecycle_archive, more))

    assert getattr(caught.value, "hint", "")
    assert ("acme/builder", "1") not in registry.manifests


@pytest.mark.docker
def test_a_builder_is_made_looked_into_and_built_with(
    lab: Lab, lifecycle_archive: Path, test_run: str
) -> None:
    """The commands, with an engine. Made again, it is the very same image."""
    buildpack(lab.root, "one", SETTINGS)
    (lab.root / "one/bin/build").write_text(
        '#!/bin/sh\nprintf \'[[processes]]\\ntype = "web"\\ncommand = ["/bin/cat", "file.txt"]\\ndefault = true\\n\''
        ' > "$1/launch.toml"\n'
    )
    assert lab.engine is not None
    run_image = json.loads(
        lab.engine.inspect_image(lab.builder)["Config"]["Labels"]["io.buildpacks.builder.metadata"]
    )
    (lab.root / "builder.toml").write_text(
        f'[build]\nimage = "{lab.builder}"\n[[build.env]]\nname = "X"\nvalue = "y"\n[run]\n[[run.images]]\n'
        f'image = "{run_image["images"][0]["image"]}"\n[lifecycle]\nuri = "{lifecycle_archive}"\n'
        '[[buildpacks]]\nuri = "one"\n[[order]]\n[[order.group]]\nid = "acme/one"\n'
    )
    name = f"{test_run}/made:1"
    words = ("builder", "create", name, "--config", str(lab.root / "builder.toml"))
    try:
        first = lab.run(*words, "--json")
        again = lab.run(*words, "--json")
        shown = lab.run("builder", "inspect", name, "--json")
        listed = lab.run("builder", "inspect", name, "--settings")
        built = lab.run("build", lab.name(), "--builder", name, "--path", str(lab.app), "--network", "none")
    finally:
        lab.engine.remove_image(name, force=True)

    assert first.code == 0, first.text()
    assert "Successfully created builder image" in first.stderr
    made_now, made_again = (json.loads(each.stdout)["images"][0] for each in (first, again))
    assert made_again == {**made_now, "changed": False}
    local = json.loads(shown.stdout)["local_info"]
    assert [each["id"] for each in local["buildpacks"]] == ["acme/one"]
    assert local["detection_order"] == [{"buildpacks": [{"id": "acme/one"}]}]
    assert "BP_ONE" in listed.stdout
    assert built.code == 0, built.text()
    assert lab.output_of() == "an app\n"
