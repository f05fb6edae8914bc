"""Whole exports and creations that the Go lifecycle did, done by us: the image's configuration byte for byte.

EXP-01 to EXP-17, LBL-01 to LBL-07, MDT-01 to MDT-05, GO-20 to GO-41. Each case runs in a root directory of its own,
since layers hold absolute paths and owners.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.buildenv.local import LocalBuildEnv
from support import exports, golden
from support.chroot import inside, plant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@pytest.fixture
def root(root_folder: Path) -> Iterator[Path]:
    yield root_folder
    shutil.rmtree(root_folder / "tmp/store", ignore_errors=True)


@pytest.mark.golden
@pytest.mark.parametrize("case", golden.cases("images", only=lambda it: it["kind"] == "export"))
def test_an_export_writes_the_image_that_the_go_lifecycle_writes(case: dict[str, Any], root: Path) -> None:
    """EXP-02 to EXP-05, EXP-07 to EXP-09, EXP-11 to EXP-17, LBL-01 to LBL-06."""
    done = inside(root, lambda: exports.replay_export(case))

    for replayed, build in zip(done, case["builds"], strict=True):
        exports.check(replayed, build["expected"])
        assert f"tags = {_array(replayed.tags)}" in build["expected"]["report_toml"]


@pytest.mark.golden
@pytest.mark.parametrize("case", golden.cases("images", only=lambda it: it["kind"] == "creator"))
def test_a_creation_writes_the_image_that_the_go_lifecycle_writes(case: dict[str, Any], root: Path) -> None:
    """CRE-01, LBL-01 to LBL-06, LBL-08."""
    done = inside(root, lambda: _create_all(case))

    for replayed, build in zip(done, case["builds"], strict=True):
        exports.check(replayed, build["expected"])


def _create_all(case: Mapping[str, Any]) -> list[exports.Replayed]:
    store = exports.store_with_base(case, Path("/tmp/store"))
    env = LocalBuildEnv(case["parameters"]["uid"], case["parameters"]["gid"])
    done = []
    for build in case["builds"]:
        exports.clear()
        plant(build["tree"])
        done.append(exports.replay_create(case, env, store, exports.order_of(build)))
    return done


def _array(texts: tuple[str, ...]) -> str:
    return "[" + ", ".join(f'"{text}"' for text in texts) + "]"
