"""restorer, extender and exporter as programs, one after another, where image extensions have Dockerfiles to apply.

RST-11, RST-12, RST-13, XTD-01 to XTD-09, EXP-03, GNR-14, GO-12, LBL-04.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.oci.digest import sha256
from support import phase_programs
from support.chroot import inside
from support.extensions import HEAD, RESET
from support.images import FolderStore

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = """[[group]]
id = "acme/bp"
version = "1"
api = "0.10"
[[group-extensions]]
id = "acme/ext"
version = "1"
api = "0.10"
"""
ANALYZED = """[run-image]
reference = "%s"
image = "acme/run:1"
extend = true
"""
BUILD = """#!/bin/sh
set -e
cat /extended > "$CNB_LAYERS_DIR/../../workspace/built"; id -u >> "$CNB_LAYERS_DIR/../../workspace/built"
printf '[[processes]]\\ntype = "web"\\ncommand = ["cat"]\\ndefault = true\\n' > "$CNB_LAYERS_DIR/launch.toml"
"""
BASE_LAYER = b"\0" * 1024
DOCKERFILE = HEAD + "ARG word\nCOPY file /copied\nRUN echo $word > /extended\nENV MORE=1\n" + RESET


@pytest.fixture
def root(own_root: Path) -> Path:
    """A builder's and a run image's file system in one, with what earlier phases leave."""
    mine = own_root
    for name in ("app", "layers", "workspace", "kaniko", "platform/env", "cnb/lifecycle"):
        (mine / name).mkdir(parents=True, exist_ok=True)
    (mine / "cnb/lifecycle/launcher").write_text("#!/bin/sh\n")
    program = mine / "cnb/buildpacks/acme_bp/1/bin/build"
    program.parent.mkdir(parents=True)
    program.write_text(BUILD)
    program.chmod(0o755)
    descriptor = mine / "cnb/buildpacks/acme_bp/1/buildpack.toml"
    descriptor.write_text('api = "0.10"\n[buildpack]\nid = "acme/bp"\nversion = "1"\n')
    for path in (mine / "layers", mine / "workspace"):
        os.chown(path, 1000, 1000)
    return mine


def steps(api: str, kinds: tuple[str, ...], change: Callable[[], None] | None = None) -> list[Any]:
    """Restore, extend both images, export; how each program ended, and the app image's configuration. In a chroot."""
    _plant(api)
    if change:
        change()
    environ = {
        "PATH": "/bin",
        "CNB_PLATFORM_API": api,
        "CNB_USER_ID": "1000",
        "CNB_GROUP_ID": "1000",
        "CNB_EXPERIMENTAL_MODE": "silent",
        "PYBUILD_LOG_LIMIT": "1000000",
    }
    store = FolderStore(Path("/tmp/store"), like="daemon")
    for path in (Path("/tmp/store"), *Path("/tmp/store").iterdir()):
        path.chmod(0o777)
    for name, user in (("run", "1000:1000"), ("build", "1000:1000")):
        about = {"User": user, "Env": ["PATH=/bin"], "Labels": {"io.buildpacks.rebasable": "true"}}
        rootfs = {"type": "layers", "diff_ids": [sha256(BASE_LAYER)]}
        config = {"os": "linux", "architecture": "amd64", "config": about, "rootfs": rootfs, "author": name}
        made = store.add(f"acme/{name}:1", json.dumps(config).encode(), [BASE_LAYER])
        if name == "run":
            Path("/layers/analyzed.toml").write_text(ANALYZED % made.id.removeprefix("sha256:"))
    done: list[Any] = []
    commands = [["restorer", "-daemon", "-build-image", "acme/build:1"]]
    commands += [["extender", "-kind", kind] for kind in kinds]
    commands += [["exporter", "-daemon", "acme/app:1"]]
    for words in commands:
        ended = phase_programs.call(words, environ, store, opened=lambda it: it)
        store = ended.store
        done.append(ended)
        if ended.exit_code:
            return [done, None, {}]
    found = store.find("acme/app:1")
    assert found is not None
    names = ("/workspace/built", "/extended", "/copied", "/layers/analyzed.toml")
    files = {name: Path(name).read_text() for name in names}
    left = sorted(path for path in Path("/layers/extended/run").rglob("*") if path.is_file())
    return [done, json.loads(store.config(found.id)), files | {"left": [str(path) for path in left]}]


