"""Whole builds, the same in every pair of build environment and image store: this machine with images in a folder,
a container with the Docker Engine's images.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pybuild import events
from pybuild.buildenv.container import ContainerBuildEnv
from pybuild.buildenv.local import LocalBuildEnv
from pybuild.errors import BuildpackFailed, ExportError
from pybuild.oci import model
from pybuild.oci.reference import Reference
from pybuild.spec.api import ApiVersion
from pybuild.stores.daemon import DaemonStore
from support.engine import spec_for
from support.images import FolderStore, Witness
from support.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

BIG = 5 << 20  # above what is read as single files
LAYER = f"""
if [ ! -d dist ]; then mkdir -p dist/bin; head -c {BIG} /dev/zero > dist/bin/go; echo made >> /tmp/made; fi
printf '[types]\\nlaunch = true\\ncache = true\\nbuild = true\\n[metadata]\\nversion = "1"' > dist.toml
"""
WEB = """
cat > launch.toml <<T
[[processes]]
type = "web"
command = ["serve"]
default = true
[[processes]]
type = "worker"
command = ["work"]
T
"""
NO_ONE = {"Env": ["PATH=/bin"], "Labels": {"io.buildpacks.base.distro.name": "none"}}


@pytest.fixture(params=["local", pytest.param("container", marks=pytest.mark.docker)])
def workshop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Workshop]:
    if request.param == "local":
        store = FolderStore(tmp_path / "images")
        store.add("acme/run:1", _base())
        yield Workshop(
            env=LocalBuildEnv(), store=Witness(store), root=str(tmp_path / "root"), run_image="acme/run:1"
        )
        return
    yield from _container_workshop(request)


def _base() -> bytes:
    return model.encode_config(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": NO_ONE,
            "rootfs": {"type": "layers", "diff_ids": []},
        }
    )


def _container_workshop(request: pytest.FixtureRequest) -> Iterator[Workshop]:
    engine: docker.APIClient = request.getfixturevalue("engine")
    image: str = request.getfixturevalue("gnu_image")
    test_run: str = request.getfixturevalue("test_run")
    store = Witness(DaemonStore(engine))
    with ContainerBuildEnv.create(engine, spec_for(image, test_run)) as env:
        name = f"{test_run}/create:{abs(hash(request.node.name))}"
        yield Workshop(env=env, store=store, root="/workspace/root", run_image=image, name=name)
    for image_id in store.written:
        if found := store.find(image_id):
            store.delete(found)


@pytest.fixture
def built(workshop: Workshop) -> Workshop:
    """A workshop whose app was built once: one large cached layer, two processes, five files of app."""
    workshop.buildpack("acme/go", LAYER)
    workshop.buildpack("acme/web", WEB)
    workshop.app({f"file{number}": f"content {number}" for number in range(5)})
    workshop.create()
    return workshop


def app_with(change: str) -> dict[str, str]:
    return {f"file{number}": f"content {number}" for number in range(4)} | {"file4": change}


GO = "Layer: 'dist', Created by buildpack: acme/go@1"
SMALL = [
    "Software Bill-of-Materials",
    "Application Layer",
    "Buildpacks Application Launcher",
    "Buildpacks Launcher Config",
    "Buildpacks Process Types",
]


def test_a_first_build_writes_a_whole_image(workshop: Workshop) -> None:
    """EXP-04, EXP-06, EXP-08, EXP-11 to EXP-15, LBL-02, LBL-03, LBL-04, LBL-08, RPT-01, RPT-02."""
    workshop.buildpack("acme/go", LAYER + "mkdir only; printf '[types]\\nbuild = true' > only.toml")
    workshop.buildpack("acme/web", WEB)
    workshop.app({"index.php": "<?php"})

    created = workshop.create(project=_project())

    exported = created.exported
    assert exported.written.changed
    assert workshop.store.opened == [GO, *SMALL]
    config = workshop.image()
    assert config["Entrypoint"] == ["/cnb/process/web"]
    assert config["WorkingDir"] == workshop.places.app
    assert {f"CNB_LAYERS_DIR={workshop.places.layers}", f"CNB_APP_DIR={workshop.places.app}"} <= set(
        config["Env"]
    )
    label = workshop.metadata()
    added = exported.written.diff_ids[-6:]
    assert label["buildpacks"] == [
        {
            "key": "acme/go",
            "version": "1",
            "layers": {
                "dist": {
                    "sha": added[0],
                    "data": {"version": "1"},
                    "build": True,
                    "launch": True,
                    "cache": True,
                }
            },
        },
        {"key": "acme/web", "version": "1", "layers": {}},
    ]
    assert [label["sbom"], *label["app"], label["launcher"], label["config"], label["process-types"]] == [
        {"sha": diff_id} for diff_id in added[1:]
    ]
    assert json.loads(config["Labels"]["io.buildpacks.project.metadata"]) == {"source": {"type": "git"}}
    assert config["Labels"]["io.buildpacks.exec-env"] == "production"
    assert (exported.report.tags, f"sha256:{exported.report.image_id}") == (
        (str(Reference.parse(workshop.name)),),
        exported.written.image_id,
    )
    assert (exported.added, exported.reused, exported.default_process) == (6, 0, "web")


def _project() -> object:
    from pybuild.spec.labels import ProjectMetadata

    return ProjectMetadata(source=True, type="git")


def test_a_build_without_change_reads_and_sends_nothing(built: Workshop) -> None:
    first = built.store.written[-1]

    created = built.create()

    assert (created.exported.written.image_id, created.exported.written.changed) == (first, False)
    assert (built.store.opened, created.exported.written.sent_bytes) == ([], 0)
    assert built.decided("restored") == {"acme/go:dist": ""}
    assert built.decided("added") == {}
    assert built.decided("reused")["acme/go:dist"] == "no file of it changed"
    assert built.decided("reused")["app:"] == "the app did not change"


def test_what_is_taken_for_unchanged_is_unchanged(built: Workshop) -> None:
    """Every layer that was not read is read after all, and has the digest and the size that it was said to have."""
    built.store.thorough = True

    assert not built.create().exported.written.changed


def test_a_changed_app_is_all_that_is_read(built: Workshop) -> None:
    built.app(app_with("changed"))

    exported = built.create().exported

    assert (exported.written.changed, exported.added, exported.reused) == (True, 1, 5)
    assert list(built.decided("added")) == ["app:"]
    assert GO not in built.store.opened
    assert "Application Layer" in built.store.opened


def test_an_app_file_that_a_buildpack_changes_is_noticed(built: Workshop) -> None:
    """The upload is the same, but what is exported is not what was uploaded."""
    built.buildpack("acme/web", f"{WEB}\necho more > {built.places.app}/generated")
    first = built.create().exported
    built.buildpack("acme/web", f"{WEB}\necho other > {built.places.app}/generated")
    built.app({f"file{number}": f"content {number}" for number in range(5)})

    second = built.create().exported

    assert (first.written.changed, second.written.changed) == (True, True)
    assert list(built.decided("added")) == ["app:"]


def test_an_app_file_that_detection_changes_is_noticed(workshop: Workshop) -> None:
    for content in ("one", "two"):
        workshop.buildpack("acme/web", WEB, detect=f"echo {content} > generated")
        workshop.app({"file": "the same"})
        workshop.create()

    assert list(workshop.decided("added")) == ["app:"]


def test_a_changed_dependency_is_made_and_sent_anew(built: Workshop) -> None:
    built.buildpack(
        "acme/go", "rm -rf dist*" + LAYER.replace("/dev/zero", "/dev/urandom").replace('"1"', '"2"')
    )

    exported = built.create().exported

    assert built.decided("added") == {"acme/go:dist": 'its metadata changed: version "1" → "2"'}
    assert built.store.opened[0] == GO
    assert (exported.added, exported.reused) == (1, 5)
    assert built.metadata()["buildpacks"][0]["layers"]["dist"]["data"] == {"version": "2"}


def test_a_dependency_made_anew_with_the_same_bytes_is_not_sent(built: Workshop) -> None:
    first = built.store.written[-1]
    built.buildpack("acme/go", "rm -rf dist*" + LAYER)

    exported = built.create().exported

    assert (exported.written.image_id, exported.written.changed) == (first, False)


def test_a_launch_layer_without_folder_is_taken_from_the_previous_image(built: Workshop) -> None:
    """EXP-05, GO-71"""
    launch_only = LAYER.replace("cache = true\\nbuild = true\\n", "")
    built.buildpack("acme/go", launch_only)
    built.create()
    layers = built.metadata()["buildpacks"][0]["layers"]
    built.buildpack(
        "acme/go",
        "test -f dist.toml && test ! -e dist || exit 1" + launch_only.replace("[ ! -d dist ]", "false"),
    )
    built.app(app_with("changed"))

    built.create()

    assert built.metadata()["buildpacks"][0]["layers"] == layers
    assert built.decided("reused")["acme/go:dist"] == "kept from the image before"
    assert GO not in built.store.opened
    # The launcher does not know that layer's files any more: it looks for them when it runs.
    assert list(built.decided("added")) == ["app:", "buildpacksio/lifecycle:launcher"]
    # The same without the index, which knows how long the layer is.
    built.cache = None
    assert built.create().exported.written.image_id == built.store.written[-2]


@pytest.mark.parametrize(
    ("types", "message"),
    [
        ("launch = true", "the previous image has no such layer"),
        ("launch = true\\ncache = true", "but cache = true"),
    ],
)
def test_a_layer_without_contents_anywhere_is_an_error(workshop: Workshop, types: str, message: str) -> None:
    """EXP-05, DET-none"""
    workshop.buildpack("acme/go", f"printf '[types]\\n{types}' > dist.toml")
    workshop.app({"f": ""})

    with pytest.raises(ExportError, match=f"acme/go:dist has no contents.*{message}"):
        workshop.create()

    assert workshop.store.find(Reference.parse(workshop.name)) is None


def test_each_slice_is_a_layer_and_only_the_changed_one_is_sent(workshop: Workshop) -> None:
    """EXP-09, EXP-10, LBL-02"""
    workshop.buildpack(
        "acme/web", 'printf \'[[slices]]\\npaths = ["a*"]\\n[[slices]]\\npaths = ["none"]\\n\' > launch.toml'
    )
    workshop.app({"a1": "one", "a2": "two", "b": "three"})
    first = workshop.create().exported
    workshop.app({"a1": "one", "a2": "two", "b": "changed"})

    second = workshop.create().exported

    assert len(workshop.metadata()["app"]) == 3
    assert (first.added, second.added) == (6, 1)
    assert list(workshop.decided("added")) == ["app:slice-3"]


def test_sboms_of_launch_layers_are_in_the_image_and_come_back(workshop: Workshop) -> None:
    """EXP-08, RST-09, EXP-20"""
    workshop.buildpack("acme/go", LAYER + "[ -e dist.sbom.cdx.json ] || echo '{}' > dist.sbom.cdx.json")
    workshop.app({"f": ""})
    workshop.create()
    found = workshop.env.read_files([f"{workshop.places.layers}/sbom/launch/acme_go/dist/*"])
    assert list(found.values()) == [b"{}\n"]

    again = workshop.create().exported

    assert not again.written.changed
    assert workshop.env.read_files([f"{workshop.places.layers}/sbom/launch/acme_go/dist/*"]) == found


def test_what_a_buildpack_stores_comes_back(workshop: Workshop) -> None:
    """RST-01, EXP-07"""
    workshop.buildpack(
        "acme/go",
        "n=0; if [ -f store.toml ]; then n=1; fi; printf '[metadata]\\nseen = %s' $n > store.toml",
    )
    workshop.app({"f": ""})

    seen = []
    for _ in range(3):
        workshop.create()
        seen.append(workshop.metadata()["buildpacks"][0]["store"])

    assert seen == [{"metadata": {"seen": 0}}, {"metadata": {"seen": 1}}, {"metadata": {"seen": 1}}]


@pytest.mark.parametrize(
    ("asked", "script", "entrypoint"),
    [
        ("", WEB, "/cnb/process/web"),
        ("worker", WEB, "/cnb/process/worker"),
        ("", WEB.replace("default = true", ""), "/cnb/lifecycle/launcher"),
        ("", "", "/cnb/lifecycle/launcher"),
    ],
)
def test_the_entrypoint_is_the_default_process(
    workshop: Workshop, asked: str, script: str, entrypoint: str
) -> None:
    """EXP-13"""
    workshop.buildpack("acme/web", script)
    workshop.app({"f": ""})

    workshop.create(default_process=asked)

    assert workshop.image()["Entrypoint"] == [entrypoint]


def test_an_unknown_default_process_is_an_error_that_names_the_known_ones(built: Workshop) -> None:
    """EXP-13"""
    before = built.store.find(Reference.parse(built.name))

    with pytest.raises(ExportError, match="'nope' does not exist: the buildpacks made web, worker"):
        built.create(default_process="nope")

    assert built.store.find(Reference.parse(built.name)) == before


def test_labels_of_buildpacks_are_set_but_never_the_lifecycles_own(workshop: Workshop) -> None:
    """EXP-16, S-35: what later builds and rebases believe cannot be forged."""
    names = (
        "lifecycle.metadata",
        "build.metadata",
        "project.metadata",
        "stack.id",
        "rebasable",
        "base.distro.name",
    )
    forged = [f"io.buildpacks.{name}" for name in names]
    labels = "".join(f'[[labels]]\nkey = "{key}"\nvalue = "forged"\n' for key in (*forged, "mine", "mine"))
    workshop.buildpack("acme/web", f"cat > launch.toml <<T\n{labels}T")
    workshop.app({"f": ""})

    workshop.create()

    found = workshop.image()["Labels"]
    assert found["mine"] == "forged"
    assert [key for key in forged if found.get(key) == "forged"] == []
    warned = [event.text for event in workshop.heard if isinstance(event, events.Warned)]
    assert len(warned) == len(forged)
    assert all(key in text for key, text in zip(forged, warned, strict=True))


def test_of_labels_with_one_key_that_of_the_last_buildpack_wins(workshop: Workshop) -> None:
    """LNT-01, LNT-02."""
    for module, value in (("acme/one", "first"), ("acme/two", "last")):
        label = f'[[labels]]\nkey = "k"\nvalue = "{value}"\n[[labels]]\nkey = "{value}"\nvalue = "too"\n'
        workshop.buildpack(module, f"cat > launch.toml <<T\n{label}T")
    workshop.app({"f": ""})

    workshop.create()

    found = workshop.image()["Labels"]
    assert (found["k"], found["first"], found["last"]) == ("last", "too", "too")


@pytest.mark.parametrize(("api", "label"), [(14, None), (15, "test")])
def test_the_execution_environment_is_a_label_since_platform_api_015(
    workshop: Workshop, api: int, label: str | None
) -> None:
    """LBL-07"""
    workshop.buildpack("acme/web", WEB)
    workshop.app({"f": ""})

    workshop.create(platform_api=ApiVersion(0, api), exec_env="test")

    assert workshop.image()["Labels"].get("io.buildpacks.exec-env") == label


def test_the_time_of_creation_is_as_asked(built: Workshop) -> None:
    """EXP-17"""
    built.create(created="2020-01-01T00:00:00Z")

    found = built.store.find(Reference.parse(built.name))
    assert found is not None
    assert found.config["created"] == "2020-01-01T00:00:00Z"


def test_every_tag_names_the_same_image(built: Workshop) -> None:
    """EXP-02, RPT-01"""
    names = tuple(Reference.parse(f"{built.name}{suffix}") for suffix in ("", "-b", "-c"))

    exported = built.create(names=names).exported

    assert not exported.written.changed
    found = {image.id for name in names if (image := built.store.find(name))}
    assert found == {exported.written.image_id}
    assert exported.report.tags == tuple(map(str, names))


def test_a_failed_build_leaves_image_and_cache(built: Workshop) -> None:
    """Promise G1, G4: what a failing buildpack did to its layer is noticed by the next build."""
    before = built.store.find(Reference.parse(built.name))
    built.buildpack("acme/web", f"echo >> {built.places.layers}/acme_go/dist/bin/go; exit 7")
    with pytest.raises(BuildpackFailed):
        built.create()
    assert built.store.find(Reference.parse(built.name)) == before
    built.buildpack("acme/web", WEB)

    exported = built.create().exported

    assert list(built.decided("dropped")) == ["acme/go:dist"]
    assert exported.written.image_id == (before.id if before else "")


# A tool's cache, declared before it is filled; beside it a layer that is half made, and one that is in the image.
TOOL = """
printf '[types]\\ncache = true\\n[metadata]\\nresumable = true\\n' > tool.toml
mkdir -p tool half dist; cd tool
set -- *; [ -e "$1" ] || shift
echo "$@" > /tmp/tool-had
echo content > file$#; cd ..
printf '[types]\\ncache = true\\n[metadata]\\nversion = "1"\\n' > half.toml; echo half > half/file
printf '[types]\\ncache = true\\nlaunch = true\\n[metadata]\\nresumable = true\\n' > dist.toml; echo dist > dist/file
"""


def tool_had(workshop: Workshop) -> list[str]:
    return workshop.env.script("cat /tmp/tool-had").decode().split()


def test_a_tools_cache_outlives_a_failed_build(built: Workshop) -> None:
    """ADR 19: what it declares whole at any time comes back, nothing else that this build did."""
    built.buildpack("acme/tool", TOOL)
    built.create()
    assert tool_had(built) == []
    for _ in range(2):
        built.buildpack("acme/tool", f"{TOOL}\nexit 7")
        with pytest.raises(BuildpackFailed):
            built.create()
    assert tool_had(built) == ["file0", "file1"]

    built.buildpack("acme/tool", TOOL)
    built.create()

    assert tool_had(built) == ["file0", "file1", "file2"]
    assert list(built.decided("dropped")) == ["acme/tool:dist", "acme/tool:half"]
    assert "acme/go:dist" in built.decided("restored"), "what the build did not touch is as it was"


@pytest.mark.parametrize(
    ("ending", "error"),
    [
        ("exit 7", BuildpackFailed),
        # A slice's pattern that means nothing is found out in the export, as is a registry that refuses the image.
        ("printf '[[slices]]\\npaths = [\"[\"]\\n' > launch.toml", ExportError),
    ],
    ids=["buildpack", "export"],
)
def test_a_first_build_that_fails_leaves_a_tools_cache(
    workshop: Workshop, ending: str, error: type[Exception]
) -> None:
    """ADR 19."""
    workshop.app({"f": ""})
    workshop.buildpack("acme/tool", f"{TOOL}\n{ending}")
    with pytest.raises(error):
        workshop.create()

    workshop.buildpack("acme/tool", TOOL)
    workshop.create()

    assert tool_had(workshop) == ["file0"]
    assert list(workshop.decided("restored")) == ["acme/tool:tool"]


def test_a_tools_cache_of_a_killed_build_is_dropped(workshop: Workshop) -> None:
    """Promise G4: a killed tool may have left it in any state."""
    workshop.app({"f": ""})
    workshop.buildpack("acme/tool", TOOL)
    workshop.create()
    workshop.buildpack("acme/tool", f"{TOOL}\nkill -9 $$")
    with pytest.raises(BuildpackFailed):
        workshop.create()

    workshop.buildpack("acme/tool", TOOL)
    workshop.create()

    assert tool_had(workshop) == []
    assert "acme/tool:tool" in workshop.decided("dropped")


@pytest.mark.parametrize(
    ("tampering", "kept"),
    [(":", ["file0"]), ("echo x >> tool/file0", []), ("rm tool/file0", []), ("echo > tool/more", [])],
)
def test_a_tools_cache_that_a_later_buildpack_changed_is_dropped(
    built: Workshop, tampering: str, kept: list[str]
) -> None:
    """S-51, in a build that fails, too."""
    built.buildpack("acme/tool", TOOL)
    built.buildpack("acme/web", f"{WEB}\ncd ../acme_tool\n{tampering}\nexit 7")
    built.order.reverse()
    with pytest.raises(BuildpackFailed):
        built.create()
    built.buildpack("acme/web", WEB)

    built.create()

    assert tool_had(built) == kept


def test_a_removed_app_directory_is_an_error(workshop: Workshop) -> None:
    if not isinstance(workshop.env, LocalBuildEnv):
        pytest.skip("the build user of a container cannot remove it")
    workshop.buildpack("acme/web", f"rm -rf {workshop.places.app}")
    workshop.app({"f": ""})

    with pytest.raises(ExportError, match=r"the app directory .* is gone"):
        workshop.create()
