"""analyzer, exporter and creator as programs against recordings of the Go lifecycle: images and files byte for byte.

ANA-03, ANA-07, ANT-01 to ANT-04, EXP-01 to EXP-18, CRE-01, RPT-01, LBL-01 to LBL-08, GO-14, GO-20 to GO-45, GO-50.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.oci.reference import Reference
from support import exports, golden, phase_programs
from support.chroot import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from support.images import FolderStore


@pytest.fixture
def root(root_folder: Path) -> Iterator[Path]:
    yield root_folder
    shutil.rmtree(root_folder / "tmp/store", ignore_errors=True)


def _is_ours(case: Mapping[str, Any]) -> bool:
    return case["kind"] in ("export", "creator")


@pytest.mark.golden
@pytest.mark.parametrize("case", golden.cases("images", only=_is_ours))
def test_the_programs_leave_the_image_and_the_files_that_were_recorded(
    case: dict[str, Any], root: Path
) -> None:
    """ANA-03, ANA-07, ANT-01 to ANT-04, EXP-01 to EXP-05, EXP-07 to EXP-09, EXP-11 to EXP-18, CRE-01, RPT-01, LBL-01 to LBL-06, LBL-08, MDT-01, MDT-02, MDT-04, GO-14, GO-20 to GO-26, GO-30 to GO-35, GO-40 to GO-45, GO-50."""
    for ended, configs, expected in inside(root, lambda: _replayed(case)):
        *_, last = ended
        assert [each.exit_code for each in ended] == [0] * len(ended), last.output
        for config in configs:
            exports.check(
                exports.Replayed(config, tuple(json.loads(config)["rootfs"]["diff_ids"]), ()), expected
            )
        assert _masked(last.files["/layers/report.toml"]) == _masked(expected["report_toml"])
        if case["parameters"]["target"] == "daemon":
            assert ended[0].files["/layers/analyzed.toml"] == expected["analyzed_toml"]
        for name in ("group", "plan"):
            if f"{name}_toml" in expected:
                assert last.files[f"/layers/{name}.toml"] == expected[f"{name}_toml"]
        if "metadata_toml" in expected:
            assert last.files["/layers/config/metadata.toml"] == expected["metadata_toml"]


def _replayed(case: Mapping[str, Any]) -> list[Any]:
    store = exports.store_with_base(case, Path("/tmp/store"))
    for path in (Path("/tmp/store"), *Path("/tmp/store").iterdir()):
        path.chmod(0o777)
    done = phase_programs.replay(case, store, opened=lambda it: it)
    return [(ended, _configs(case, ended[-1].store), expected) for ended, expected in done]


def _configs(case: Mapping[str, Any], store: FolderStore) -> list[str]:
    """The configuration behind every name that the image was to get."""
    names = [Reference.parse(name).name for name in case["parameters"]["output_images"]]
    return [store.config(store.names[name]).decode() for name in names]


def _masked(report: str) -> str:
    """`report` without what only a registry's manifest tells."""
    return re.sub(r"^  (manifest-size|digest|image-id) = .*\n", "", report, flags=re.MULTILINE)
