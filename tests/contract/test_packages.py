"""Packages are the same wherever they are: in a registry, in an engine, in a .cnb file (PKG-01 to PKG-03)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.errors import InvalidArchive, InvalidInput
from pybuild.oci.reference import Reference
from pybuild.platform.builders import made
from pybuild.platform.buildpacks import fetch_archive, package
from pybuild.platform.buildpacks.fetch import fetch
from pybuild.platform.buildpacks.package import PackageRequest, make_package
from pybuild.platform.buildpacks.package_inspect import Question, inspect
from pybuild.platform.buildpacks.registry_index import commit, find
from pybuild.platform.buildpacks.remote import Remote, in_engine, in_registry
from pybuild.spec.config import IndexRegistry
from pybuild.spec.package import LAYERS, METADATA
from pybuild.spec.registry_index import RegistryEntry, RegistryId
from pybuild.spec.target import TargetSpec

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from pybuild.platform.buildpacks.modules import Module
    from support.cli import Lab
    from support.registry import Registry

ENVIRON = {"HOME": "/nonexistent"}


def buildpack(folder: Path, name: str, rest: str = "", *, programs: bool = True) -> Path:
    root = folder / name
    root.mkdir()
    (root / "buildpack.toml").write_text(
        f'api = "0.10"\n[buildpack]\nid = "acme/{name}"\nversion = "1.0.0"\n{rest}'
    )
    if programs:
        (root / "bin").mkdir()
        for program in ("detect", "build"):
            (root / "bin" / program).write_text(f"#!/bin/sh\necho {name}\n")
            (root / "bin" / program).chmod(0o755)
    return root


def composite(folder: Path) -> Path:
    """package.toml of a composite of two."""
    groups = "".join(f'[[order.group]]\nid = "acme/{name}"\nversion = "1.0.0"\n' for name in ("one", "two"))
    root = buildpack(folder, "all", f"[[order]]\n{groups}", programs=False)
    for name in ("one", "two"):
        buildpack(folder, name)
    (root / "package.toml").write_text(
        '[buildpack]\nuri = "."\n[[dependencies]]\nuri = "../one"\n[[dependencies]]\nuri = "../two"\n'
    )
    return root / "package.toml"


def where(name: str, *, publish: bool = False, environ: dict[str, str] | None = None) -> made.Where:
    return made.Where(
        names=(Reference.parse(name),), publish=publish, environ=ENVIRON if environ is None else environ
    )


def tars(modules: tuple[Module, ...]) -> dict[str, bytes]:
    return {str(module.descriptor): b"".join(module.tar()) for module in modules}


def originals(tmp_path: Path, file: Path) -> dict[str, bytes]:
    return tars(package.load(file, scratch=tmp_path).modules)


def test_a_package_in_a_file_gives_back_its_buildpacks(tmp_path: Path) -> None:
    """PKG-01, PKG-03."""
    file = composite(tmp_path)

    made_now = make_package(
        PackageRequest(file=file, where=where("x"), output=tmp_path / "all.cnb", labels={"team": "web"})
    )

    found = fetch_archive.read(tmp_path / "all.cnb", tmp_path)
    assert str(found[0].descriptor) == "acme/all@1.0.0"
    assert tars(found) == originals(tmp_path, file)
    labels = fetch_archive.read_labels(tmp_path / "all.cnb", tmp_path)
    assert json.loads(labels[METADATA])["stacks"] == [{"id": "*"}]
    assert set(json.loads(labels[LAYERS["buildpack"]])) == {"acme/all", "acme/one", "acme/two"}
    assert labels["team"] == "web"
    assert made_now.images[0].name == str(tmp_path / "all.cnb")


def test_a_package_in_a_registry_gives_back_its_buildpacks(tmp_path: Path, registry: Registry) -> None:
    """PKG-01, PKG-02: every layer is one buildpack's."""
    file, name = composite(tmp_path), f"{registry.host}/acme/all:1"

    make_package(PackageRequest(file=file, where=where(name, publish=True)))

    remote = Remote(find=in_registry(ENVIRON), environ=ENVIRON)
    fetched = fetch(f"docker://{name}", folder=tmp_path, builder=None, scratch=tmp_path, remote=remote)
    assert str(fetched.ref) == "acme/all@1.0.0"
    assert tars(fetched.modules) == originals(tmp_path, file)
    assert len(registry.manifest("acme/all", "1")["layers"]) == 3


