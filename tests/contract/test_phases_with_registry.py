"""analyzer, exporter and creator as programs with a registry, against recordings of the Go lifecycle.

They start as root in a root directory of their own and give up their rights. ANA-02, ANA-06, ANA-07, EXP-01 to EXP-18,
CRE-01, RPT-01, GO-14, GO-80.
"""

from __future__ import annotations

import gzip
import json
import re
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from pybuild.oci.digest import sha256
from pybuild.oci.reference import Reference
from support import exports, golden, phase_programs
from support.chroot import base_layer, inside

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from support.registry import Registry

RECORDED_HOST = "localhost:5095"


def _with_registry(case: Mapping[str, Any]) -> bool:
    return (
        case["kind"] in ("export", "creator")
        and case["parameters"]["target"] == "registry"
        and not case["name"].startswith("extension")
    )


@pytest.mark.golden
@pytest.mark.parametrize("case", golden.cases("images", only=_with_registry))
def test_the_registry_has_the_recorded_image_afterwards(
    case: dict[str, Any], root_folder: Path, registry: Registry
) -> None:
    case = moved(case, registry.host)
    put_base(case, registry)

    done = inside(root_folder, lambda: phase_programs.replay(case, ""))

    seen: dict[str, str] = {}
    for ended, expected in done:
        *_, last = ended
        assert [each.exit_code for each in ended] == [0] * len(ended), [each.output for each in ended]
        ours = Reported(last.files["/layers/report.toml"])
        report = expected["report_toml"].replace(Reported(expected["report_toml"]).digest, ours.digest)
        assert ours.masked == Reported(report).masked
        analyzed = expected["analyzed_toml"]
        for theirs, digest in seen.items():
            analyzed = analyzed.replace(theirs, digest)
        assert ended[0].files["/layers/analyzed.toml"] == analyzed
        seen[Reported(expected["report_toml"]).digest] = ours.digest
        media_type, text = registry.manifests[_repository(case), ours.digest]
        assert masked(text) == masked(expected["manifest_text"].encode())
        assert media_type == json.loads(text)["mediaType"]
        config = registry.blobs[_repository(case), json.loads(text)["config"]["digest"]].decode()
        diff_ids = tuple(json.loads(config)["rootfs"]["diff_ids"])
        exports.check(exports.Replayed(config, diff_ids, ()), expected)
    for name in map(Reference.parse, case["parameters"]["output_images"]):
        assert sha256(registry.manifests[name.repository, name.tag][1]) == ours.digest


class Reported:
    """A report.toml. `masked`: without what depends on how layers are compressed."""

    def __init__(self, text: str) -> None:
        found = re.search(r'^  digest = "(sha256:[0-9a-f]{64})"$', text, re.MULTILINE)
        assert found is not None
        self.digest = found[1]
        self.masked = re.sub(r"^  manifest-size = .*\n", "", text, flags=re.MULTILINE)


def moved(case: dict[str, Any], host: str) -> dict[str, Any]:
    """The case as it would have been recorded with a registry at `host`."""
    changed: dict[str, Any] = json.loads(json.dumps(case).replace(RECORDED_HOST, host))
    return changed


def put_base(case: Mapping[str, Any], registry: Registry) -> None:
    """Put the run image where the case has it, its blobs as they were recorded."""
    base = case["base"]
    name = Reference.parse(case["parameters"]["run_image"])
    manifest = json.loads(base["manifest_text"])
    for layer, described in zip(base["layers"], manifest["layers"], strict=True):
        tar = base_layer(layer["tar_entries"])
        blob = tar if described["mediaType"].endswith(".tar") else stored(tar)
        assert registry.put_blob(name.repository, blob) == described["digest"]
    registry.put_blob(name.repository, base["config_text"].encode())
    registry.put_manifest(
        name.repository, name.tag, base["manifest_media_type"], base["manifest_text"].encode()
    )


def stored(data: bytes) -> bytes:
    """A gzip file with one block that is not compressed."""
    head = b"\x1f\x8b\x08\x00" + bytes(5) + b"\xff\x01" + struct.pack("<HH", len(data), len(data) ^ 0xFFFF)
    blob = head + data + struct.pack("<II", zlib.crc32(data), len(data))
    assert gzip.decompress(blob) == data
    return blob


def masked(manifest: bytes) -> str:
    """A manifest's text without digests and sizes."""
    return re.sub(rb'"size":\d+,"digest":"sha256:[0-9a-f]{64}"', b"", manifest).decode()


def _repository(case: Mapping[str, Any]) -> str:
    return Reference.parse(case["parameters"]["output_images"][0]).repository
