"""What makes an image sound: every broken invariant is found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pybuild.errors import InvalidInput
from pybuild.oci import digest, model, validate

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def _config(**changes: Any) -> dict[str, Any]:
    label = json.dumps({"app": [{"sha": A}], "config": {"sha": ""}, "runImage": {"topLayer": B}})
    return {
        "architecture": "amd64",
        "os": "linux",
        "created": "1980-01-01T00:00:01Z",
        "rootfs": {"type": "layers", "diff_ids": [A, B]},
        "history": [{"created_by": "a"}, {"created_by": "b"}, {"empty_layer": True}],
        "config": {
            "Env": ["PATH=/bin", "EMPTY="],
            "WorkingDir": "/workspace",
            "Labels": {"io.buildpacks.lifecycle.metadata": label},
        },
        **changes,
    }


def test_a_sound_image_has_no_faults() -> None:
    assert validate.image_faults(model.encode_config(_config()), [A, B]) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architecture": ""}, "architecture is empty"),
        ({"rootfs": {"type": "", "diff_ids": [A, B]}}, "rootfs.type"),
        ({"rootfs": {"type": "layers", "diff_ids": [B, A]}}, "not those of the 2 layers"),
        ({"history": [{}]}, "history has 1 items"),
        ({"config": {"Env": ["NOVALUE"]}}, "'NOVALUE' has no value"),
        ({"config": {"Env": ["A=1", "A=2"]}}, "set twice"),
        ({"config": {"Env": "A=1"}}, "expected an array"),
        ({"config": {"WorkingDir": "relative"}}, "not absolute"),
        ({"config": {"Labels": {"io.buildpacks.build.metadata": "{"}}}, "not JSON"),
        (
            {"config": {"Labels": {"io.buildpacks.lifecycle.metadata": '{"app":[{"sha":"sha256:x"}]}'}}},
            "no layer is sha256:x",
        ),
    ],
)
def test_a_broken_image_is_found_out(changes: dict[str, Any], said: str) -> None:
    faults = validate.image_faults(json.dumps(_config(**changes)).encode(), [A, B])

    assert any(said in fault for fault in faults)


def _manifest(file: bytes, **changes: Any) -> bytes:
    layer = {"mediaType": model.DOCKER_LAYER, "size": 9, "digest": A}
    described = {"mediaType": model.DOCKER_CONFIG, "size": len(file), "digest": digest.sha256(file)}
    manifest = {
        "schemaVersion": 2,
        "mediaType": model.DOCKER_MANIFEST,
        "config": described,
        "layers": [layer, layer],
    }
    return json.dumps(manifest | changes).encode()


def test_a_sound_manifest_has_no_faults() -> None:
    config = model.encode_config(_config())

    assert validate.manifest_faults(_manifest(config), config) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schemaVersion": 1}, "schemaVersion"),
        ({"mediaType": model.OCI_MANIFEST}, "config.mediaType"),
        ({"mediaType": "text/plain"}, "no image manifest's"),
        ({"config": {}}, "config.digest"),
        ({"layers": []}, "0 layers stand in the manifest, 2"),
        ({"layers": [{"size": -1}] * 2}, "layers[0] lacks"),
        ({"layers": [{"digest": "../../etc"}] * 2}, "expected sha256:"),
    ],
)
def test_a_broken_manifest_is_found_out(changes: dict[str, Any], said: str) -> None:
    config = model.encode_config(_config())

    faults = validate.manifest_faults(_manifest(config, **changes), config)

    assert any(said in fault for fault in faults)


@pytest.mark.parametrize(
    "text", [A + "0", A[:-1], A.upper(), "sha256:../../etc", "md5:" + "a" * 32, "", None, 5]
)
def test_only_a_whole_digest_is_one(text: object) -> None:
    with pytest.raises(InvalidInput, match="label x: expected sha256: and 64"):
        digest.check(text, where="label x")

    assert digest.check(A, where="label x") == A