@pytest.mark.docker
def test_a_package_in_an_engine_gives_back_its_buildpacks(
    tmp_path: Path, engine: docker.APIClient, test_run: str
) -> None:
    """PKG-01; equal input gives the very same image."""
    import os

    file, name = composite(tmp_path), f"{test_run}/package:1"
    there = where(name, environ=dict(os.environ))
    try:
        first = make_package(PackageRequest(file=file, where=there))
        second = make_package(PackageRequest(file=file, where=there))
        remote = Remote(find=in_engine(engine, "never"), environ=ENVIRON)
        fetched = fetch(name, folder=tmp_path, builder=None, scratch=tmp_path, remote=remote)
    finally:
        engine.remove_image(name, force=True)

    assert tars(fetched.modules) == originals(tmp_path, file)
    assert (second.images[0].image_id, second.images[0].changed) == (first.images[0].image_id, False)


@pytest.mark.docker
def test_a_package_on_the_engine_is_built_with(lab: Lab, tmp_path: Path) -> None:
    """T1-04."""
    root, name = buildpack(tmp_path, "one"), lab.name("package")
    (root / "bin/build").write_text(
        '#!/bin/sh\nprintf \'[[processes]]\\ntype = "web"\\ncommand = ["/bin/cat", "file.txt"]\\n'
        'default = true\\n\' > "$1/launch.toml"\n'
    )
    assert lab.run("buildpack", "package", name, "--path", str(root)).code == 0

    words = ("--builder", lab.builder, "--network", "none", "--path", str(lab.app), "--buildpack")
    outcome = lab.run("build", lab.name(), *words, f"docker://{name}")

    assert outcome.code == 0, outcome.text()
    assert "acme/one 1.0.0" in outcome.stderr
    assert lab.output_of() == "an app\n"


def test_several_targets_are_published_under_one_index(tmp_path: Path, registry: Registry) -> None:
    """T2-36: each has the folder that is for it."""
    root = buildpack(tmp_path, "one")
    (root / "linux" / "arm64" / "bin").mkdir(parents=True)
    (root / "linux" / "arm64" / "bin" / "build").write_text("#!/bin/sh\necho arm\n")
    targets = (TargetSpec(os="linux", arch="amd64"), TargetSpec(os="linux", arch="arm64"))

    done = make_package(
        PackageRequest(file=root, where=where(f"{registry.host}/acme/one", publish=True), targets=targets)
    )

    index = registry.manifest("acme/one", "latest")
    platforms = [each["platform"]["architecture"] for each in index["manifests"]]
    assert platforms == ["amd64", "arm64"]
    assert [each["digest"] for each in index["manifests"]] == [each.digest for each in done.images]
    assert done.index.startswith("sha256:")
    # Nothing but the index has a name.
    assert [tag for _, tag in registry.manifests if not tag.startswith("sha256:")] == ["latest"]


def test_flattened_buildpacks_share_a_layer(tmp_path: Path) -> None:
    file = composite(tmp_path)

    make_package(
        PackageRequest(
            file=file,
            where=where("x"),
            output=tmp_path / "flat.cnb",
            flatten=True,
            apart=frozenset({"acme/two@1.0.0"}),
        )
    )

    layers = json.loads(fetch_archive.read_labels(tmp_path / "flat.cnb", tmp_path)[LAYERS["buildpack"]])
    where_each = {name: versions["1.0.0"]["layerDiffID"] for name, versions in layers.items()}
    assert where_each["acme/all"] == where_each["acme/one"] != where_each["acme/two"]
    assert tars(fetch_archive.read(tmp_path / "flat.cnb", tmp_path)) == originals(tmp_path, file)


def test_dependencies_of_several_targets_are_images(tmp_path: Path, registry: Registry) -> None:
    targets = (TargetSpec(os="linux", arch="amd64"), TargetSpec(os="linux", arch="arm64"))

    with pytest.raises(InvalidInput, match=r"uri '\.\./one' is not allowed when creating a composite"):
        make_package(
            PackageRequest(
                file=composite(tmp_path), where=where(f"{registry.host}/a", publish=True), targets=targets
            )
        )

    assert registry.manifests == {}


def test_an_extension_is_packaged_and_found(tmp_path: Path) -> None:
    root = tmp_path / "ext"
    (root / "bin").mkdir(parents=True)
    (root / "extension.toml").write_text('api = "0.10"\n[extension]\nid = "acme/ext"\nversion = "1.0.0"\n')
    (root / "bin" / "generate").write_text("#!/bin/sh\n")

    make_package(PackageRequest(file=root, where=where("x"), output=tmp_path / "ext.cnb", kind="extension"))

    found = fetch("ext.cnb", folder=tmp_path, builder=None, scratch=tmp_path, kind="extension")
    assert str(found.ref) == "acme/ext@1.0.0"
    assert b"cnb/extensions/acme_ext/1.0.0/extension.toml" in b"".join(found.tar())
    with pytest.raises(InvalidArchive, match="in none of its layers"):
        fetch("ext.cnb", folder=tmp_path, builder=None, scratch=tmp_path)


