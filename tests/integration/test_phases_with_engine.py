"""analyzer, exporter and creator as programs with a real Docker Engine, against recordings of the Go lifecycle.

They start as root in a root directory of their own, give up their rights and reach the engine's socket all the same:
only root may open it. Covers GO-14, GO-35, EXP-02, EXP-03, ANT-03, CRE-01.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from pybuild import engine as engines
from pybuild.stores.daemon import DaemonStore
from support import exports, golden, phase_programs
from support.chroot import base_layer, inside
from support.relay import relayed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import docker

pytestmark = [pytest.mark.docker, pytest.mark.golden]


def _with_engine(case: Mapping[str, Any]) -> bool:
    return case["kind"] in ("export", "creator") and case["parameters"]["target"] == "daemon"


@pytest.fixture
def socket_inside(root_folder: Path, engine: docker.APIClient) -> Iterator[str]:
    host = engines.find_endpoint({}).host
    if not host.startswith("unix://"):
        pytest.skip("the engine has no socket file here")
    with relayed(host.removeprefix("unix://"), root_folder / "tmp/engine.sock"):
        yield "unix:///tmp/engine.sock"


@pytest.mark.parametrize("case", golden.cases("images", only=_with_engine))
def test_the_engine_has_the_recorded_image_afterwards(
    case: dict[str, Any], root_folder: Path, engine: docker.APIClient, socket_inside: str
) -> None:
    parameters = case["parameters"]
    names = [parameters["run_image"], *parameters["output_images"]]
    engine.load_image(_saved(case))
    try:
        done = inside(root_folder, lambda: phase_programs.replay(case, socket_inside))

        for ended, expected in done:
            *_, last = ended
            assert [each.exit_code for each in ended] == [0] * len(ended), last.output
            assert ended[0].files["/layers/analyzed.toml"] == expected["analyzed_toml"]
            assert _masked(last.files["/layers/report.toml"]) == _masked(expected["report_toml"])
        for name in parameters["output_images"]:
            config = _config(engine, name)
            diff_ids = tuple(json.loads(config)["rootfs"]["diff_ids"])
            exports.check(exports.Replayed(config, diff_ids, ()), done[-1][1])
            assert engine.inspect_image(name)["Id"] == done[-1][1]["image_id"]
    finally:
        ids = [expected["image_id"] for expected in (build["expected"] for build in case["builds"])]
        store = DaemonStore(engine)
        for name in [*names, *ids]:
            if (found := store.find(name)) is not None:
                store.delete(found)


def _saved(case: Mapping[str, Any]) -> bytes:
    """The case's run image as `docker load` takes it."""
    base = case["base"]
    files = {"config.json": base["config_text"].encode()}
    layers = [base_layer(layer["tar_entries"]) for layer in base["layers"]]
    files |= {f"{number}.tar": layer for number, layer in enumerate(layers)}
    manifest = {
        "Config": "config.json",
        "RepoTags": [case["parameters"]["run_image"]],
        "Layers": [f"{number}.tar" for number in range(len(layers))],
    }
    files["manifest.json"] = json.dumps([manifest]).encode()
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


def _config(engine: docker.APIClient, name: str) -> str:
    """The configuration file of an image, to the byte."""
    data = io.BytesIO(b"".join(engine.get_image(name)))
    with tarfile.open(fileobj=data) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        config = tar.extractfile(json.load(manifest)[0]["Config"])
        assert config is not None
        return config.read().decode()


def _masked(report: str) -> str:
    """`report` without the size of a manifest that nobody stores."""
    return re.sub(r"^  manifest-size = .*\n", "", report, flags=re.MULTILINE)
