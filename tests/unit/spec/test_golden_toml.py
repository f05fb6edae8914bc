"""TOML texts as the Go lifecycle wrote them: GO-50 to GO-54, GRP, PLN, MDT, ANT, RPT."""

from __future__ import annotations

from typing import Any

import pytest

from pybuild.spec import toml
from pybuild.spec.analyzed import Analyzed
from pybuild.spec.api import BUILDPACK_APIS, PLATFORM_APIS, ApiVersion
from pybuild.spec.labels import LifecycleMetadata
from pybuild.spec.launch import BomEntry, Metadata, StoreToml
from pybuild.spec.layer import LayerToml
from pybuild.spec.order import Group
from pybuild.spec.plan import BuildpackPlan, Plan
from pybuild.spec.report import Report
from support.golden import cases, untagged

pytestmark = pytest.mark.golden


@pytest.mark.parametrize("case", cases("toml"))
def test_toml_is_written_as_it_was_recorded(case: dict[str, Any]) -> None:
    if "error" in case["expected"]:
        with pytest.raises(ValueError, match="None in an array"):
            written(case)
        return

    assert written(case) == case["expected"]["text"]


def written(case: dict[str, Any]) -> str:
    if case["shape"] == "analyzed-from-label":
        metadata = LifecycleMetadata.read(case["label"])
        return Analyzed(image_reference=case["image_reference"], metadata=metadata).write().decode()
    value = untagged(case["value"])
    if case["shape"] == "map":
        return toml.dumps(value)
    return rewritten(case["shape"], toml.dumps(value).encode(), case.get("platform_api", "0.15")).decode()


def rewritten(shape: str, data: bytes, platform_api: str) -> bytes:
    """Read as that shape and written again."""
    match shape:
        case "group":
            return Group.read(data, "group.toml").write()
        case "plan":
            return Plan.read(data, "plan.toml").write()
        case "buildpack-plan":
            return BuildpackPlan.read(data, "plan.toml").write()
        case "store":
            return StoreToml.read(data, "store.toml").write()
        case "layer":
            return LayerToml.read(data, "layer.toml", BUILDPACK_APIS[-1]).write_restored()
        case "analyzed":
            return Analyzed.read(data, "analyzed.toml").write()
        case "metadata":
            return Metadata.read(data, "metadata.toml").write(ApiVersion.parse(platform_api))
        case "report" | "rebase-report":
            return report(data).write()
    raise AssertionError(f"unknown shape {shape}")


def report(data: bytes) -> Report:
    table = toml.load(data, file="report.toml")
    image = table.table("image")
    return Report(
        tags=image.texts("tags"),
        image_id=image.text("image-id"),
        digest=image.text("digest"),
        manifest_size=image.integer("manifest-size"),
        bom=tuple(map(BomEntry.read, table.table("build").tables("bom"))),
    )


def test_every_platform_api_has_its_metadata_recorded_or_equals_its_neighbour() -> None:
    metadata = Metadata.read(b'[[processes]]\ntype = "web"\ncommand = ["a", "b"]\n', "metadata.toml")

    texts = {metadata.write(api) for api in PLATFORM_APIS}

    assert len(texts) == 2