def _plant(api: str) -> None:
    Path("/layers/group.toml").write_text(GROUP)
    Path("/layers/plan.toml").write_text("")
    flat = api >= "0.13"
    for kind in ("build", "run"):
        folder = Path("/layers/generated", *(("acme_ext",) if flat else (kind, "acme_ext")))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / (f"{kind}.Dockerfile" if flat else "Dockerfile")).write_text(DOCKERFILE)
        text = f'[[{kind}.args]]\nname = "word"\nvalue = "of the {kind} image"\n'
        config = folder / "extend-config.toml"
        config.write_text((config.read_text() if flat and config.exists() else "") + text)
        if flat:
            (folder / f"context.{kind}").mkdir(exist_ok=True)
            (folder / f"context.{kind}" / "file").write_text(f"for the {kind} image\n")
    Path("/workspace/file").write_text("of the app\n")


@pytest.mark.parametrize("api", ["0.12", "0.13", "0.15"])
def test_what_the_extender_leaves_is_below_the_app(root: Path, api: str) -> None:
    """XTD-01, XTD-02, XTD-04, XTD-05, XTD-07, RST-11, RST-13, RST-14, EXT-04, EXP-03, GNR-06, GNR-14, GO-12."""
    done, config, files = inside(root, lambda: steps(api, ("run", "build")))

    assert [each.exit_code for each in done] == [0, 0, 0, 0], done[-1].output
    assert re.search(r'\[build-image\]\n  reference = "[0-9a-f]{64}"', files["/layers/analyzed.toml"])
    blobs = {path.rpartition("/")[2] for path in files["left"] if "/blobs/sha256/" in path}
    assert len(blobs) == 4, "manifest, configuration, and the two layers that are new"
    assert sha256(BASE_LAYER).removeprefix("sha256:") not in blobs
    assert files["/workspace/built"] == "of the build image\n1000\n"
    assert files["/copied"] == ("of the app\n" if api == "0.12" else "for the build image\n")
    words = [item.get("created_by", "") for item in config["history"]]
    assert words[1:3] == [
        "Layer: 'COPY file /copied', Created by extension: acme/ext",
        "Layer: 'RUN echo $word > /extended', Created by extension: acme/ext",
    ]
    assert len(config["rootfs"]["diff_ids"]) == len(config["history"])
    assert "MORE=1" in config["config"]["Env"]
    assert config["config"]["User"] == "1000:1000"
    assert config["config"]["Labels"]["io.buildpacks.rebasable"] == "false"


def _ends_as_root() -> None:
    path = Path("/layers/generated/acme_ext/run.Dockerfile")
    path.write_text(HEAD + "RUN true\n")


def _fails() -> None:
    path = Path("/layers/generated/acme_ext/run.Dockerfile")
    path.write_text(HEAD + "RUN exit 9\n")


def _shouts() -> None:
    path = Path("/layers/generated/acme_ext/run.Dockerfile")
    path.write_text(HEAD + "RUN exec yes shouted\n")


def _is_no_dockerfile() -> None:
    Path("/layers/generated/acme_ext/run.Dockerfile").write_text("BOGUS\n")


def _has_bad_arguments() -> None:
    Path("/layers/generated/acme_ext/extend-config.toml").write_text("[[run.args]]\nvalue = 1\n")


def _is_without_kaniko() -> None:
    Path("/kaniko").rmdir()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_ends_as_root, "leaves root as the run image's user"),
        (_fails, "RUN 'exit 9' ended with 9"),
        (_shouts, "RUN was stopped: this Dockerfile has written more than 1000000 bytes"),
        (_is_no_dockerfile, "'BOGUS' is no Dockerfile instruction|BOGUS lacks its arguments"),
        (_has_bad_arguments, "extend-config.toml: run.args"),
        (_is_without_kaniko, "what is known of the run image .* cannot be read"),
    ],
)
def test_what_goes_wrong_ends_with_102_and_leaves_no_image(
    root: Path, change: Callable[[], None], words: str
) -> None:
    """XTD-06, F-26."""
    done, _, _ = inside(root, lambda: steps("0.13", ("run",), change))

    assert [each.exit_code for each in done] == [0, 102], done[-1].output
    assert len([line for line in done[-1].output.splitlines() if line.startswith("ERROR: ")]) <= 2
    assert re.search(words, done[-1].output), done[-1].output
    assert not (root / "layers/extended/run").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("extender", "word"), 3, "unexpected arguments"),
        (("extender", "-kind", "both"), 3, "expected one of build, run"),
        (("extender", "-kaniko-cache-ttl", "soon"), 3, "expected a duration"),
        (("extender",), 1, "group.toml"),
    ],
)
def test_words_that_cannot_be_meant(root: Path, words: tuple[str, ...], code: int, said: str) -> None:
    def body() -> Any:
        environ = {"CNB_PLATFORM_API": "0.13", "CNB_USER_ID": "1000", "CNB_GROUP_ID": "1000"}
        if "soon" in words:
            _plant("0.13")
        return phase_programs.call(words, environ, None)

    ended = inside(root, body)

    assert ended.exit_code == code, ended.output
    assert said in ended.output