def test_an_image_that_is_no_package_is_refused(tmp_path: Path, registry: Registry) -> None:
    registry.put_image("acme/app", "1", [b"\0" * 1024])
    remote = Remote(find=in_registry(ENVIRON), environ=ENVIRON)

    with pytest.raises(InvalidArchive, match="is no buildpackage") as caught:
        remote.package(f"{registry.host}/acme/app:1", tmp_path)

    assert caught.value.hint


def git(folder: Path, *words: str) -> str:
    import subprocess

    done = subprocess.run(
        ["git", *words], cwd=folder, capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    return done.stdout.strip()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IndexRegistry:
    """A buildpack registry in a git repository that can be pushed to."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seed = tmp_path / "seed"
    seed.mkdir()
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "index.git")
    git(seed, "init", "-q", "-b", "main")
    git(seed, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "empty")
    git(seed, "push", "-q", str(tmp_path / "index.git"), "main")
    return IndexRegistry(name="ours", type="git", url=f"file://{tmp_path / 'index.git'}")


def environ_of(tmp_path: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "USER": "tester"}


def test_a_package_is_registered_found_yanked_and_found_no_more(
    tmp_path: Path, registry: Registry, index: IndexRegistry
) -> None:
    """REG-01 to REG-04, T3-08, T3-09."""
    environ = environ_of(tmp_path)
    name = f"{registry.host}/acme/one:1"
    make_package(PackageRequest(file=buildpack(tmp_path, "one"), where=where(name, publish=True)))
    from pybuild.platform.buildpacks.registering import register, yank

    done = register(name, index, environ=environ)

    assert done.finished
    assert git(tmp_path / "index.git", "log", "-1", "--format=%H %s %an", "main") == (
        f"{done.result} ADD acme/one@1.0.0 tester"
    )
    line = json.loads(git(tmp_path / "index.git", "show", "main:3/on/acme_one"))
    assert line["addr"].startswith(f"{registry.host}/acme/one@sha256:")
    remote = Remote(find=in_registry(environ), environ=environ, registry=index)
    fetched = fetch("acme/one@1.0.0", folder=tmp_path / "seed", builder=None, scratch=tmp_path, remote=remote)
    assert str(fetched.ref) == "acme/one@1.0.0"
    (shown,) = inspect(Question(word="acme/one", environ=environ, registry=index))
    assert (shown.place, str(shown.main)) == ("REGISTRY IMAGE", "acme/one@1.0.0")

    with pytest.raises(InvalidInput, match=r"has acme/one@1\.0\.0 already"):
        register(name, index, environ=environ)
    yank("acme/one@1.0.0", index, undo=False, environ=environ)
    with pytest.raises(InvalidInput, match="has been yanked"):
        find(index, RegistryId.parse("acme/one@1.0.0"), environ=environ)
    yank("acme/one@1.0.0", index, undo=True, environ=environ)
    assert find(index, RegistryId.parse("acme/one"), environ=environ).version == "1.0.0"
    with pytest.raises(InvalidInput, match="has no buildpack acme/two"):
        find(index, RegistryId.parse("acme/two"), environ=environ)


def test_an_index_that_changed_elsewhere_is_seen(tmp_path: Path, index: IndexRegistry) -> None:
    environ = environ_of(tmp_path)
    address = "example.com/bp@sha256:" + "a" * 64
    entry: dict[str, Any] = {"namespace": "acme", "name": "one", "address": address}
    commit(index, RegistryEntry(version="1.0.0", **entry), environ=environ)

    other = tmp_path / "other"
    git(tmp_path, "clone", "-q", str(tmp_path / "index.git"), str(other))
    with (other / "3/on/acme_one").open("a") as file:
        file.write(RegistryEntry(version="2.0.0", **entry).write())
    git(other, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "by hand")
    git(other, "push", "-q")

    assert find(index, RegistryId.parse("acme/one"), environ=environ).version == "2.0.0"


def test_an_index_on_github_gets_a_form() -> None:
    from pybuild.platform.buildpacks.registry_index import issue_url
    from pybuild.spec.config import OFFICIAL_REGISTRY

    entry = RegistryEntry(namespace="a", name="b", version="1.0.0", address="c@sha256:d")

    assert issue_url(OFFICIAL_REGISTRY, entry) == (
        "https://github.com/buildpacks/registry-index/issues/new?"
        "body=%0Aid%20%3D%20%22a%2Fb%22%0Aversion%20%3D%20%221.0.0%22%0Aaddr%20%3D%20%22c%40sha256%3Ad%22%0A"
        "&template=add-buildpack.md&title=ADD%20a%2Fb%401.0.0"
    )
